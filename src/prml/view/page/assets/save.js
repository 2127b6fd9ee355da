// Files from the page itself: a picture of the current view, and the numbers of the whole clip.
const save = (() => {
  const SIDE = 1600; // pixels of the longer side of a picture of the camera's view
  const BLOCK = 500; // frames that are turned into text at a time: a long clip would not fit into one string
  const stem = meta.title.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 60) || "poses";
  const which = () => (people.length > 1 ? `_person_${data.record.number}` : "");
  const AXES = ["x", "y", "z"];

  function offer(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }
  function picture(view, frame) {
    const canvas = view === "camera" ? cameraView.snapshot(frame, SIDE) : sceneView.snapshot();
    canvas.toBlob((blob) => offer(blob, `${stem}_${view}_${String(frame).padStart(5, "0")}.png`), "image/png");
  }
  const round = (value, digits) => (value === null || !Number.isFinite(value) ? null : Number(value.toFixed(digits)));
  const each = (count, make) => Array.from({ length: count }, (_, k) => make(k));

  function record(frame) {
    const there = data.hasPose(frame);
    const bends = each(meta.bends.length, (k) => data.angle(frame, k));
    return {
      frame, time_s: round(data.times[frame], 6), has_person: there, measured: data.isMeasured(frame),
      mostly_inferred: data.isInvented(frame), implausible: data.isImplausible(frame),
      joints_m: there ? each(data.joints, (j) => data.joint(frame, j, [0, 0, 0]).map((v) => round(v, 4))) : null,
      std_m: there && data.std ? each(data.joints, (j) => data.spread(frame, j).map((v) => round(v, 3))) : null,
      keypoints_px: data.points2d ? each(data.joints, (j) => (data.keypoint(frame, j) || [null, null]).map((v) => round(v, 2))) : null,
      confidence: data.confidence ? each(data.joints, (j) => round(data.sureness(frame, j), 3)) : null,
      faint: each(data.joints, (j) => data.isFaint(frame, j)),
      angles_deg: bends.map((b) => b && round(b[0], 2)),
      angles_std_deg: data.anglesStd ? bends.map((b) => b && round(b[1], 1)) : null,
      ...(data.contacts ? { contacts: data.standing(frame) } : {}),
      ...(compareView ? { distance_m: each(data.joints, (j) => round(compareView.distance(frame, j) / 1000, 4)) } : {}),
      angles_reliable: meta.bends.map((b) => anglesView.reliable(frame, b)),
    };
  }
  function* blocks(write) {
    for (let start = 0; start < data.frames; start += BLOCK) {
      yield each(Math.min(BLOCK, data.frames - start), (k) => write(start + k)).join("");
    }
  }
  function json() {
    const head = {
      title: meta.title, made_by: "prml viewer.html", note: meta.rounding, joints: meta.joints, axes: meta.axes,
      frame_of_joints: meta.note, ...(data.contacts ? { contacts: meta.room.contacts } : {}), angles: meta.bends.map(({ name, side }) => `${side} ${name.toLowerCase()}`), rules: Object.fromEntries(meta.rules),
    };
    const open = JSON.stringify(head).slice(0, -1) + ',"frames":[\n';
    const lines = blocks((frame) => JSON.stringify(record(frame)) + (frame + 1 < data.frames ? ",\n" : "\n"));
    return new Blob([open, ...lines, "]}\n"], { type: "application/json" });
  }
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  function csv() {
    const columns = ["frame", "time_s", "has_person", "measured", "mostly_inferred", "implausible"];
    for (const joint of meta.joints) for (const axis of AXES) columns.push(`${joint}_${axis}_m`);
    if (data.std) for (const joint of meta.joints) for (const axis of AXES) columns.push(`${joint}_${axis}_std_m`);
    for (const { name, side } of meta.bends) columns.push(`${side}_${name.toLowerCase()}_deg`);
    if (data.anglesStd) for (const { name, side } of meta.bends) columns.push(`${side}_${name.toLowerCase()}_std_deg`);
    if (data.contacts) for (const point of meta.room.contacts) columns.push(`${point}_stands`);
    if (compareView) for (const joint of meta.joints) columns.push(`${joint}_distance_m`);
    const line = (frame) => {
      const r = record(frame), none = (count) => Array(count).fill(null);
      const values = [r.frame, r.time_s, ...[r.has_person, r.measured, r.mostly_inferred, r.implausible].map(Number)];
      values.push(...(r.joints_m ? r.joints_m.flat() : none(3 * data.joints)));
      if (data.std) values.push(...(r.std_m ? r.std_m.flat() : none(3 * data.joints)));
      values.push(...r.angles_deg, ...(r.angles_std_deg || []));
      if (data.contacts) values.push(...r.contacts.map(Number));
      if (compareView) values.push(...r.distance_m);
      return values.map((v) => (v === null ? "" : v)).join(",") + "\n";
    };
    return new Blob([columns.map(quoted).join(",") + "\n", ...blocks(line)], { type: "text/csv" });
  }
  return {
    picture,
    json: () => offer(json(), `${stem}_poses${which()}.json`),
    csv: () => offer(csv(), `${stem}_poses${which()}.csv`),
  };
})();
