// Curves over the whole clip; a click or a drag leads to a frame.

/**
 * A plot that shows one of several choices, or none.
 * A choice has a name, lines ({ ink: CSS variable, value(frame): number or NaN }), a unit, the step of its range, and
 * the jump that does not join two values (a turn from 180 to -180 degrees); `low` starts every range.
 */
function makeCurves(select, canvas, choices, low = null) {
  const LEFT_EDGE = 34, TOP = 24, BOTTOM = 7; // pixels around the plot
  let chosen = null, backdrop = null, key = "", onSeek = () => {};

  /** Lowest and highest value, to whole steps. */
  function range() {
    let [least, most] = [Infinity, -Infinity];
    for (const { value } of chosen.lines) {
      for (let frame = 0; frame < data.frames; frame++) {
        const v = value(frame);
        if (v < least) least = v;
        if (v > most) most = v;
      }
    }
    const { step } = chosen;
    if (least > most) return [0, 9 * step];
    [least, most] = [low === null ? Math.floor(least / step) * step : low, Math.ceil(most / step) * step];
    return least === most ? [low === null ? least - step : low, most + step] : [least, most];
  }
  const xOf = (frame, width) => LEFT_EDGE + (frame + 0.5) / data.frames * (width - LEFT_EDGE);
  function paint(context, width, height) {
    const [least, most] = range(), y = (v) => TOP + (most - v) / (most - least) * (height - TOP - BOTTOM);
    context.clearRect(0, 0, width, height);
    context.font = "11px sans-serif";
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const level of new Set([least, most, ...(least < 0 && most > 0 ? [0] : [])])) {
      context.fillStyle = cssColour("--line");
      context.fillRect(LEFT_EDGE, Math.round(y(level)), width - LEFT_EDGE, 1);
      context.fillStyle = cssColour("--dim");
      if ([least, most].includes(level) || Math.min(y(0) - TOP, height - BOTTOM - y(0)) > 10) context.fillText(`${level}${chosen.unit}`, LEFT_EDGE - 5, y(level));
    }
    for (const { ink, value } of chosen.lines) {
      context.strokeStyle = cssColour(ink);
      context.lineWidth = 1.6;
      context.lineJoin = "round";
      context.beginPath();
      let before = NaN;
      for (let frame = 0; frame < data.frames; frame++) {
        const v = value(frame);
        if (Number.isNaN(v)) { before = v; continue; }
        const joined = Math.abs(v - before) < chosen.jump;
        context[joined ? "lineTo" : "moveTo"](xOf(frame, width), y(v));
        if (!joined) context.lineTo(xOf(frame, width) + 0.5, y(v)); // a frame alone is a dot
        before = v;
      }
      context.stroke();
    }
  }
  function mark(context, frame, width, height) {
    context.fillStyle = cssColour("--text");
    context.fillRect(xOf(frame, width) - 0.75, TOP - 3, 1.5, height - TOP + 3);
    context.font = "12px sans-serif";
    context.textBaseline = "top";
    context.textAlign = "left";
    context.fillStyle = cssColour("--dim");
    context.fillText(chosen.name, 0, 0);
    context.textAlign = "right";
    let x = width;
    for (const { ink, value } of [...chosen.lines].reverse()) {
      const v = value(frame), text = Number.isNaN(v) ? "\u2013" : `${v.toFixed(0)}${chosen.unit}`;
      context.fillStyle = cssColour(ink);
      context.fillText(text, x, 0);
      x -= 44;
    }
  }
  function draw(frame) {
    if (!chosen) return;
    const [width, height, ratio] = fitCanvas(canvas), context = canvas.getContext("2d"), now = [canvas.width, canvas.height, select.value].join(" ");
    if (!canvas.width || !canvas.height) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (key !== now) {
      paint(context, width, height);
      backdrop = document.createElement("canvas");
      [backdrop.width, backdrop.height] = [canvas.width, canvas.height];
      backdrop.getContext("2d").drawImage(canvas, 0, 0);
      key = now;
    }
    context.clearRect(0, 0, width, height);
    context.drawImage(backdrop, 0, 0, width, height);
    mark(context, frame, width, height);
  }
  function choose() {
    chosen = select.value === "" ? null : choices[Number(select.value)];
    canvas.hidden = !chosen;
    canvas.setAttribute("aria-label", chosen ? `${chosen.name} over time` : "");
  }
  function build() {
    select.hidden = canvas.hidden = true;
    if (!choices.length) return;
    select.hidden = false;
    choices.forEach(({ name }, k) => select.append(new Option(name, k)));
    choose();
    const seekTo = (event) => {
      const share = (event.offsetX - LEFT_EDGE) / Math.max(canvas.clientWidth - LEFT_EDGE, 1);
      onSeek(Math.min(Math.max(Math.floor(share * data.frames), 0), data.frames - 1));
    };
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); seekTo(event); });
    canvas.addEventListener("pointermove", (event) => { if (event.buttons) seekTo(event); });
  }
  build();
  return {
    draw,
    repaint() { key = ""; },
    onSeek(seek) { onSeek = seek; },
    /** Calls back once another curve, or none, was chosen. */
    onChoice(done) {
      select.addEventListener("change", () => {
        choose();
        select.blur();
        done();
      });
    },
  };
}

// Angles of a motion, left and right.
const curvesView = (() => {
  const NONE = -128, INKS = { left: "--left", right: "--right", middle: "--text" }; // missing value
  const value = (frame, column) => {
    const step = data.curves[frame * meta.curves.count + column];
    return step === NONE || !data.hasPose(frame) ? NaN : step * meta.curves.unit;
  };
  const choices = (meta.curves ? meta.curves.angles : []).map(({ name, columns }) => ({
    name, unit: "\u00b0", step: 10, jump: 180,
    lines: Object.entries(columns).map(([side, column]) => ({ ink: INKS[side], value: (frame) => value(frame, column) })),
  }));
  return makeCurves(document.getElementById("curve"), document.getElementById("curve-plot"), choices);
})();
