// An angle of a motion over the whole clip, left and right; a click or a drag leads to a frame.
const curvesView = (() => {
  const select = document.getElementById("curve"), canvas = document.getElementById("curve-plot");
  const NONE = -128, LEFT_EDGE = 34, TOP = 24, BOTTOM = 7; // missing value; pixels around the plot
  const INKS = { left: "--left", right: "--right", middle: "--text" };
  let chosen = null, backdrop = null, key = "", onSeek = () => {};

  const value = (frame, column) => {
    const step = data.curves[frame * meta.curves.count + column];
    return step === NONE || !data.hasPose(frame) ? NaN : step * meta.curves.unit;
  };
  const columns = () => Object.entries(chosen.columns);
  /** Lowest and highest value, to ten degrees. */
  function range() {
    let [low, high] = [Infinity, -Infinity];
    for (const [, column] of columns()) {
      for (let frame = 0; frame < data.frames; frame++) {
        const v = value(frame, column);
        if (v < low) low = v;
        if (v > high) high = v;
      }
    }
    if (low > high) return [0, 90];
    [low, high] = [Math.floor(low / 10) * 10, Math.ceil(high / 10) * 10];
    return low === high ? [low - 10, high + 10] : [low, high];
  }
  const xOf = (frame, width) => LEFT_EDGE + (frame + 0.5) / data.frames * (width - LEFT_EDGE);
  function paint(context, width, height) {
    const [low, high] = range(), y = (v) => TOP + (high - v) / (high - low) * (height - TOP - BOTTOM);
    context.clearRect(0, 0, width, height);
    context.font = "11px sans-serif";
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const level of new Set([low, high, ...(low < 0 && high > 0 ? [0] : [])])) {
      context.fillStyle = cssColour("--line");
      context.fillRect(LEFT_EDGE, Math.round(y(level)), width - LEFT_EDGE, 1);
      context.fillStyle = cssColour("--dim");
      if ([low, high].includes(level) || Math.min(y(0) - TOP, height - BOTTOM - y(0)) > 10) context.fillText(`${level}\u00b0`, LEFT_EDGE - 5, y(level));
    }
    for (const [side, column] of columns()) {
      context.strokeStyle = cssColour(INKS[side]);
      context.lineWidth = 1.6;
      context.lineJoin = "round";
      context.beginPath();
      let before = NaN;
      for (let frame = 0; frame < data.frames; frame++) {
        const v = value(frame, column);
        if (Number.isNaN(v)) { before = v; continue; }
        const joined = Math.abs(v - before) < 180; // not across the turn from 180 to -180
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
    for (const [side, column] of columns().reverse()) {
      const v = value(frame, column), text = Number.isNaN(v) ? "\u2013" : `${v.toFixed(0)}\u00b0`;
      context.fillStyle = cssColour(INKS[side]);
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
  function build() {
    select.hidden = canvas.hidden = true;
    if (!meta.curves) return;
    select.hidden = false;
    meta.curves.angles.forEach(({ name }, k) => select.append(new Option(name, k)));
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
        chosen = select.value === "" ? null : meta.curves.angles[Number(select.value)];
        canvas.hidden = !chosen;
        canvas.setAttribute("aria-label", chosen ? `${chosen.name} over time` : "");
        select.blur();
        done();
      });
    },
  };
})();
