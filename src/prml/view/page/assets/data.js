// What the page carries: numbers packed as integers (see pack.py), read without copying.
const meta = JSON.parse(document.getElementById("meta").textContent);

function packed(name) {
  const element = document.getElementById("data-" + name);
  if (!element) return null;
  const text = element.textContent.trim();
  element.remove(); // the text is no longer needed
  return text;
}
function unpack(name, Type) {
  const encoded = packed(name);
  if (encoded === null) return null;
  const text = atob(encoded);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Type(bytes.buffer);
}

const MISSING = -32768;
const PERSON = 1, MEASURED = 2, INVENTED = 4, IMPLAUSIBLE = 8; // bits of a frame's flags
const times = unpack("times", Float64Array);
/** One person: `record` has units, camera and facts; the arrays' names begin with `prefix`. */
const personOf = (record, prefix) => ({
  record,
  tone: meta.compare && prefix ? "-b" : "", // colours of the second of two results
  frames: meta.frames,
  joints: meta.joints.length,
  times,
  flags: unpack(prefix + "flags", Uint8Array),
  points3d: unpack(prefix + "joints", Int16Array),
  points2d: unpack(prefix + "keypoints", Int16Array),
  confidence: unpack(prefix + "confidence", Uint8Array),
  std: unpack(prefix + "std", Uint8Array),
  faintBits: unpack(prefix + "faint", Uint8Array), // one bit for each joint of each frame, highest bit first
  origins: unpack(prefix + "origins", Float32Array), // of the joints, in the camera's frame
  places: unpack(prefix + "places", Float32Array), // where the figure stands, in the picture's frame; null: where its joints are
  angles: unpack(prefix + "angles", Int16Array),
  contacts: unpack(prefix + "contacts", Uint8Array), // four bits of a frame
  curves: unpack(prefix + "curves", Int8Array), // of meta.curves
  anglesStd: unpack(prefix + "angles-std", Uint8Array),

  hasPose(frame) { return (this.flags[frame] & PERSON) !== 0; },
  isMeasured(frame) { return (this.flags[frame] & MEASURED) !== 0; },
  isInvented(frame) { return (this.flags[frame] & INVENTED) !== 0; },
  isImplausible(frame) { return (this.flags[frame] & IMPLAUSIBLE) !== 0; },
  isSound(frame) { return this.flags[frame] === (PERSON | MEASURED); },

  /** Joint in metres, in the sequence's own frame, into `out` (array of 3). */
  joint(frame, joint, out) {
    const at = (frame * this.joints + joint) * 3;
    for (let k = 0; k < 3; k++) out[k] = this.points3d[at + k] * this.record.unit.joints;
    return out;
  },
  /** Standard deviation in metres, in the world along the camera's axes, else along the same; or null. */
  deviation(frame, joint, out) {
    if (!this.std) return null;
    const at = (frame * this.joints + joint) * 3;
    for (let k = 0; k < 3; k++) out[k] = this.std[at + k] * this.record.unit.std;
    return out;
  },
  /** The same along the axes of the joints. */
  spread(frame, joint) {
    const std = this.deviation(frame, joint, [0, 0, 0]), r = meta.stdAxes;
    if (!std || !r) return std;
    return [0, 1, 2].map((k) => Math.hypot(...[0, 1, 2].map((i) => r[3 * i + k] * std[i])));
  },
  /** Whether left heel, left toe, right heel and right toe stand, or null. */
  standing(frame) { return this.contacts && [8, 4, 2, 1].map((bit) => (this.contacts[frame] & bit) !== 0); },
  /** Detected keypoint in pixels of the video, or null. */
  keypoint(frame, joint) {
    if (!this.points2d) return null;
    const at = (frame * this.joints + joint) * 2;
    if (this.points2d[at] === MISSING) return null;
    return [this.points2d[at] * this.record.unit.keypoints, this.points2d[at + 1] * this.record.unit.keypoints];
  },
  /** Lifted joint as the camera sees it, in pixels of the video, or null. */
  reprojected(frame, joint) {
    if (!this.origins || !this.hasPose(frame)) return null;
    const p = this.joint(frame, joint, [0, 0, 0]), r = this.record.camera.rotation;
    const [x, y, z] = [0, 1, 2].map((k) => r[3 * k] * p[0] + r[3 * k + 1] * p[1] + r[3 * k + 2] * p[2] + this.origins[3 * frame + k]);
    return z > 1e-6 ? onSensor(this.record.camera, x / z, y / z) : null;
  },
  sureness(frame, joint) { return this.confidence ? this.confidence[frame * this.joints + joint] / 255 : 1; },
  isFaint(frame, joint) {
    const at = frame * this.joints + joint;
    return (this.faintBits[at >> 3] & (128 >> (at & 7))) !== 0;
  },
  meanSureness(frame) {
    if (!this.confidence) return 1;
    let sum = 0;
    for (let j = 0; j < this.joints; j++) sum += this.confidence[frame * this.joints + j];
    return sum / this.joints / 255;
  },
  /** Bend in degrees and its standard deviation (null if unknown), or null. */
  angle(frame, k) {
    const at = frame * meta.bends.length + k;
    if (this.angles[at] === MISSING) return null;
    return [this.angles[at] * this.record.unit.angles, this.anglesStd ? this.anglesStd[at] * this.record.unit.anglesStd : null];
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
});
const people = [personOf(meta, ""), ...meta.others.map((record, k) => personOf(record, `p${k + 2}-`))];
let data = people[0]; // the person whose numbers are shown

/** Pixel of a point of the image plane z = 1, through the lens (Brown-Conrady, as prml.camera). */
function onSensor(camera, x, y) {
  const { fx, fy, cx, cy, radial: [k1, k2, k3], tangential: [p1, p2] } = camera;
  const r2 = x * x + y * y, gain = 1 + r2 * (k1 + r2 * (k2 + r2 * k3));
  const u = x * gain + 2 * p1 * x * y + p2 * (r2 + 2 * x * x);
  const v = y * gain + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y;
  return [u * fx + cx, v * fy + cy];
}

function cssColour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
function sideColour(joint, tone = "") { return cssColour(["--right", "--body", "--left"][meta.sides[joint] + 1] + tone); }

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
