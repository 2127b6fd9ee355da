// Player and controls. window.prmlViewer drives the page from outside (tests, embedding).
const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const SPEEDS = [0.1, 0.25, 0.5, 1, 2];
const COMPACT = window.matchMedia("(max-width: 720px), (max-aspect-ratio: 4/5), (max-height: 480px)");
const ON_ITS_SIDE = window.matchMedia("(max-height: 480px) and (min-aspect-ratio: 4/5)");
const MAIN_WIDTH = 200, SIDE_WIDTH = 300, THREE_COLUMNS = 640; // pixels: least of the view and of the numbers; both beside the figure
const player = { frame: 0, clock: data.times[0] || 0, playing: false, speed: 1, loop: true, last: 0, joint: -1, pointer: null, main: "" };
const lastFrame = data.frames - 1;
const usualStep = data.frames > 1 ? (data.times[lastFrame] - data.times[0]) / lastFrame : 0.02;

function show(frame) {
  player.frame = Math.min(Math.max(Math.round(frame), 0), lastFrame);
  refresh();
}
function seek(frame) {
  show(frame);
  player.clock = data.times[player.frame];
}
function refresh() {
  const frame = player.frame;
  if (sceneView) {
    sceneView.show(frame);
    sceneView.touch();
    if (player.pointer) point(...player.pointer);
  }
  cameraView.draw(frame, player.joint);
  timeline.draw(frame);
  anglesView.draw(frame);
  curvesView.draw(frame);
  if (compareView) compareView.draw(frame);
  writeClock(frame);
  const apart = cameraView.distance(frame);
  $("distance").firstChild.textContent = Number.isFinite(apart) ? `${apart.toFixed(1)} px` : "";
  $("distance").lastChild.hidden = !Number.isFinite(apart);
  $("badge").textContent = badge(frame);
  $("timeline").setAttribute("aria-valuetext", `frame ${frame}, ${seconds(data.times[frame])} seconds`);
}
function writeClock(frame) {
  const small = document.createElement("small");
  small.textContent = `frame ${frame} of ${lastFrame}`;
  $("clock").replaceChildren(`${seconds(data.times[frame])} / ${seconds(data.times[lastFrame])} s`, small);
}
function badge(frame) {
  if (!data.hasPose(frame)) return "No person found in this frame";
  if (!data.isMeasured(frame)) return "Filled in: not measured in this frame";
  if (data.isInvented(frame)) return "Most joints are inferred: not seen in this frame";
  return data.isImplausible(frame) ? "Implausible pose" : "";
}
const seconds = (time) => time.toFixed(2);

/** Which view is the large one: "camera", "orbit" or, in a room, "turntable", which goes round the person. */
function showView(main) {
  player.main = root.dataset.main = main;
  if (sceneView) sceneView.turntable = main === "turntable";
  for (const button of document.querySelectorAll("#switch button")) button.setAttribute("aria-pressed", button.dataset.main === main);
  arrange();
}
/** The next view that can be shown. */
function switchView() {
  const views = [...document.querySelectorAll("#switch button")].filter((b) => !b.hidden && !b.disabled).map((b) => b.dataset.main);
  if (!$("switch").hidden) showView(views[(views.indexOf(player.main) + 1) % views.length]);
}

/** Sizes that depend on the shape of both the window and the video. */
function arrange() {
  if (COMPACT.matches) root.dataset.compact = ON_ITS_SIDE.matches ? "side" : "";
  else delete root.dataset.compact;
  const [options, home] = [$("options"), COMPACT.matches ? $("side") : $("bar")];
  if (options.parentElement !== home) home.append(options);
  const style = getComputedStyle(document.body), gap = parseFloat(style.columnGap) || 0;
  const width = document.body.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const [header, footer] = ["header", "footer"].map((name) => document.querySelector(name).getBoundingClientRect());
  const top = ON_ITS_SIDE.matches ? parseFloat(style.paddingTop) : header.bottom + gap;
  const height = footer.top - gap - top - (cameraView.shown ? $("detected").parentElement.offsetHeight || 41 : 0);
  const ratio = meta.image ? meta.image[0] / meta.image[1] : 1;
  const most = width - gap - SIDE_WIDTH; // the least that the other column needs
  const wish = player.main === "camera" ? height * ratio : Math.max(width * 0.7 - gap, 0);
  const main = Math.max(Math.min(wish, most), MAIN_WIDTH);
  root.style.setProperty("--main-width", `${Math.round(main)}px`);
  root.dataset.columns = player.main === "camera" && !COMPACT.matches && width - gap - main >= THREE_COLUMNS ? 3 : 2;
  if (sceneView) sceneView.touch();
  refresh();
}

function play(on = true) {
  player.playing = on;
  player.last = 0;
  if (on && player.frame === lastFrame) seek(0);
  document.body.classList.toggle("playing", on);
  $("play").setAttribute("aria-label", on ? "Pause" : "Play");
}
function advance(now) {
  const passed = player.last ? (now - player.last) / 1000 : 0; // a slow machine leaves frames out and keeps the time
  player.last = now;
  player.clock += passed * player.speed;
  const end = data.times[lastFrame] + usualStep;
  if (player.clock >= end) {
    if (!player.loop) { seek(lastFrame); play(false); return; }
    player.clock = data.times[0] + (player.clock - end) % Math.max(end - data.times[0], usualStep);
  }
  const frame = data.frameAt(player.clock);
  if (frame !== player.frame) show(frame);
}
function step(by) {
  play(false);
  seek(player.frame + by);
}
function setSpeed(speed) {
  player.speed = speed;
  $("speed").value = String(speed);
}
function toggle(id, apply) {
  const on = $(id).getAttribute("aria-pressed") !== "true";
  $(id).setAttribute("aria-pressed", on);
  apply(on);
  refresh();
}
const toggles = {
  loop: () => toggle("loop", (on) => { player.loop = on; }),
  uncertainty: () => sceneView && data.std && toggle("uncertainty", (on) => { setAid("uncertainty", on); }),
  feet: () => sceneView && toggle("feet", (on) => { setAid("feet", on); }),
  detected: () => toggle("detected", (on) => { cameraView.layers.detected = on; }),
  lifted: () => toggle("lifted", (on) => { cameraView.layers.lifted = on; }),
  overlaid: () => compareView && toggle("overlaid", (on) => {
    compareView.state.overlaid = on;
    if (sceneView) sceneView.refit();
  }),
};
function setAid(name, on) {
  for (const figure of sceneView.figures) figure.state[name] = on;
  showAid(on);
}
/** What was asked for is drawn in the orbit view alone; on a phone that view may be hidden. */
function showAid(on) {
  writeNote();
  if (on && COMPACT.matches && player.main === "camera") showView("orbit");
}
function writeNote() {
  const state = sceneView ? sceneView.figure.state : {};
  const parts = [meta.note];
  if (state.feet) parts.push("Feet put on the floor: a visual aid, not measured");
  if (state.uncertainty) parts.push(`Ellipsoids: ${SIGMAS} standard deviations along the camera's axes`);
  $("note").textContent = parts.join(" · ");
  if (sceneView) sceneView.refit();
}
function lookFrom(name) {
  sceneView.look(name);
  markView();
}
function markView() {
  for (const button of document.querySelectorAll(".views button")) button.setAttribute("aria-pressed", button.dataset.view === sceneView.view);
}

/** Name, place and uncertainty of the joint under the pointer. */
function point(x, y, reach = 16) {
  player.pointer = [x, y, reach];
  player.joint = sceneView.pick(x, y, reach);
  const tip = $("tip");
  tip.hidden = player.joint < 0;
  if (tip.hidden) return;
  const place = data.joint(player.frame, player.joint, [0, 0, 0]), std = data.spread(player.frame, player.joint);
  const rows = meta.axes.map((axis, k) => {
    const value = (place[k] * 1000).toFixed(0).padStart(6);
    return `${axis.padEnd(8)}${value} mm` + (std ? `  ± ${(std[k] * 1000).toFixed(0)}` : "");
  });
  const name = document.createElement("b"), inferred = data.isFaint(player.frame, player.joint) ? " (not measured)" : "";
  name.textContent = meta.joints[player.joint];
  if (compareView) rows.push(`apart   ${compareView.distance(player.frame, player.joint).toFixed(0).padStart(6)} mm`);
  tip.replaceChildren(name, `${inferred}\n${rows.join("\n")}`);
  const stage = $("stage");
  tip.style.left = Math.max(Math.min(x + 16, stage.clientWidth - tip.offsetWidth - 8), 4) + "px";
  tip.style.top = Math.max(Math.min(y + 12, stage.clientHeight - tip.offsetHeight - 8), 4) + "px";
}
function listenToPointer() {
  const canvas = $("scene");
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons || event.pointerType === "touch") return;
    const before = player.joint;
    point(event.offsetX, event.offsetY);
    if (before !== player.joint) cameraView.draw(player.frame, player.joint);
  });
  canvas.addEventListener("click", (event) => { point(event.offsetX, event.offsetY, 24); refresh(); });
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") forget(); });
  canvas.addEventListener("orbit", () => { forget(); markView(); });
}
function forget() {
  player.pointer = null;
  player.joint = -1;
  $("tip").hidden = true;
  cameraView.draw(player.frame, -1);
}

const KEYS = {
  " ": () => play(!player.playing), ArrowLeft: (e) => step(e.shiftKey ? -10 : -1), ArrowRight: (e) => step(e.shiftKey ? 10 : 1),
  Home: () => step(-data.frames), End: () => step(data.frames),
  ArrowUp: () => setSpeed(SPEEDS[Math.min(SPEEDS.indexOf(player.speed) + 1, SPEEDS.length - 1)]),
  ArrowDown: () => setSpeed(SPEEDS[Math.max(SPEEDS.indexOf(player.speed) - 1, 0)]),
  v: switchView, p: () => savePicture(),
  u: () => toggles.uncertainty(), f: () => toggles.feet(), l: () => toggles.loop(), o: () => toggles.overlaid(),
  1: () => sceneView && lookFrom("quarter"), 2: () => sceneView && lookFrom("front"), 3: () => sceneView && lookFrom("side"),
  4: () => sceneView && lookFrom("top"), "?": () => showKeys($("keys").hidden), Escape: () => showKeys(false),
};
function showKeys(on) {
  $("keys").hidden = !on;
  $("help").setAttribute("aria-expanded", on);
}
function listenToKeys() {
  let reached = null; // what the keyboard has focused; at a key :focus-visible holds for what was clicked, too
  window.addEventListener("focusin", (event) => { reached = event.target.matches(":focus-visible") ? event.target : null; });
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const act = KEYS[event.key] || KEYS[event.key.toLowerCase()];
    const button = event.target.tagName === "BUTTON", own = button && event.target === reached;
    if (!act || (own && event.key === " ")) return; // the space bar presses it
    event.preventDefault();
    if (button && !own) event.target.blur(); // else the space bar would press what was clicked as well
    act(event);
  });
}
const savePicture = () => save.picture(player.main, player.frame);
function listenToButtons() {
  $("play").onclick = () => play(!player.playing);
  $("back").onclick = () => step(-1);
  $("on").onclick = () => step(1);
  $("speed").onchange = (event) => { player.speed = Number(event.target.value); event.target.blur(); };
  for (const id of Object.keys(toggles)) $(id).onclick = toggles[id];
  for (const button of document.querySelectorAll(".views button")) button.onclick = () => lookFrom(button.dataset.view);
  for (const button of document.querySelectorAll("#switch button")) button.onclick = () => showView(button.dataset.main);
  $("save-picture").onclick = () => savePicture();
  $("save-json").onclick = save.json;
  $("save-csv").onclick = save.csv;
  $("help").onclick = () => showKeys($("keys").hidden);
  $("theme").onclick = () => setTheme(root.dataset.theme === "light" ? "dark" : "light");
  timeline.onScrub(() => play(false), seek);
  curvesView.onSeek((frame) => { play(false); seek(frame); });
  curvesView.onChoice(arrange);
  if (compareView) {
    compareView.onSeek((frame) => { play(false); seek(frame); });
    compareView.onChoice(refresh);
  }
}
function setTheme(theme) {
  root.dataset.theme = theme;
  root.style.setProperty("--left", meta.colours.left);
  root.style.setProperty("--right", meta.colours.right);
  if (sceneView) sceneView.recolour();
  timeline.repaint();
  curvesView.repaint();
  if (compareView) compareView.repaint();
  refresh();
}
const MARKS = { "No person": "none", "Filled in": "filled", "Mostly inferred": "invented", "Implausible": "implausible" };
/** Show the numbers of another person. */
function choosePerson(who) {
  if (!who || who === data) return;
  data = who;
  forget();
  writeFacts();
  timeline.repaint();
  markPerson();
  refresh();
}
function markPerson() {
  for (const button of document.querySelectorAll("#people button")) button.setAttribute("aria-pressed", button.textContent === String(data.record.number));
}
function listPeople() {
  $("people").hidden = people.length < 2;
  for (const who of people.length < 2 ? [] : people) {
    const button = document.createElement("button");
    button.textContent = who.record.number;
    const whose = compareView ? `${who.record.number}, ${compareView.names[people.indexOf(who)]}` : `person ${who.record.number}`;
    button.title = `Numbers of ${whose}; or click the person in the camera's view`;
    button.onclick = () => choosePerson(who);
    $("people").append(button);
  }
  cameraView.canvas.addEventListener("click", (event) => choosePerson(cameraView.personAt(player.frame, event.offsetX, event.offsetY)));
  markPerson();
}
function writeFacts() {
  const list = document.querySelector("#facts dl");
  list.replaceChildren();
  $("rules").textContent = "";
  for (const [name, value] of data.record.facts) {
    const term = document.createElement("dt"), text = document.createElement("dd");
    if (name in MARKS) term.appendChild(document.createElement("i")).className = `mark ${MARKS[name]}`; // as on the timeline
    term.append(name);
    text.textContent = value;
    list.append(term, text);
  }
  const names = data.record.facts.map(([name]) => name);
  for (const [name, rule] of meta.rules) if (names.includes(name)) $("rules").append(`${name}: ${rule}. `);
}
function writeRules() {
  for (const [name, rule] of meta.rules) {
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name.toLowerCase();
    text.textContent = rule;
    document.querySelector("#keys dl").append(term, text);
  }
}
function build() {
  $("subtitle").textContent = meta.subtitle;
  writeFacts();
  writeRules();
  listPeople();
  if (meta.pictures && meta.pictures.every > 1) $("preview-note").textContent = `picture: 1 of ${meta.pictures.every} frames`;
  if (cameraView.shown) root.style.setProperty("--image-ratio", meta.image[0] / meta.image[1]);
  else {
    $("image-panel").hidden = document.querySelector("[data-main=camera]").hidden = true;
    root.toggleAttribute("data-alone", true);
    $("switch").hidden = !meta.room;
  }
  if (meta.room) {
    $("feet").hidden = true; // they are on it
    document.querySelector("[data-main=turntable]").hidden = false;
    document.querySelector("[data-main=orbit]").textContent = "World";
  }
  for (const [id, has] of [["detected", data.points2d], ["lifted", data.origins]]) $(id).hidden = !has;
  if (!data.std) { $("uncertainty").disabled = true; $("uncertainty").title = "This sequence carries no standard deviations"; }
  if (!sceneView) {
    $("no-webgl").hidden = false;
    for (const button of document.querySelectorAll("#feet, #uncertainty, .views button, [data-main=orbit], [data-main=turntable]")) button.disabled = true;
  }
}
function tick(now) {
  if (player.playing) advance(now);
  if (sceneView) sceneView.tick(now);
  requestAnimationFrame(tick);
}

build();
listenToKeys();
listenToButtons();
if (sceneView) listenToPointer();
cameraView.onPicture(() => cameraView.draw(player.frame, player.joint));
const light = window.matchMedia("(prefers-color-scheme: light)");
setTheme(light.matches ? "light" : "dark");
light.addEventListener("change", (event) => setTheme(event.matches ? "light" : "dark"));
window.addEventListener("resize", arrange);
document.addEventListener("visibilitychange", () => { player.last = 0; });
writeNote();
showView(cameraView.shown ? "camera" : "orbit");
seek(0);
if (sceneView) { sceneView.tick(0); markView(); }
requestAnimationFrame(tick);

window.prmlViewer = {
  seek, play, step, setSpeed, showView,
  /** Show the numbers of a person, by number. */
  choose(number) { choosePerson(people.find((who) => who.record.number === number)); },
  /** As the page opened. */
  reset() {
    play(false);
    setSpeed(1);
    for (const [id, on] of [["loop", true], ["uncertainty", false], ["feet", false], ["overlaid", false], ["detected", true], ["lifted", true]])
      if (($(id).getAttribute("aria-pressed") === "true") !== on) toggles[id]();
    forget();
    showView(cameraView.shown ? "camera" : "orbit");
    if (sceneView) { sceneView.look("quarter", true); markView(); }
    seek(0);
  },
  state: () => ({
    frame: player.frame, frames: data.frames, time: data.times[player.frame], playing: player.playing, speed: player.speed,
    loop: player.loop, main: player.main, person: data.hasPose(player.frame), measured: data.isMeasured(player.frame),
    people: people.length, number: data.record.number, implausible: data.isImplausible(player.frame), reprojected: meta.joints.map((_, j) => data.reprojected(player.frame, j)),
    apart: compareView && { overlaid: compareView.state.overlaid, mean: compareView.mean(player.frame), joint: compareView.joint() },
    figure: sceneView ? { ...sceneView.figure.state } : null, view: sceneView && sceneView.view,
    orbit: sceneView && sceneView.orbit, theme: root.dataset.theme,
  }),
};
