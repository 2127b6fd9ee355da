// What the page carries: numbers packed as integers (see viewer.py), read without copying.
const meta = JSON.parse(document.getElementById("meta").textContent);

function unpack(name, Type) {
  const element = document.getElementById("data-" + name);
  if (!element) return null;
  const text = atob(element.textContent.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  element.remove(); // the text is no longer needed
  return new Type(bytes.buffer);
}

const MISSING = -32768;
const data = {
  frames: meta.frames,
  joints: meta.joints.length,
  times: unpack("times", Float64Array),
  flags: unpack("flags", Uint8Array), // 1: there is a pose, 2: it was measured in this frame
  points3d: unpack("joints", Int16Array),
  points2d: unpack("keypoints", Int16Array),
  confidence: unpack("confidence", Uint8Array),
  std: unpack("std", Uint8Array),

  hasPose(frame) { return (this.flags[frame] & 1) !== 0; },
  isMeasured(frame) { return (this.flags[frame] & 2) !== 0; },

  /** Joint in metres, in the sequence's own frame, into `out` (array of 3). */
  joint(frame, joint, out) {
    const at = (frame * this.joints + joint) * 3;
    for (let k = 0; k < 3; k++) out[k] = this.points3d[at + k] * meta.unit.joints;
    return out;
  },
  /** Standard deviation in metres along the same axes, or null. */
  deviation(frame, joint, out) {
    if (!this.std) return null;
    const at = (frame * this.joints + joint) * 3;
    for (let k = 0; k < 3; k++) out[k] = this.std[at + k] * meta.unit.std;
    return out;
  },
  /** Keypoint in pixels of the video, or null. */
  keypoint(frame, joint) {
    if (!this.points2d) return null;
    const at = (frame * this.joints + joint) * 2;
    if (this.points2d[at] === MISSING) return null;
    return [this.points2d[at] * meta.unit.keypoints, this.points2d[at + 1] * meta.unit.keypoints];
  },
  sureness(frame, joint) { return this.confidence ? this.confidence[frame * this.joints + joint] / 255 : 1; },
  meanSureness(frame) {
    if (!this.confidence) return 1;
    let sum = 0;
    for (let j = 0; j < this.joints; j++) sum += this.confidence[frame * this.joints + j];
    return sum / this.joints / 255;
  },
  /** Last frame that begins at or before a time. */
  frameAt(time) {
    let low = 0, high = this.frames - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.times[middle] <= time + 1e-6) low = middle; else high = middle - 1;
    }
    return low;
  },
};

function cssColour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
function sideColour(joint) { return cssColour(["--right", "--body", "--left"][meta.sides[joint] + 1]); }

/** Size a canvas to its place on the page; returns [width, height, pixel ratio]. */
function fitCanvas(canvas) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  return [width, height, ratio];
}
