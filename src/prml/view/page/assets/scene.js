// The orbit view: room, light, observer. Draws only when something changed.
const sceneView = (() => {
  const canvas = document.getElementById("scene");
  const VIEWS = { quarter: [35, 12], front: [0, 0.01], side: [90, 6], top: [0, 89.9] }; // degrees around, degrees up
  const FOV = 28; // degrees
  let renderer;
  try {
    renderer = new THREE.WebGLRenderer({ canvas, antialias: true, powerPreference: "low-power" });
  } catch {
    return null; // the page says so and keeps its 2D view
  }
  renderer.shadowMap.enabled = true;
  renderer.shadowMap.type = THREE.PCFShadowMap;
  const scene = new THREE.Scene();
  const camera = new THREE.PerspectiveCamera(FOV, 1, 0.05, 200);
  const centre = new THREE.Vector3(...meta.centre);
  const controls = new THREE.OrbitControls(camera, canvas);
  controls.enableDamping = true;
  controls.dampingFactor = 0.12;
  controls.minDistance = 0.5;
  controls.maxDistance = 40 + 4 * (meta.room ? meta.radius : 0);
  const figures = people.map(makeFigure);
  for (const each of figures) {
    scene.add(each.group);
    if (each.room) scene.add(each.room.group);
  }
  const chosen = () => figures[people.indexOf(data)];
  const floor = makeFloor();
  scene.add(new THREE.HemisphereLight(0xffffff, 0x9aa0aa, 2.1));
  const sun = addSun();
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const followed = new THREE.Vector3(); // the person, on the turntable
  const path = meta.room ? samplePath() : [];
  controls.autoRotateSpeed = 60 / 14; // a turn in 14 s
  let dirty = true, flight = null, view = "quarter", size = [0, 0], turntable = false, before = 0;

  function addSun() {
    const reach = (meta.room ? meta.reach : meta.radius) + 0.6;
    const sun = new THREE.DirectionalLight(0xffffff, 2.2);
    light(sun, centre);
    sun.castShadow = true;
    sun.shadow.mapSize.set(1024, 1024);
    sun.shadow.radius = 7;
    sun.shadow.bias = -0.0005;
    Object.assign(sun.shadow.camera, { left: -reach, right: reach, top: reach, bottom: -reach, near: 0.1, far: 12 });
    scene.add(sun, sun.target);
    return sun;
  }
  function light(sun, { x, z }) {
    sun.position.set(x + 0.25, meta.floor + 6, z + 0.4);
    sun.target.position.set(x, meta.floor, z);
  }
  /** In a room the sun goes with the person, and the turntable stands below them. */
  function follow() {
    if (!meta.room || !chosen().state.visible) return;
    chosen().placeInPicture(meta.root, followed).setY(centre.y);
    light(sun, followed);
    if (!turntable || flight) return;
    projected.subVectors(followed, controls.target);
    if (projected.length() < 1e-6) return;
    camera.position.add(projected);
    controls.target.copy(followed);
    dirty = true;
  }
  const aim = () => (turntable ? followed : centre);
  const halfApart = () => (compareView && !compareView.state.overlaid ? meta.radius : 0);
  /** Two results stand beside each other wherever the observer is, A at the left; overlaid they share one place. */
  function setAside() {
    if (!compareView) return;
    camera.updateMatrixWorld();
    projected.setFromMatrixColumn(camera.matrixWorld, 0).setY(0).normalize().multiplyScalar(halfApart());
    figures[1].moveAside(projected);
    figures[0].moveAside(projected.negate());
  }
  /** The letters over the heads of two results. */
  function writeLetters() {
    for (const [k, letter] of [...document.querySelectorAll("#stage .letter")].entries()) {
      letter.hidden = !compareView || compareView.state.overlaid || !figures[k].state.visible;
      if (letter.hidden) continue;
      const tops = meta.joints.map((_, j) => figures[k].placeInPicture(j, new THREE.Vector3()));
      const top = tops.reduce((a, b) => (a.y > b.y ? a : b));
      projected.set(tops.reduce((sum, p) => sum + p.x, 0) / tops.length, top.y + 0.2, tops.reduce((sum, p) => sum + p.z, 0) / tops.length).project(camera);
      letter.style.left = `${(projected.x + 1) / 2 * size[0]}px`;
      letter.style.top = `${(1 - projected.y) / 2 * size[1]}px`;
    }
  }
  function makeFloor() {
    const shade = new THREE.Mesh(new THREE.PlaneGeometry(60, 60), new THREE.ShadowMaterial());
    shade.rotation.x = -Math.PI / 2;
    shade.position.set(centre.x, meta.floor, centre.z);
    shade.receiveShadow = true;
    const grid = new THREE.LineSegments(new THREE.BufferGeometry(), new THREE.LineBasicMaterial({ vertexColors: true }));
    grid.position.set(centre.x, meta.floor - 0.002, centre.z);
    scene.add(shade, grid);
    return { shade, grid };
  }
  /** Lines half a metre apart that fade into the background. */
  function paintGrid() {
    const step = 0.5, reach = step * Math.ceil((meta.radius + 1.6) / step), pieces = 24;
    const far = new THREE.Color(cssColour("--scene")), near = new THREE.Color(cssColour("--grid")), mixed = new THREE.Color();
    const places = [], colours = [];
    for (let offset = -reach; offset <= reach + 1e-6; offset += step) {
      const half = Math.sqrt(Math.max(reach * reach - offset * offset, 0));
      for (let i = 0; i < pieces; i++) {
        for (const at of [i, i + 1]) {
          const along = half * (2 * at / pieces - 1);
          const fade = Math.min(1, Math.max(0, 1.1 * (1 - Math.hypot(along, offset) / reach)));
          mixed.lerpColors(far, near, fade);
          places.push([along, 0, offset], [offset, 0, along]);
          colours.push(mixed.toArray(), mixed.toArray());
        }
      }
    }
    const order = []; // the two directions were written turn by turn
    for (let i = 0; i < places.length; i += 4) order.push(i, i + 2, i + 1, i + 3);
    const geometry = floor.grid.geometry;
    geometry.setAttribute("position", new THREE.Float32BufferAttribute(order.flatMap((i) => places[i]), 3));
    geometry.setAttribute("color", new THREE.Float32BufferAttribute(order.flatMap((i) => colours[i]), 3));
  }
  /** Distance at which the cylinder that the motion fills is in the picture. */
  function fitDistance() {
    const tall = (meta.top - meta.floor) / 2 + 0.16, half = Math.tan((FOV / 2) * Math.PI / 180);
    const wide = meta.radius * 0.85 + 0.1 + halfApart();
    const share = Math.max(1 - (topInset() + noteInset()) / size[1], 0.4); // of the height that buttons and notes leave free
    return Math.max(tall / (half * share), wide / (half * camera.aspect)) + meta.radius * 0.6;
  }
  /** Pixels that the buttons and the note take from the picture, where they are shown. */
  function topInset() { return document.querySelector(".views").offsetHeight + 14; }
  function noteInset() { return document.getElementById("note").offsetHeight + 14; }
  /** Places around the person, from the floor to the highest joint, along the path or, on the turntable, where they are. */
  function outline() {
    const around = turntable ? [[0, 0]] : path, out = [];
    for (const [x, z] of around) {
      for (let k = 0; k < 8; k++) {
        const [dx, dz] = [Math.cos(k * Math.PI / 4), Math.sin(k * Math.PI / 4)].map((v) => v * meta.reach * 0.85);
        for (const y of [meta.floor - 0.06, meta.top + 0.16]) out.push([x + dx, y - centre.y, z + dz]);
      }
    }
    return out;
  }
  /** Where the pelvis goes, seen from above, relative to the centre; of a long clip some of the frames. */
  function samplePath() {
    const out = [], each = Math.ceil(data.frames / 200), r = meta.rotation;
    for (let frame = 0; frame < data.frames; frame += each) {
      if (!data.hasPose(frame)) continue;
      const p = data.joint(frame, meta.root, [0, 0, 0]);
      out.push([r[0] * p[0] + r[1] * p[1] + r[2] * p[2] - centre.x, r[6] * p[0] + r[7] * p[1] + r[8] * p[2] - centre.z]);
    }
    return out.length ? out : [[0, 0]];
  }
  /** Distance from which the whole outline is in the picture; offset is the direction to the observer. */
  function distanceTo(offset) {
    if (!meta.room) return fitDistance();
    const half = Math.tan((FOV / 2) * Math.PI / 180), share = Math.max(1 - (topInset() + noteInset()) / size[1], 0.4);
    const right = new THREE.Vector3(0, 1, 0).cross(offset).normalize(), up = offset.clone().cross(right), at = new THREE.Vector3();
    return Math.max(...outline().map((place) => {
      at.set(...place);
      const [x, y] = [Math.abs(at.dot(right)), Math.abs(at.dot(up))];
      return Math.max(x / (half * camera.aspect), y / (half * share)) + at.dot(offset);
    }));
  }
  function spot(name) {
    const [around, above] = VIEWS[name].map((d) => d * Math.PI / 180);
    const offset = new THREE.Vector3(Math.sin(around) * Math.cos(above), Math.sin(above), Math.cos(around) * Math.cos(above));
    return offset.clone().multiplyScalar(distanceTo(offset)).add(aim());
  }
  function look(name, atOnce = false) {
    view = name;
    camera.setViewOffset(size[0], size[1], 0, (noteInset() - topInset()) / 2, size[0], size[1]);
    const to = spot(name);
    if (atOnce) {
      camera.position.copy(to);
      controls.target.copy(aim());
      controls.enableDamping = false;
      controls.update();
      flight = null;
    } else {
      flight = { from: camera.position.clone(), aim: controls.target.clone(), to, start: performance.now() };
    }
    dirty = true;
  }
  function fly(now) {
    const done = Math.min((now - flight.start) / 350, 1), ease = done * done * (3 - 2 * done);
    camera.position.lerpVectors(flight.from, flight.to, ease);
    controls.target.lerpVectors(flight.aim, aim(), ease);
    if (done === 1) flight = null;
    dirty = true;
  }
  function resize() {
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height || (width === size[0] && height === size[1])) return;
    const first = size[0] === 0;
    size = [width, height];
    renderer.setPixelRatio(Math.min(window.devicePixelRatio || 1, 2));
    renderer.setSize(width, height, false);
    camera.aspect = width / height;
    camera.updateProjectionMatrix();
    if (first || view) look(view || "quarter", true);
    dirty = true;
  }
  const projected = new THREE.Vector3();
  controls.addEventListener("start", () => { flight = null; view = null; canvas.dispatchEvent(new Event("orbit")); });
  controls.addEventListener("change", () => { dirty = true; });

  return {
    look, figures,
    get figure() { return chosen(); },
    show(frame) { for (const each of figures) each.show(frame); },
    refit() { if (view && size[0]) look(view, true); },
    get view() { return view; },
    get turntable() { return turntable; },
    set turntable(on) {
      if (turntable === on) return;
      turntable = on;
      follow();
      if (size[0]) look("quarter", true);
    },
    get orbit() { return { around: controls.getAzimuthalAngle(), above: controls.getPolarAngle(), distance: controls.getDistance() }; },
    touch() { dirty = true; },
    recolour() {
      renderer.setClearColor(cssColour("--scene"));
      floor.shade.material.opacity = parseFloat(cssColour("--shadow"));
      for (const each of figures) each.recolour();
      paintGrid();
      dirty = true;
    },
    tick(now) {
      resize();
      controls.enableDamping = !flight; // a drag that still swings must not turn the view that was asked for
      if (flight) fly(now);
      follow();
      controls.autoRotate = turntable && !flight && !still.matches;
      controls.update(Math.min(Math.max(now - before, 0), 100) / 1000);
      before = now;
      if (!dirty) return;
      setAside();
      renderer.render(scene, camera);
      writeLetters();
      dirty = false;
    },
    /** A canvas with the view alone, as large as it is on the screen. */
    snapshot() {
      renderer.render(scene, camera); // what was drawn is not kept
      const made = document.createElement("canvas");
      made.width = canvas.width;
      made.height = canvas.height;
      made.getContext("2d").drawImage(canvas, 0, 0);
      return made;
    },
    /** Joint within `reach` pixels of a point of the canvas, the nearest to the observer first; -1 if none. */
    pick(x, y, reach) {
      let best = -1, nearest = Infinity;
      const figure = chosen();
      if (!figure.state.visible) return best;
      meta.joints.forEach((_, j) => {
        figure.placeInPicture(j, projected).project(camera);
        const dx = (projected.x + 1) / 2 * size[0] - x, dy = (1 - projected.y) / 2 * size[1] - y;
        const cost = Math.hypot(dx, dy) + projected.z;
        if (Math.hypot(dx, dy) <= reach && cost < nearest) { best = j; nearest = cost; }
      });
      return best;
    },
  };
})();
