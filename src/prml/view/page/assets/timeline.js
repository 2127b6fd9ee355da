// The timeline: how sure the detector was, frame by frame, and marks for frames without a person, for those that were not
// measured or mostly inferred, and for implausible poses.
const timeline = (() => {
  const canvas = document.getElementById("timeline");
  const context = canvas.getContext("2d");
  const MARK = 5; // pixels of height
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
  /** Calls mark(flags, first, end) for every run of frames with equal flags. */
  function eachRun(mark) {
    let start = 0;
    for (let f = 1; f <= data.frames; f++) {
      if (f < data.frames && data.flags[f] === data.flags[start]) continue;
      mark(data.flags[start], start, f);
      start = f;
    }
  }
  function bar(x, width, y, height, colour) {
    context.fillStyle = colour;
    context.fillRect(x, y, width, height);
  }
  /** A small triangle over a mark, so a single frame of a long clip is visible, even without colour. */
  function tick(x, width, y, colour) {
    const middle = x + width / 2;
    context.fillStyle = colour;
    context.beginPath();
    context.moveTo(middle - MARK, y - MARK);
    context.lineTo(middle + MARK, y - MARK);
    context.lineTo(middle, y);
    context.fill();
  }
  function paint(width, height) {
    const bars = Math.max(1, Math.floor(width)), ink = cssColour("--dim");
    context.clearRect(0, 0, width, height);
    context.fillStyle = cssColour("--hover");
    context.fillRect(0, 0, width, height);
    context.fillStyle = ink;
    context.globalAlpha = 0.38;
    for (let x = 0; x < bars; x++) { // confidence as the height of the band, or how far two results are apart
      const frame = Math.min(data.frames - 1, Math.floor(x / bars * data.frames));
      if (!data.hasPose(frame)) continue;
      const tall = height * 0.82 * (compareView ? compareView.share(frame) : data.meanSureness(frame));
      context.fillRect(x, height - tall, 1, tall);
    }
    context.globalAlpha = 1;
    const [warn, alarm] = [cssColour("--warn"), cssColour("--alarm")];
    eachRun((flags, first, end) => {
      const x = first / data.frames * width, wide = Math.max((end - first) / data.frames * width, 2);
      if (!(flags & PERSON)) { hatch(x, wide, height); return; }
      if (!(flags & MEASURED)) bar(x, wide, 0, MARK, warn);
      else if (flags & INVENTED) for (let at = x; at < x + wide; at += 6) bar(at, Math.min(3, x + wide - at), 0, MARK, warn);
      if (flags & IMPLAUSIBLE) { bar(x, wide, height - 2 * MARK, 2 * MARK, alarm); tick(x, wide, height - 2 * MARK, alarm); }
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
