// Player and controls. window.prmlViewer drives the page from outside (tests, embedding).
const $ = (id) => document.getElementById(id);
const SPEEDS = [0.1, 0.25, 0.5, 1, 2];
const player = { frame: 0, clock: data.times[0] || 0, playing: false, speed: 1, loop: true, last: 0, joint: -1, pointer: null };
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
    sceneView.figure.show(frame);
    sceneView.touch();
    if (player.pointer) point(...player.pointer);
  }
  imageView.draw(frame, player.joint);
  timeline.draw(frame);
  anglesView.draw(frame);
  $("clock").innerHTML = `${seconds(data.times[frame])} / ${seconds(data.times[lastFrame])} s<small>frame ${frame} of ${lastFrame}</small>`;
  $("badge").textContent = badge(frame);
  $("timeline").setAttribute("aria-valuetext", `frame ${frame}, ${seconds(data.times[frame])} seconds`);
}
function badge(frame) {
  if (!sceneView) return "This browser offers no WebGL: the 3D view cannot be drawn";
  if (!data.hasPose(frame)) return "No person found in this frame";
  return data.isMeasured(frame) ? "" : "Filled in: not measured in this frame";
}
const seconds = (time) => time.toFixed(2);

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
  uncertainty: () => sceneView && data.std && toggle("uncertainty", (on) => { sceneView.figure.state.uncertainty = on; writeNote(); }),
  feet: () => sceneView && toggle("feet", (on) => { sceneView.figure.state.feet = on; writeNote(); }),
};
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
  const place = data.joint(player.frame, player.joint, [0, 0, 0]), std = data.deviation(player.frame, player.joint, [0, 0, 0]);
  const rows = meta.axes.map((axis, k) => {
    const value = (place[k] * 1000).toFixed(0).padStart(6);
    return `${axis.padEnd(8)}${value} mm` + (std ? `  ± ${(std[k] * 1000).toFixed(0)}` : "");
  });
  tip.innerHTML = `<b>${meta.joints[player.joint]}</b>\n<span style="font-family:ui-monospace,monospace">${rows.join("\n")}</span>`;
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
    if (before !== player.joint) imageView.draw(player.frame, player.joint);
  });
  canvas.addEventListener("click", (event) => { point(event.offsetX, event.offsetY, 24); refresh(); });
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") forget(); });
  canvas.addEventListener("orbit", () => { forget(); markView(); });
}
function forget() {
  player.pointer = null;
  player.joint = -1;
  $("tip").hidden = true;
  imageView.draw(player.frame, -1);
}

const KEYS = {
  " ": () => play(!player.playing), ArrowLeft: (e) => step(e.shiftKey ? -10 : -1), ArrowRight: (e) => step(e.shiftKey ? 10 : 1),
  Home: () => step(-data.frames), End: () => step(data.frames),
  ArrowUp: () => setSpeed(SPEEDS[Math.min(SPEEDS.indexOf(player.speed) + 1, SPEEDS.length - 1)]),
  ArrowDown: () => setSpeed(SPEEDS[Math.max(SPEEDS.indexOf(player.speed) - 1, 0)]),
  u: () => toggles.uncertainty(), f: () => toggles.feet(), l: () => toggles.loop(),
  1: () => sceneView && lookFrom("quarter"), 2: () => sceneView && lookFrom("camera"), 3: () => sceneView && lookFrom("side"),
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
function listenToButtons() {
  $("play").onclick = () => play(!player.playing);
  $("back").onclick = () => step(-1);
  $("on").onclick = () => step(1);
  $("speed").onchange = (event) => { player.speed = Number(event.target.value); event.target.blur(); };
  for (const id of Object.keys(toggles)) $(id).onclick = toggles[id];
  for (const button of document.querySelectorAll(".views button")) button.onclick = () => lookFrom(button.dataset.view);
  $("help").onclick = () => showKeys($("keys").hidden);
  $("theme").onclick = () => setTheme(document.documentElement.dataset.theme === "light" ? "dark" : "light");
  timeline.onScrub(() => play(false), seek);
}
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.documentElement.style.setProperty("--left", meta.colours.left);
  document.documentElement.style.setProperty("--right", meta.colours.right);
  if (sceneView) sceneView.recolour();
  timeline.repaint();
  refresh();
}
const MARKS = { "No person": "none", "Filled in": "filled" };
function furnish() {
  $("subtitle").textContent = meta.subtitle;
  $("facts").innerHTML = "";
  const list = document.createElement("dl");
  for (const [name, value] of meta.facts) {
    const term = document.createElement("dt"), text = document.createElement("dd");
    if (name in MARKS) term.innerHTML = `<i class="mark ${MARKS[name]}"></i>`; // as on the timeline
    term.append(name);
    text.textContent = value;
    list.append(term, text);
  }
  $("facts").append(list);
  if (meta.thumbnails && meta.thumbnails.every > 1) $("preview-note").textContent = `picture: 1 of ${meta.thumbnails.every} frames`;
  if (meta.image && data.points2d) {
    const ratio = meta.image[0] / meta.image[1], root = document.documentElement.style;
    root.setProperty("--image-aspect", `${meta.image[0]} / ${meta.image[1]}`);
    root.setProperty("--image-ratio", ratio);
    root.setProperty("--side-width", ratio < 1 ? "26%" : "36%");
    document.documentElement.toggleAttribute("data-upright", ratio < 1);
  } else $("image-panel").hidden = true;
  if (!data.std) { $("uncertainty").disabled = true; $("uncertainty").title = "This sequence carries no standard deviations"; }
  if (!sceneView) for (const button of document.querySelectorAll("#feet, #uncertainty, .views button")) button.disabled = true;
}
function tick(now) {
  if (player.playing) advance(now);
  if (sceneView) sceneView.tick(now);
  requestAnimationFrame(tick);
}

furnish();
listenToKeys();
listenToButtons();
if (sceneView) listenToPointer();
imageView.onPicture(() => imageView.draw(player.frame, player.joint));
const light = window.matchMedia("(prefers-color-scheme: light)");
setTheme(light.matches ? "light" : "dark");
light.addEventListener("change", (event) => setTheme(event.matches ? "light" : "dark"));
window.addEventListener("resize", () => refresh());
document.addEventListener("visibilitychange", () => { player.last = 0; });
writeNote();
seek(0);
if (sceneView) { sceneView.tick(0); markView(); }
requestAnimationFrame(tick);

window.prmlViewer = {
  seek, play, step, setSpeed,
  /** As the page opened. */
  reset() {
    play(false);
    setSpeed(1);
    for (const [id, on] of [["loop", true], ["uncertainty", false], ["feet", false]])
      if (($(id).getAttribute("aria-pressed") === "true") !== on) toggles[id]();
    forget();
    if (sceneView) { sceneView.look("quarter", true); markView(); }
    seek(0);
  },
  state: () => ({
    frame: player.frame, frames: data.frames, time: data.times[player.frame], playing: player.playing, speed: player.speed,
    loop: player.loop, person: data.hasPose(player.frame), measured: data.isMeasured(player.frame),
    figure: sceneView ? { ...sceneView.figure.state } : null, view: sceneView && sceneView.view,
    orbit: sceneView && sceneView.orbit, theme: document.documentElement.dataset.theme,
  }),
};
