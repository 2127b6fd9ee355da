// The 3D figure: in a room a mannequin, else a limb per bone and a ball per joint; an ellipsoid of uncertainty per joint.
const LIMB = 0.022, BALL = 0.027, HEAD = 0.075; // radii in metres, as drawn
const THIN = 0.55; // of feet, hands and face, as a share of those of limbs
const SIGMAS = 2;

function makeFigure(who) {
  const cylinder = new THREE.CylinderGeometry(1, 1, 1, 20, 1, true);
  const sphere = new THREE.SphereGeometry(1, 28, 18);
  const materials = {}, faintMaterials = {}, clouds = {};
  for (const side of [-1, 0, 1]) {
    materials[side] = new THREE.MeshStandardMaterial({ roughness: 0.6, metalness: 0 });
    faintMaterials[side] = new THREE.MeshStandardMaterial({ roughness: 0.6, metalness: 0, transparent: true, opacity: meta.faint });
    clouds[side] = new THREE.MeshBasicMaterial({ transparent: true, opacity: 0.24, depthWrite: false });
  }
  const dark = { false: new THREE.MeshStandardMaterial({ color: 0x2e3440, roughness: 0.4 }) }; // eyes
  dark.true = dark.false.clone();
  Object.assign(dark.true, { transparent: true, opacity: meta.faint });
  const group = new THREE.Group(); // turned from the sequence's frame to the picture's (x right, y up, z to the observer)
  const r = meta.rotation;
  group.matrixAutoUpdate = false;
  const rotation = new THREE.Matrix4().set(r[0], r[1], r[2], 0, r[3], r[4], r[5], 0, r[6], r[7], r[8], 0, 0, 0, 0, 1);
  const mesh = (geometry, material, shadow = true) => {
    const made = new THREE.Mesh(geometry, material);
    made.castShadow = shadow;
    group.add(made);
    return made;
  };
  const limbs = meta.bones.map(([, child]) => mesh(cylinder, materials[meta.sides[child]]));
  const balls = meta.joints.map((_, j) => mesh(sphere, materials[meta.sides[j]]));
  const SIDES = { left: 1, right: -1, middle: 0 };
  const toned = (tone, faint) => (tone === "dark" ? dark[faint] : (faint ? faintMaterials : materials)[SIDES[tone]]);
  const mannequin = meta.room && meta.room.bodies.length ? makeMannequin((geometry) => mesh(geometry, materials[0]), toned) : null;
  const room = meta.room ? makeRoom(rotation) : null;
  const turnStd = new THREE.Matrix4(); // from the axes of the deviations to the sequence's
  if (meta.stdAxes) turnStd.set(...[0, 1, 2].flatMap((k) => [...[0, 1, 2].map((i) => meta.stdAxes[3 * i + k]), 0]), 0, 0, 0, 1);
  const ellipsoids = meta.joints.map((_, j) => mesh(sphere, clouds[meta.sides[j]], false));
  ellipsoids.forEach((made) => { made.renderOrder = 1; made.quaternion.setFromRotationMatrix(turnStd); });
  const headBone = meta.bones.findIndex(([, child]) => meta.joints[child] === "Head");
  const head = headBone < 0 ? null : mesh(sphere, materials[0]);
  const places = meta.joints.map(() => new THREE.Vector3());
  const up = new THREE.Vector3(0, 1, 0), along = new THREE.Vector3(), buffer = [0, 0, 0];
  const aside = new THREE.Vector3(); // of two results that stand beside each other
  let shownFrame = 0;
  const state = { visible: false, uncertainty: false, feet: false, lift: 0, faint: 0, mannequin: false, standing: 0 };

  function placeLimb(made, from, to, radius) {
    along.subVectors(to, from);
    const length = Math.max(along.length(), 1e-6);
    made.position.addVectors(from, to).multiplyScalar(0.5);
    made.quaternion.setFromUnitVectors(up, along.divideScalar(length));
    made.scale.set(radius, length, radius);
  }
  function share(joint) { return meta.thin[joint] ? THIN : 1; }
  function lowest() {
    return Math.min(...places.map((p) => r[3] * p.x + r[4] * p.y + r[5] * p.z));
  }
  /** Limbs are as faint as the fainter of their ends. */
  function fade(frame) {
    const material = (faint, side) => (faint ? faintMaterials : materials)[side];
    const faint = meta.joints.map((_, j) => who.isFaint(frame, j));
    if (state.mannequin) mannequin.show(places, faint);
    meta.bones.forEach(([parent, child], b) => { limbs[b].material = material(faint[parent] || faint[child], meta.sides[child]); });
    balls.forEach((ball, j) => { ball.material = material(faint[j], meta.sides[j]); });
    if (head) head.material = material(faint[meta.bones[headBone][1]], 0);
    state.faint = faint.filter(Boolean).length;
  }
  /** Joints and bones, which stand back for a mannequin. */
  function showSticks(on) {
    for (const made of [...limbs, ...balls, ...(head ? [head] : [])]) made.visible = on;
    if (head && on) balls[meta.bones[headBone][1]].visible = false;
  }
  function stand() {
    const [x, y, z] = who.places ? who.places.subarray(3 * shownFrame, 3 * shownFrame + 3) : [0, 0, 0];
    group.matrix.copy(rotation).setPosition(x + aside.x, y + aside.y + state.lift, z + aside.z);
    group.matrixWorldNeedsUpdate = true;
  }
  return {
    group, places, state, room,
    /** Move the figure by a vector, metres in the picture's frame. */
    moveAside(by) { aside.copy(by); stand(); },
    recolour() {
      if (room) room.recolour();
      for (const side of [-1, 0, 1]) {
        const colour = cssColour(["--right", "--body", "--left"][side + 1] + who.tone);
        materials[side].color.set(colour);
        faintMaterials[side].color.set(colour);
        clouds[side].color.set(colour);
      }
    },
    show(frame) {
      state.visible = group.visible = who.hasPose(frame);
      if (room) state.standing = room.show(frame);
      if (!state.visible) return;
      places.forEach((place, j) => place.fromArray(who.joint(frame, j, buffer)));
      meta.bones.forEach(([parent, child], b) => placeLimb(limbs[b], places[parent], places[child], LIMB * share(child)));
      balls.forEach((ball, j) => { ball.position.copy(places[j]); ball.scale.setScalar(BALL * share(j)); });
      if (head) {
        const [neck, crown] = meta.bones[headBone];
        placeLimb(head, places[neck], places[crown], HEAD);
        head.scale.set(HEAD, HEAD * 1.3, HEAD);
      }
      ellipsoids.forEach((made, j) => {
        const std = who.deviation(frame, j, buffer);
        made.visible = state.uncertainty && std !== null;
        if (!made.visible) return;
        made.position.copy(places[j]);
        made.scale.set(...std.map((s) => Math.max(s * SIGMAS, 1e-4)));
      });
      state.mannequin = mannequin !== null && !state.uncertainty; // ellipsoids are around joints that can be seen
      if (mannequin) mannequin.visible = state.mannequin;
      showSticks(!state.mannequin);
      fade(frame);
      state.lift = state.feet ? meta.floor + meta.ankle - lowest() : 0;
      shownFrame = frame;
      stand();
    },
    /** Place of a joint in the picture's frame, metres. */
    placeInPicture(joint, out) { return out.copy(places[joint]).applyMatrix4(group.matrix); },
  };
}
