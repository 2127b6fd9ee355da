// Two results of one motion, A and B: how far apart they are, joint by joint and frame by frame; null on other pages.
const compareView = meta.compare && (() => {
  const MISSING_DISTANCE = 65535, NAMES = 66, TOP = 14; // pixels for the names of joints, and over the map
  const { unit, worst, names, notes, mean: meanOfClip } = meta.compare;
  const apart = unpack("apart", Uint16Array), map = document.getElementById("apart-map");
  const state = { overlaid: false };
  let backdrop = null, key = "", onSeek = () => {};

  /** Distance of a joint between the two, mm; NaN if one of them has no pose. */
  const distance = (frame, joint) => {
    const steps = apart[frame * meta.joints.length + joint];
    return steps === MISSING_DISTANCE ? NaN : steps * unit * 1000;
  };
  const mean = (frame) => meta.joints.reduce((sum, _, j) => sum + distance(frame, j), 0) / meta.joints.length;
  const all = Array.from({ length: meta.frames }, (_, frame) => mean(frame));
  const largest = Math.max(...all.filter(Number.isFinite), 1);
  const choices = [{ name: "All joints", lines: [{ ink: "--text", value: (frame) => all[frame] }] }, ...meta.joints.map((name, j) => ({
    name, lines: [{ ink: ["--right", "--text", "--left"][meta.sides[j] + 1], value: (frame) => distance(frame, j) }],
  }))].map((choice) => ({ ...choice, unit: "", step: 20, jump: Infinity }));
  const select = document.getElementById("apart-joint");
  const curves = makeCurves(select, document.getElementById("apart-plot"), choices, 0);

  const shade = (mm) => { // over the panel, to the colour of an alarm at 150 mm
    const share = Math.min(mm / 150, 1);
    return `color-mix(in srgb, ${cssColour("--alarm")} ${Math.round(100 * Math.sqrt(share))}%, ${cssColour("--panel")})`;
  };
  const xOf = (frame, width) => NAMES + frame / meta.frames * (width - NAMES);
  function paint(context, width, height) {
    const tall = (height - TOP) / meta.joints.length, cells = Math.min(meta.frames, Math.floor(width - NAMES));
    context.clearRect(0, 0, width, height);
    context.font = `${Math.min(11, tall)}px sans-serif`;
    context.textBaseline = "middle";
    meta.joints.forEach((name, j) => {
      context.fillStyle = cssColour(["--right", "--dim", "--left"][meta.sides[j] + 1]);
      context.fillText(name, 0, TOP + (j + 0.5) * tall);
      for (let cell = 0; cell < cells; cell++) {
        const first = Math.floor(cell / cells * meta.frames), stop = Math.max(Math.floor((cell + 1) / cells * meta.frames), first + 1);
        let most = NaN;
        for (let frame = first; frame < stop; frame++) if (!(distance(frame, j) <= most)) most = distance(frame, j);
        context.fillStyle = Number.isNaN(most) ? cssColour("--hover") : shade(most);
        context.fillRect(xOf(first, width), TOP + j * tall, xOf(stop, width) - xOf(first, width) + 0.5, tall - 0.5);
      }
    });
  }
  function drawMap(frame) {
    const [width, height, ratio] = fitCanvas(map), context = map.getContext("2d"), now = `${map.width} ${map.height}`;
    if (!map.width || !map.height) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (key !== now) {
      paint(context, width, height);
      backdrop = document.createElement("canvas");
      [backdrop.width, backdrop.height] = [map.width, map.height];
      backdrop.getContext("2d").drawImage(map, 0, 0);
      key = now;
    }
    context.clearRect(0, 0, width, height);
    context.drawImage(backdrop, 0, 0, width, height);
    context.fillStyle = cssColour("--text");
    context.fillRect(xOf(frame + 0.5, width) - 0.75, TOP - 4, 1.5, height - TOP + 4);
    const chosen = Number(select.value) - 1;
    if (chosen >= 0) context.strokeRect(NAMES, TOP + chosen * (height - TOP) / meta.joints.length, width - NAMES, (height - TOP) / meta.joints.length);
  }
  function pickOnMap(event) {
    const frame = Math.floor((event.offsetX - NAMES) / Math.max(map.clientWidth - NAMES, 1) * meta.frames);
    const joint = Math.floor((event.offsetY - TOP) / (map.clientHeight - TOP) * meta.joints.length);
    select.value = String(Math.min(Math.max(joint, -1), meta.joints.length - 1) + 1);
    select.dispatchEvent(new Event("change"));
    if (event.offsetX >= NAMES) onSeek(Math.min(frame, meta.frames - 1));
  }
  const mm = (value) => (Number.isNaN(value) ? "\u2013" : `${value.toFixed(0)} mm`);
  function build() {
    document.getElementById("compare-panel").hidden = document.getElementById("overlaid").hidden = false;
    document.documentElement.toggleAttribute("data-compare", true);
    names.forEach((name, k) => {
      const item = document.getElementById("compare-names").appendChild(document.createElement("li"));
      for (const side of ["left", "right"]) item.appendChild(document.createElement("i")).className = `dot ${side}${k ? "-b" : ""}`;
      const letter = item.appendChild(document.createElement("b"));
      letter.textContent = "AB"[k];
      item.append(name);
    });
    for (const frame of worst) {
      const button = document.getElementById("worst").appendChild(document.createElement("button"));
      button.dataset.frame = frame;
      button.textContent = `${times[frame].toFixed(2)} s`;
      const small = button.appendChild(document.createElement("small"));
      small.textContent = mm(all[frame]);
      button.title = `Frame ${frame}`;
      button.onclick = () => onSeek(frame);
    }
    document.getElementById("compare-notes").textContent = notes.join(" \u00b7 ");
    map.style.height = `${TOP + meta.joints.length * 11}px`;
    map.addEventListener("pointerdown", pickOnMap);
  }
  build();
  return {
    state, distance, mean: (frame) => all[frame], names,
    /** Mean distance as a share of the largest in the clip. */
    share: (frame) => (Number.isNaN(all[frame]) ? 0 : all[frame] / largest),
    joint: () => Number(select.value) - 1,
    draw(frame) {
      const clip = `${mm(meanOfClip)} over the clip`;
      document.getElementById("apart-now").replaceChildren(Object.assign(document.createElement("b"), { textContent: mm(all[frame]) }), ` apart in this frame, ${clip}`);
      curves.draw(frame);
      drawMap(frame);
      for (const button of document.querySelectorAll("#worst button")) button.setAttribute("aria-pressed", Number(button.dataset.frame) === frame);
    },
    repaint() { key = ""; curves.repaint(); },
    onSeek(seek) { onSeek = seek; curves.onSeek(seek); },
    onChoice(done) { curves.onChoice(done); },
  };
})();
