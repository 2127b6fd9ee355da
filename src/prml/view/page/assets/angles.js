// Bends of the large joints in the frame, with one standard deviation; grey where they cannot be relied on.
const anglesView = (() => {
  const table = document.getElementById("angles");
  const cells = [];

  function build() {
    if (!meta.bends.length) { document.getElementById("angles-panel").hidden = true; return; }
    const head = table.createTHead().insertRow(), body = table.createTBody();
    for (const text of ["Bend, \u00b0", "left", "right"]) {
      const cell = document.createElement("th");
      if (text === "left" || text === "right") {
        const dot = cell.appendChild(document.createElement("i"));
        dot.className = `dot ${text}`;
      }
      cell.append(text);
      head.append(cell);
    }
    meta.bends.forEach(({ name, side }, k) => {
      if (side === "left") body.insertRow().insertCell().textContent = name;
      cells[k] = body.rows[body.rows.length - 1].insertCell();
    });
    const how = data.anglesStd ? "\u00b1 one standard deviation. " : "";
    document.getElementById("angles-note").textContent = `${how}Grey: not measured, inferred or implausible.`;
  }
  /** Whether a bend can be relied on: the frame is sound, and its joints were seen. */
  function reliable(frame, bend) {
    return data.isSound(frame) && !bend.joints.some((j) => data.isFaint(frame, j));
  }
  function label(value) {
    if (!value) return "\u2013";
    const [degrees, std] = value;
    return degrees.toFixed(0) + (std === null ? "" : ` \u00b1 ${std.toFixed(0)}`);
  }
  build();
  return {
    reliable,
    draw(frame) {
      cells.forEach((cell, k) => {
        cell.textContent = label(data.angle(frame, k));
        cell.classList.toggle("grey", !reliable(frame, meta.bends[k]));
      });
    },
  };
})();
