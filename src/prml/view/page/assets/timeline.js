// The timeline: how sure the detector was, frame by frame; where nobody was found; where poses were filled in.
const timeline = (() => {
  const canvas = document.getElementById("timeline");
  const context = canvas.getContext("2d");
  let backdrop = null, key = "";

  function hatch(x, width, height) {
    context.save();
    context.beginPath();
    context.rect(x, 0, width, height);
    context.clip();
    context.strokeStyle = cssColour("--faint");
    context.lineWidth = 1;
    for (let at = x - height; at < x + width; at += 6) {
      context.beginPath();
      context.moveTo(at, height);
      context.lineTo(at + height, 0);
      context.stroke();
    }
    context.restore();
  }
  /** Calls mark(first, last) for every run of frames of one kind: 0 nobody, 1 filled in, 3 measured. */
  function eachRun(mark) {
    let start = 0;
    for (let f = 1; f <= data.frames; f++) {
      if (f < data.frames && data.flags[f] === data.flags[start]) continue;
      mark(data.flags[start], start, f);
      start = f;
    }
  }
  function paint(width, height) {
    const bars = Math.max(1, Math.floor(width)), ink = cssColour("--dim");
    context.clearRect(0, 0, width, height);
    context.fillStyle = cssColour("--hover");
    context.fillRect(0, 0, width, height);
    context.fillStyle = ink;
    context.globalAlpha = 0.38;
    for (let x = 0; x < bars; x++) { // confidence as the height of the band
      const frame = Math.min(data.frames - 1, Math.floor(x / bars * data.frames));
      if (!data.hasPose(frame)) continue;
      const tall = height * 0.82 * data.meanSureness(frame);
      context.fillRect(x, height - tall, 1, tall);
    }
    context.globalAlpha = 1;
    eachRun((kind, first, end) => {
      const x = first / data.frames * width, wide = Math.max((end - first) / data.frames * width, 2);
      if (kind === 0 || kind === 2) hatch(x, wide, height);
      if (kind === 1) { context.fillStyle = cssColour("--warn"); context.fillRect(x, 0, wide, 4); }
    });
  }
  function frameAt(event) {
    const box = canvas.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    return Math.min(data.frames - 1, Math.floor(share * data.frames));
  }
  return {
    repaint() { key = ""; },
    onScrub(start, move) {
      let held = false;
      canvas.addEventListener("pointerdown", (event) => {
        held = true;
        canvas.setPointerCapture(event.pointerId);
        start();
        move(frameAt(event));
      });
      canvas.addEventListener("pointermove", (event) => { if (held) move(frameAt(event)); });
      for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { held = false; });
    },
    draw(frame) {
      const [width, height, ratio] = fitCanvas(canvas);
      if (!canvas.width) return;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      if (key !== canvas.width + "x" + canvas.height) { // the band changes with size and theme only
        paint(width, height);
        backdrop = document.createElement("canvas");
        backdrop.width = canvas.width;
        backdrop.height = canvas.height;
        backdrop.getContext("2d").drawImage(canvas, 0, 0);
        key = canvas.width + "x" + canvas.height;
      }
      context.clearRect(0, 0, width, height);
      context.drawImage(backdrop, 0, 0, width, height);
      const x = (frame + 0.5) / data.frames * width;
      context.fillStyle = cssColour("--text");
      context.fillRect(Math.min(Math.max(x - 1, 0), width - 2), 0, 2, height);
      context.beginPath();
      context.arc(Math.min(Math.max(x, 5), width - 5), 5, 5, 0, 7);
      context.fill();
      canvas.setAttribute("aria-valuemax", data.frames - 1);
      canvas.setAttribute("aria-valuenow", frame);
    },
  };
})();
