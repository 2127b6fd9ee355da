"use strict";
// Uploads videos, asks how far they are, and shows what came out. Names and messages are only ever set as text.
const $ = (selector, inside = document) => inside.querySelector(selector);
const uploads = new Map(); // number -> {name, sent, total}
const state = { jobs: [], open: null, tab: "viewer", about: null, uploads: 0, lost: false };

function make(tag, fields = {}, ...inside) {
  const made = Object.assign(document.createElement(tag), fields);
  made.append(...inside);
  return made;
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${+(bytes / 1e6).toFixed(1)} MB`;
}

function span(seconds) {
  const whole = Math.round(seconds);
  return whole < 90 ? `${whole} s` : `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
}

function notice(text) {
  $("#notice").textContent = text;
  $("#notice").hidden = !text;
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (answer.status === 204) return null;
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

// ---------------------------------------------------------------- uploads
function upload(file) {
  const limit = state.about && state.about.max_mb * 1e6;
  if (limit && file.size > limit) return notice(`${file.name} has ${size(file.size)}, this server takes ${size(limit)} at most`);
  if (!file.size) return notice(`${file.name} is empty`);
  notice("");
  const number = ++state.uploads;
  const entry = { name: file.name, sent: 0, total: file.size };
  const request = new XMLHttpRequest(); // fetch does not tell how much has been sent
  entry.stop = () => request.abort();
  uploads.set(number, entry);
  request.open("POST", `api/jobs?name=${encodeURIComponent(file.name.slice(-400))}`);
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.upload.onprogress = (event) => { entry.sent = event.loaded; draw(); };
  request.onload = () => {
    let told = {};
    try { told = JSON.parse(request.responseText); } catch { told.error = "the server gave no answer"; }
    if (request.status === 201) { if (!uploads.has(number)) return; open(told.id); } else notice(told.error);
  };
  request.onerror = () => notice(`${file.name}: the connection to the server was lost; upload it again`);
  request.onloadend = () => { uploads.delete(number); refresh(); };
  request.send(file);
  draw();
}

// ---------------------------------------------------------------- what is known
function told(job) {
  if (job.status === "queued") return job.position ? `waits, ${job.position} before it` : "waits";
  if (job.status === "failed") return job.error;
  if (job.status === "done") return `${job.frames} frames in ${span(job.seconds)}`;
  const { stage, done, total } = job.progress;
  if (!stage) return "starts";
  const name = { detect: "looks for the person", lift: "lifts", overlay: "draws the video", viewer: "writes the page" }[stage] || stage;
  const rest = stage === "detect" && total && done > 20 ? `, about ${span((job.seconds / done) * (total - done))} left` : "";
  return `${name}: ${done}${total ? ` of ${total}` : ""} frames${rest}`;
}

function bar(done, total) {
  const made = make("progress", { max: total || 1 });
  if (total) made.value = done;
  return made;
}

function row(kind, name, text, extra, onOpen, onRemove, label) {
  const opener = make("button", { className: "open", onclick: onOpen }, make("b", { textContent: name, title: name }), make("span", { textContent: text }), ...extra);
  const remover = make("button", { className: "remove", textContent: "\u00d7", title: label, onclick: onRemove });
  remover.setAttribute("aria-label", `${label}: ${name}`);
  return make("li", { className: kind }, opener, remover);
}

let drawn = "";
function draw() {
  const now = JSON.stringify([state.jobs, [...uploads], state.open]);
  if (now === drawn) return;
  drawn = now;
  const sending = [...uploads.values()].map((u) =>
    row("running", u.name, u.sent < u.total ? `uploads: ${size(u.sent)} of ${size(u.total)}` : "is looked at", [bar(u.sent, u.total)], () => {}, u.stop, "Stop"));
  const known = state.jobs.map((job) => {
    const extra = job.status === "running" ? [bar(job.progress.done, job.progress.total)] : [];
    const made = row(job.status, job.name, told(job), extra, () => open(job.id), () => remove(job), "Remove");
    made.setAttribute("aria-current", job.id === state.open);
    return made;
  });
  const focused = document.activeElement && document.activeElement.closest("#jobs li");
  const place = focused ? [...$("#jobs").children].indexOf(focused) : -1;
  const which = focused && document.activeElement.className;
  $("#jobs").replaceChildren(...sending, ...known);
  if (place >= 0) { const again = $("#jobs").children[place]; if (again) $(`.${which}`, again).focus(); }
  detail();
}

function detail() {
  const job = state.jobs.find((one) => one.id === state.open);
  $("#detail").hidden = !job;
  $("#empty").hidden = !!job;
  document.body.toggleAttribute("data-open", !!job);
  if (!job) return;
  $("h2").textContent = job.name;
  const seconds = job.duration_s ? `, ${job.duration_s.toFixed(1)} s` : "";
  $("#facts").textContent = `${job.width} \u00d7 ${job.height}, ${+job.fps.toFixed(2)} frames/s${seconds}, ${told(job)}`;
  const done = job.status === "done", names = job.files.map((file) => file.name), base = `api/jobs/${job.id}/`;
  $(".tabs").hidden = !done;
  $("[data-tab=viewer]").hidden = !names.includes("viewer.html");
  $("[data-tab=overlay]").hidden = !names.includes("overlay.mp4");
  const tab = done && !names.includes({ viewer: "viewer.html", overlay: "overlay.mp4" }[state.tab]) ? "files" : state.tab;
  for (const button of document.querySelectorAll(".tabs button")) button.setAttribute("aria-pressed", button.dataset.tab === tab);
  const told_of = done ? (tab === "files" ? job.warnings : []) : [];
  $("#state").hidden = done && !told_of.length;
  $("#state p").textContent = done ? "" : told(job);
  $("#state p").hidden = done;
  $("#state progress").hidden = job.status !== "running";
  if (job.progress) $("#state progress").replaceWith(bar(job.progress.done, job.progress.total));
  $("#state ul").replaceChildren(...told_of.map((line) => make("li", { textContent: line })));
  $("#wide").hidden = !done || tab === "files";
  $("#wide").href = `${base}files/${tab === "overlay" ? "overlay.mp4" : "viewer.html"}`;
  show($("#viewer"), done && tab === "viewer", `${base}files/viewer.html`);
  show($("#overlay"), done && tab === "overlay", `${base}files/overlay.mp4`);
  $("#files").hidden = !(done && tab === "files");
  $("#all").href = `${base}all.zip`;
  $("#files ul").replaceChildren(...job.files.map((file) => make("li", {},
    make("a", { href: `${base}files/${file.name}`, textContent: file.name, download: file.name }),
    make("span", { textContent: size(file.bytes) }), make("span", { textContent: file.about }))));
}

function show(element, wanted, address) {
  element.hidden = !wanted;
  if (wanted && element.dataset.of !== address) {
    element.dataset.of = address;
    element.src = address;
  } else if (!wanted && element.tagName === "VIDEO") element.pause();
}

function open(id) {
  state.open = id;
  state.tab = "viewer";
  history.replaceState(null, "", id ? `#${id}` : location.pathname);
  draw();
  refresh();
}

async function remove(job) {
  if (!confirm(`Remove ${job.name} and its files from the server?`)) return;
  try { await ask(`api/jobs/${job.id}`, { method: "DELETE" }); } catch (error) { notice(error.message); }
  if (state.open === job.id) open(null);
  refresh();
}

let timer = 0;
async function refresh() {
  clearTimeout(timer);
  let wait = 5000;
  try {
    state.jobs = (await ask("api/jobs")).jobs;
    if (state.lost) notice("");
    state.lost = false;
    if (state.jobs.some((job) => job.status === "queued" || job.status === "running")) wait = 700;
  } catch (error) {
    state.lost = true;
    notice(error instanceof TypeError ? "the server does not answer; what was uploaded is kept" : error.message);
  }
  draw();
  clearTimeout(timer);
  timer = setTimeout(refresh, wait);
}

// ---------------------------------------------------------------- start
$("#pick").onchange = (event) => { for (const file of event.target.files) upload(file); event.target.value = ""; };
for (const name of ["dragover", "dragenter"]) addEventListener(name, (event) => { event.preventDefault(); $("#drop").classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("#drop").classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  $("#drop").classList.remove("over");
  for (const file of event.dataTransfer.files) upload(file);
});
for (const button of document.querySelectorAll(".tabs button")) button.onclick = () => { state.tab = button.dataset.tab; detail(); };
$("#back").onclick = () => open(null);
state.open = location.hash.slice(1) || null;
ask("api/about").then((about) => {
  state.about = about;
  $("#limits").textContent = `up to ${size(about.max_mb * 1e6)} and ${span(about.max_length_s)}`;
}).catch(() => {});
refresh();
