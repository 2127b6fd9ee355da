// A mannequin around the joints: rounded bodies whose ends are combinations of joints (see prml/view/mannequin.py).
function makeMannequin(add, materialOf) {
  const cap = new THREE.SphereGeometry(1, 20, 6, 0, 2 * Math.PI, 0, Math.PI / 2);
  const bodies = meta.room.bodies.map((body) => {
    const [r0, r1] = body.radii, tube = new THREE.CylinderGeometry(r1 / r0, 1, 1, 20, 1, true);
    const parts = [add(tube), add(cap), add(cap)];
    for (const part of parts) part.matrixAutoUpdate = false;
    return { ...body, parts };
  });
  const a = new THREE.Vector3(), b = new THREE.Vector3(), start = new THREE.Vector3(), end = new THREE.Vector3();
  const along = new THREE.Vector3(), side = new THREE.Vector3(), third = new THREE.Vector3(), middle = new THREE.Vector3();

  /** A point, or a direction where the weights add up to zero. */
  function place(rule, joints, out) {
    out.set(0, 0, 0);
    for (const [joint, weight] of rule.weights) out.addScaledVector(joints[joint], weight);
    if (!rule.across) return out;
    const [p, q, r, s, length] = rule.across;
    a.subVectors(joints[q], joints[p]).cross(b.subVectors(joints[s], joints[r]));
    return out.addScaledVector(a, length / Math.max(a.length(), 1e-9));
  }
  function set(part, at, x, y, z) {
    part.matrix.makeBasis(side, along, third).scale(a.set(x, y, z)).setPosition(at);
    part.matrixWorldNeedsUpdate = true;
  }
  return {
    get visible() { return bodies[0].parts[0].visible; },
    set visible(on) { for (const { parts } of bodies) for (const part of parts) part.visible = on; },
    /** Pose the bodies around joints (metres, the sequence's axes); as faint as the faintest joint they depend on. */
    show(joints, faint) {
      for (const { ends, side: across, radii: [r0, r1], deep, tone, joints: own, parts } of bodies) {
        place(ends[0], joints, start);
        place(ends[1], joints, end);
        along.subVectors(end, start);
        const length = Math.max(along.length(), 1e-6);
        along.divideScalar(length);
        if (across) place(across, joints, side);
        else side.set(along.y, along.z, -along.x); // any direction that is not along the body
        side.addScaledVector(along, -side.dot(along)).normalize();
        third.crossVectors(side, along);
        const high = Math.min(1, deep);
        set(parts[0], middle.addVectors(start, end).multiplyScalar(0.5), r0, length, r0 * deep);
        set(parts[1], start, r0, -r0 * high, r0 * deep);
        set(parts[2], end, r1, r1 * high, r1 * deep);
        const material = materialOf(tone, own.some((joint) => faint[joint]));
        for (const part of parts) part.material = material;
      }
    },
  };
}
