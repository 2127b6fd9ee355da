// The 2D view: the skeleton that the detector saw, on a small picture of the video if the page carries one.
const imageView = (() => {
  const canvas = document.getElementById("image");
  const context = canvas.getContext("2d");
  const shown = meta.image && data.points2d;
  const pictures = (meta.thumbnails ? meta.thumbnails.jpeg : []).map(() => null);
  let redraw = () => {}, latest = null;

  function pictureFor(frame) {
    if (!meta.thumbnails) return null;
    const frames = meta.thumbnails.frames;
    let low = 0, high = frames.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (frames[middle] <= frame) low = middle; else high = middle - 1;
    }
    for (let i = low; i < Math.min(low + 8, frames.length); i++) load(i); // the next ones will be asked for soon
    if (pictures[low].complete && pictures[low].naturalWidth) latest = pictures[low];
    return latest; // until the right one is there, the one before
  }
  function load(i) {
    if (pictures[i]) return;
    pictures[i] = new Image();
    pictures[i].onload = () => redraw();
    pictures[i].src = "data:image/jpeg;base64," + meta.thumbnails.jpeg[i];
  }
  function frameRect(width, height) {
    const scale = Math.min(width / meta.image[0], height / meta.image[1]);
    return [(width - meta.image[0] * scale) / 2, (height - meta.image[1] * scale) / 2, scale];
  }
  function stroke(from, to, width, colour, alpha) {
    context.globalAlpha = alpha;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(from[0], from[1]);
    context.lineTo(to[0], to[1]);
    context.stroke();
  }
  function drawSkeleton(frame, place, thickness, highlight) {
    const faint = data.isMeasured(frame) ? 1 : 0.5;
    const points = meta.joints.map((_, j) => { const p = data.keypoint(frame, j); return p && place(p); });
    const alpha = points.map((_, j) => faint * (0.25 + 0.75 * data.sureness(frame, j)));
    for (const [parent, child] of meta.bones) {
      if (!points[parent] || !points[child]) continue;
      const strength = Math.min(alpha[parent], alpha[child]);
      stroke(points[parent], points[child], thickness * 1.7, "rgba(0,0,0,.55)", strength);
      stroke(points[parent], points[child], thickness, meta.sides[child] ? sideColour(child) : "#d6dbe4", strength);
    }
    points.forEach((point, j) => {
      if (!point) return;
      context.globalAlpha = alpha[j];
      context.fillStyle = j === highlight ? cssColour("--warn") : "#fff";
      context.beginPath();
      context.arc(point[0], point[1], thickness * (j === highlight ? 1.5 : 0.85), 0, 7);
      context.fill();
    });
    context.globalAlpha = 1;
  }
  return {
    onPicture(callback) { redraw = callback; },
    draw(frame, highlight) {
      if (!shown) return;
      const [width, height, ratio] = fitCanvas(canvas);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      const [left, top, scale] = frameRect(width, height);
      context.save();
      context.beginPath();
      context.rect(left, top, meta.image[0] * scale, meta.image[1] * scale);
      context.clip();
      context.fillStyle = "#30353e";
      context.fill();
      const picture = pictureFor(frame);
      if (picture) context.drawImage(picture, left, top, meta.image[0] * scale, meta.image[1] * scale);
      context.lineCap = "round";
      const thickness = Math.max(2, Math.min(width, height) / 90);
      drawSkeleton(frame, (p) => [left + p[0] * scale, top + p[1] * scale], thickness, highlight);
      context.restore();
    },
  };
})();
