// The window of prml live: every message is a frame, which is drawn at once. window.prmlLive tells tests what is shown.
const $ = (id) => document.getElementById(id);
const live = { frames: 0, rate: 0, delay: NaN, person: false, frame: -1, open: false, ended: "" };
const arrivals = [];

function take(record) {
  const { person } = record;
  data.flags[0] = person ? PERSON | MEASURED : 0;
  live.person = person;
  if (!person) return;
  const { joints_m: joints, std_m: std, keypoints_px: points, confidence, root_m: place } = record;
  joints.forEach((joint, j) => {
    for (let k = 0; k < 3; k++) {
      data.points3d[3 * j + k] = Math.round(joint[k] / data.record.unit.joints);
      if (data.std && std) data.std[3 * j + k] = Math.min(Math.round(std[j][k] / data.record.unit.std), 255);
    }
    for (let k = 0; k < 2; k++) data.points2d[2 * j + k] = points && points[j] ? Math.round(points[j][k] / data.record.unit.keypoints) : MISSING;
    data.confidence[j] = confidence && confidence[j] !== null ? Math.round(255 * confidence[j]) : 0;
  });
  const faint = joints.map((_, j) => !(points && points[j]));
  data.faintBits.fill(0);
  faint.forEach((is, j) => { if (is) data.faintBits[j >> 3] |= 128 >> (j & 7); });
  data.origins.set(place || [0, 0, -1]); // behind the camera: not drawn
}
function count(record) {
  const now = performance.now();
  arrivals.push(now);
  while (arrivals[0] < now - 2000) arrivals.shift();
  live.frames++;
  live.frame = record.frame;
  live.delay = record.delay_ms;
  live.rate = arrivals.length > 1 ? (arrivals.length - 1) / (now - arrivals[0]) * 1000 : 0;
}
function draw() {
  cameraView.draw(0, -1);
  if (sceneView) {
    sceneView.show(0);
    sceneView.touch();
  }
  $("badge").textContent = live.ended || (live.open ? (live.person ? "" : "No person") : "Connecting\u2026");
  $("subtitle").textContent = live.open ? `${live.rate.toFixed(0)} frames/s \u00b7 ${live.delay.toFixed(0)} ms behind` : "";
}
function receive(event) {
  const record = JSON.parse(event.data);
  if (record.schema) return; // the header, which the page knows
  if (record.end !== undefined) { live.ended = record.end || "Ended"; draw(); return; }
  count(record);
  const show = () => { take(record); draw(); };
  if (!record.picture) { show(); return; }
  const image = new Image();
  image.onload = () => { cameraView.setPicture(image); show(); };
  image.src = "data:image/jpeg;base64," + record.picture;
}
function connect() {
  const socket = new WebSocket(`ws://${location.host}/live?pictures`);
  socket.onopen = () => { live.open = true; live.ended = ""; draw(); };
  socket.onmessage = receive;
  socket.onclose = () => { live.open = false; draw(); if (!live.ended) setTimeout(connect, 1000); };
}
function build() {
  for (const id of ["detected", "lifted"]) {
    $(id).onclick = () => {
      cameraView.layers[id] = !cameraView.layers[id];
      $(id).setAttribute("aria-pressed", cameraView.layers[id]);
      draw();
    };
  }
  $("mirror").onclick = () => {
    const on = document.documentElement.toggleAttribute("data-mirror");
    $("mirror").setAttribute("aria-pressed", on);
  };
  const light = window.matchMedia("(prefers-color-scheme: light)"), root = document.documentElement;
  const setTheme = (on) => {
    root.dataset.theme = on ? "light" : "dark";
    for (const side of ["left", "right"]) root.style.setProperty(`--${side}`, meta.colours[side]);
    if (sceneView) sceneView.recolour();
    draw();
  };
  setTheme(light.matches);
  light.addEventListener("change", (event) => setTheme(event.matches));
  window.addEventListener("resize", draw);
  $("note").textContent = meta.note;
  $("no-webgl").hidden = Boolean(sceneView);
  for (const button of document.querySelectorAll(".views button")) button.onclick = () => sceneView && sceneView.look(button.dataset.view);
}
function tick(now) {
  if (sceneView) sceneView.tick(now);
  requestAnimationFrame(tick);
}
build();
connect();
requestAnimationFrame(tick);
window.prmlLive = { state: () => ({ ...live, figure: sceneView ? { ...sceneView.figure.state } : null, joint: data.joint(0, 1, [0, 0, 0]) }) };
