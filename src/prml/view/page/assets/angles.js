// Joint angles of the frame, from three joints each: 0 is a straight limb; for the shoulder, an arm along the trunk.
const anglesView = (() => {
  const at = (name) => meta.joints.indexOf(name);
  const ray = (from, to) => [at(from), at(to)];
  const limbs = (side) => ({ // angle between two directions
    Shoulder: [ray("Thorax", "Hip"), ray(side + "Shoulder", side + "Elbow")],
    Elbow: [ray(side + "Shoulder", side + "Elbow"), ray(side + "Elbow", side + "Wrist")],
    Hip: [ray("Thorax", "Hip"), ray(side + "Hip", side + "Knee")],
    Knee: [ray(side + "Hip", side + "Knee"), ray(side + "Knee", side + "Ankle")],
  });
  const sides = { left: limbs("L"), right: limbs("R") };
  const rows = Object.keys(sides.left).filter((name) => Object.values(sides).every((s) => s[name].flat().every((j) => j >= 0)));
  const table = document.getElementById("angles");
  const cells = [];

  function direction(frame, [from, to]) {
    const a = data.joint(frame, from, [0, 0, 0]), b = data.joint(frame, to, [0, 0, 0]);
    return b.map((value, k) => value - a[k]);
  }
  function degrees(frame, [first, second]) {
    const u = direction(frame, first), v = direction(frame, second);
    const dot = u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
    return Math.acos(Math.min(1, Math.max(-1, dot / (Math.hypot(...u) * Math.hypot(...v) || 1)))) * 180 / Math.PI;
  }
  function furnish() {
    if (!rows.length) { table.hidden = true; return; }
    const head = table.createTHead().insertRow();
    for (const text of ["Bend, degrees", "left", "right"]) {
      const cell = document.createElement("th");
      if (text in sides) cell.innerHTML = `<i class="dot ${text}"></i>`;
      cell.append(text);
      head.append(cell);
    }
    for (const name of rows) {
      const row = table.insertRow();
      row.insertCell().textContent = name;
      for (const side of Object.values(sides)) cells.push([row.insertCell(), side[name]]);
    }
  }
  furnish();
  return {
    draw(frame) {
      const there = data.hasPose(frame);
      for (const [cell, limb] of cells) cell.textContent = there ? degrees(frame, limb).toFixed(0) : "\u2013";
    },
  };
})();
