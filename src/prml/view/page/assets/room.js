// What a motion leaves on the floor: the pelvis' path, and a ring wherever a heel or a toe stood.
function makeRoom(rotation) {
  const PATH = 0.018, DOT = 0.03, ABOVE = 0.003; // metres: width of the path, radius of the dot below the pelvis, over the floor
  const RING = 24; // corners
  const group = new THREE.Group();
  group.matrixAutoUpdate = false;
  group.matrix.copy(rotation);
  // Of the bodies' kind and opaque: another kind of material would have the browser compile another shader.
  const inks = {};
  for (const name of ["path", "walked", "left", "right", "leftNow", "rightNow"]) inks[name] = new THREE.MeshStandardMaterial({ roughness: 0.6, metalness: 0 });

  function mesh(corners, ink) {
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.Float32BufferAttribute(corners, 3));
    geometry.setAttribute("normal", new THREE.Float32BufferAttribute(corners.map((_, k) => (k % 3 === 2 ? 1 : 0)), 3));
    const made = new THREE.Mesh(geometry, ink);
    made.frustumCulled = false;
    group.add(made);
    return made;
  }
  function ring(out, [x, y, z], inner, outer) {
    for (let i = 0; i < RING; i++) {
      const corner = (k, r) => [x + r * Math.cos(2 * Math.PI * k / RING), y + r * Math.sin(2 * Math.PI * k / RING), z + ABOVE];
      const [a, b, c, d] = [corner(i, inner), corner(i, outer), corner(i + 1, inner), corner(i + 1, outer)];
      out.push(...a, ...b, ...d, ...a, ...d, ...c);
    }
    return out;
  }
  /** The path as a ribbon, and how many of its corners belong to the frames up to each. */
  function ribbon() {
    const corners = [], upTo = new Uint32Array(data.frames);
    let last = null;
    for (let frame = 0; frame < data.frames; frame++) {
      const here = data.hasPose(frame) ? data.joint(frame, meta.root, [0, 0, 0]) : null;
      const [dx, dy] = here && last ? [here[0] - last[0], here[1] - last[1]] : [0, 0], far = Math.hypot(dx, dy);
      if (here && last && far >= meta.room.step) {
        const [nx, ny] = [-dy / far * PATH / 2, dx / far * PATH / 2], z = ABOVE;
        const [a, b] = [[last[0] + nx, last[1] + ny, z], [last[0] - nx, last[1] - ny, z]];
        const [c, d] = [[here[0] + nx, here[1] + ny, z], [here[0] - nx, here[1] - ny, z]];
        corners.push(...a, ...b, ...d, ...a, ...d, ...c);
      }
      if (!here || !last || far >= meta.room.step) last = here;
      upTo[frame] = corners.length / 3;
    }
    return [corners, upTo];
  }
  const prints = meta.room.prints.map(([first, stop, side, ...place]) => ({ first, stop, side, place }));
  const size = meta.room.ring;
  const [corners, upTo] = ribbon();
  mesh(corners, inks.path);
  const walked = mesh(corners, inks.walked);
  walked.position.z = ABOVE / 3;
  const dot = mesh(ring([], [0, 0, 0], 0, DOT), inks.walked);
  for (const side of ["left", "right"]) {
    mesh(prints.filter((p) => p.side === side).flatMap((p) => ring([], p.place, 0.72 * size, size)), inks[side]);
  }
  const standing = ["left", "left", "right", "right"].map((side) => mesh(ring([], [0, 0, 0], 0.72 * size, 1.2 * size), inks[`${side}Now`]));
  const at = [0, 0, 0];
  return {
    group,
    /** How many points of the feet stand in the frame. */
    show(frame) {
      const there = data.hasPose(frame), now = there ? prints.filter((p) => p.first <= frame && frame < p.stop) : [];
      walked.geometry.setDrawRange(0, upTo[frame]);
      dot.visible = there;
      if (there) dot.position.set(...data.joint(frame, meta.root, at).slice(0, 2), 0);
      const free = { left: standing.slice(0, 2), right: standing.slice(2) };
      for (const made of standing) made.visible = false;
      for (const { side, place } of now) {
        const made = free[side].pop();
        if (!made) continue;
        made.visible = true;
        made.position.set(...place);
      }
      return now.length;
    },
    recolour() {
      const scene = new THREE.Color(cssColour("--scene")), mix = (name, css, share) => inks[name].color.lerpColors(scene, new THREE.Color(cssColour(css)), share);
      mix("path", "--dim", 0.35);
      mix("walked", "--text", 0.9);
      for (const side of ["left", "right"]) {
        mix(side, `--${side}`, 0.6);
        mix(`${side}Now`, `--${side}`, 1);
      }
    },
  };
}
