// The camera's view: a small picture of the video if the page carries one, the skeleton that the detector saw, and the
// lifted skeleton projected back onto it.
const cameraView = (() => {
  const canvas = document.getElementById("image");
  const shown = meta.image && people.some((who) => who.points2d || who.origins);
  const pictures = meta.pictures ? packed("pictures").split("\n") : [];
  const images = pictures.map(() => null);
  const layers = { detected: true, lifted: true };
  const MIDDLE = "#e6e9ef", RIM = "rgba(0,0,0,.55)"; // on video, in either theme
  let redraw = () => {}, latest = null;

  function pictureFor(frame) {
    if (!pictures.length) return latest; // a live page sets it
    const frames = meta.pictures.frames;
    let low = 0, high = frames.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (frames[middle] <= frame) low = middle; else high = middle - 1;
    }
    for (let i = low; i < Math.min(low + 8, frames.length); i++) load(i); // the next ones are needed soon
    if (images[low].complete && images[low].naturalWidth) latest = images[low];
    return latest; // until the right one is loaded
  }
  function load(i) {
    if (images[i]) return;
    images[i] = new Image();
    images[i].onload = () => redraw();
    images[i].src = "data:image/jpeg;base64," + pictures[i];
  }
  function line(context, from, to, width, colour) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(from[0], from[1]);
    context.lineTo(to[0], to[1]);
    context.stroke();
  }
  function circle(context, at, radius) {
    context.beginPath();
    context.arc(at[0], at[1], radius, 0, 7);
  }
  function eachBone(context, points, alpha, draw) {
    for (const [parent, child] of meta.bones) {
      if (!points[parent] || !points[child]) continue;
      context.globalAlpha = Math.min(alpha[parent], alpha[child]);
      draw(points[parent], points[child], child);
    }
  }
  /** Solid limbs in the colours of the sides. */
  function drawLifted(context, points, alpha, width, tone) {
    eachBone(context, points, alpha, (from, to, child) => {
      const wide = width * (meta.thin[child] ? 0.55 : 1);
      line(context, from, to, wide * 1.7, RIM);
      line(context, from, to, wide, meta.sides[child] || tone ? sideColour(child, tone) : MIDDLE);
    });
  }
  /** Dashes between white rings. */
  function drawDetected(context, points, alpha, width) {
    context.setLineDash([width * 1.2, width * 1.2]);
    eachBone(context, points, alpha, (from, to) => {
      line(context, from, to, width * 0.75, RIM);
      line(context, from, to, width * 0.4, "#fff");
    });
    context.setLineDash([]);
    points.forEach((point, j) => {
      if (!point) return;
      context.globalAlpha = alpha[j];
      circle(context, point, width * (meta.thin[j] ? 0.5 : 0.9));
      context.strokeStyle = RIM;
      context.lineWidth = width * 0.9;
      context.stroke();
      context.strokeStyle = "#fff";
      context.lineWidth = width * 0.45;
      context.stroke();
    });
  }
  function drawPerson(context, who, frame, highlight, width, place) {
    const strength = meta.joints.map((_, j) => (who.isFaint(frame, j) ? meta.faint : 1));
    const lifted = meta.joints.map((_, j) => place(who.reprojected(frame, j)));
    const seen = meta.joints.map((_, j) => place(who.keypoint(frame, j)));
    const sure = strength.map((s, j) => (s < 1 ? s : 0.25 + 0.75 * who.sureness(frame, j)));
    if (layers.lifted) drawLifted(context, lifted, strength, width * 1.5, who.tone);
    if (layers.detected && (who === data || !overlaid())) drawDetected(context, seen, sure, width);
    if (people.length > 1 && !overlaid()) drawNumber(context, who, seen.filter(Boolean), width);
    const marked = highlight < 0 ? null : lifted[highlight] || seen[highlight];
    if (marked) {
      context.globalAlpha = 1;
      context.fillStyle = cssColour("--warn");
      circle(context, marked, width * 1.3);
      context.fill();
    }
  }
  /** The person's number over the head; the one whose numbers are shown stands out. */
  function drawNumber(context, who, points, width) {
    if (!points.length) return;
    const x = points.reduce((sum, p) => sum + p[0], 0) / points.length, y = Math.min(...points.map((p) => p[1]));
    context.globalAlpha = 1;
    context.font = `600 ${Math.max(13, width * 5)}px sans-serif`;
    context.textAlign = "center";
    context.lineWidth = 3;
    context.strokeStyle = RIM;
    context.fillStyle = who === data ? cssColour("--warn") : MIDDLE;
    context.strokeText(who.record.number, x, y - width * 2);
    context.fillText(who.record.number, x, y - width * 2);
  }
  const overlaid = () => Boolean(compareView) && compareView.state.overlaid;
  /** Where the picture is drawn, and who on it: once, or twice for two results side by side. */
  function panes(width, height) {
    const fit = (x, y, wide, tall, who) => {
      const scale = Math.min(wide / meta.image[0], tall / meta.image[1]);
      return { who, place: [x + (wide - meta.image[0] * scale) / 2, y + (tall - meta.image[1] * scale) / 2, scale] };
    };
    if (!compareView || overlaid()) return [fit(0, 0, width, height, people)];
    const beside = Math.min(width / 2 / meta.image[0], height / meta.image[1]) >= Math.min(width / meta.image[0], height / 2 / meta.image[1]);
    const [wide, tall] = beside ? [(width - 2) / 2, height] : [width, (height - 2) / 2];
    return people.map((who, k) => fit(beside ? k * (wide + 2) : 0, beside ? 0 : k * (tall + 2), wide, tall, [who]));
  }
  /** The person at a point of the canvas, the nearest joint decides; null if there is nobody. */
  function personAt(frame, x, y) {
    if (!shown) return null;
    let best = null, nearest = 60; // pixels
    for (const { who, left, top, scale } of panes(canvas.clientWidth, canvas.clientHeight).flatMap(({ who, place: [left, top, scale] }) => who.map((one) => ({ who: one, left, top, scale })))) {
      for (let j = 0; j < who.joints; j++) {
        const p = who.keypoint(frame, j) || who.reprojected(frame, j);
        const apart = p ? Math.hypot(left + p[0] * scale - x, top + p[1] * scale - y) : Infinity;
        if (apart < nearest) { best = who; nearest = apart; }
      }
    }
    return best;
  }
  function draw(context, frame, highlight, shownPeople, [left, top, scale]) {
    const [wide, tall] = [meta.image[0] * scale, meta.image[1] * scale];
    context.save();
    context.beginPath();
    context.rect(left, top, wide, tall);
    context.clip();
    context.fillStyle = "#30353e";
    context.fill();
    const picture = pictureFor(frame);
    context.imageSmoothingQuality = "high";
    if (picture) context.drawImage(picture, left, top, wide, tall);
    context.lineCap = "round";
    const width = Math.max(2, Math.min(wide, tall) / 110);
    const place = (p) => p && [left + p[0] * scale, top + p[1] * scale];
    for (const who of [...shownPeople].sort((a, b) => (a === data) - (b === data))) drawPerson(context, who, frame, who === data || !overlaid() && compareView ? highlight : -1, width, place);
    context.restore();
  }
  return {
    shown, layers, canvas, personAt,
    /** Draw on this picture from now on. */
    setPicture(image) { latest = image; },
    onPicture(callback) { redraw = callback; },
    draw(frame, highlight) {
      if (!shown) return;
      const [width, height, ratio] = fitCanvas(canvas), context = canvas.getContext("2d");
      if (!canvas.width || !canvas.height) return; // not on the page at the moment
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      for (const { who, place } of panes(width, height)) draw(context, frame, highlight, who, place);
    },
    /** Mean distance in video pixels between the lifted skeleton and the detected one; NaN if one of them is missing. */
    distance(frame) {
      let sum = 0, count = 0;
      for (let j = 0; j < data.joints; j++) {
        const a = data.reprojected(frame, j), b = data.keypoint(frame, j);
        if (a && b) { sum += Math.hypot(a[0] - b[0], a[1] - b[1]); count++; }
      }
      return sum / count;
    },
    /** A canvas with the view alone, its longer side `size` pixels. */
    snapshot(frame, size) {
      const made = document.createElement("canvas"), scale = size / Math.max(...meta.image);
      const drawn = compareView && !overlaid() ? people.map((who) => [who]) : [people], wide = Math.round(meta.image[0] * scale);
      made.width = wide * drawn.length;
      made.height = Math.round(meta.image[1] * scale);
      drawn.forEach((who, k) => draw(made.getContext("2d"), frame, -1, who, [k * wide, 0, scale]));
      return made;
    },
  };
})();
