"""Look at what ``prml lift`` wrote, with readers that are not its own: exit code 1 and one line per fault.

python .ci/check_outputs.py OUT INPUT_VIDEO
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np

# Metres of an adult's bone, generous: parent and child in the Human3.6M order.
BONES_M = {
    "thigh": ((1, 2), (4, 5), (0.25, 0.60)),
    "shin": ((2, 3), (5, 6), (0.25, 0.60)),
    "upper arm": ((11, 12), (14, 15), (0.15, 0.42)),
    "forearm": ((12, 13), (15, 16), (0.12, 0.40)),
    "hip to thorax": ((0, 8), (0, 8), (0.30, 0.75)),
}
JOINTS, SCHEMA = 28, "prml.poses/2"  # of the weights that prml lift takes unless told otherwise
# What a page may not do: load anything from anywhere but itself. Namespaces and licence texts are only names.
LOADS = re.compile(
    r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?\s*(?:https?:)?//|@import|
    (?:fetch|importScripts|import)\s*\(\s*["'`](?:https?:)?//|\bfrom\s*["']https?://""",
    re.VERBOSE,
)


def frames_of(video: Path) -> int:
    """Frames that decode."""
    with av.open(str(video)) as container:
        return sum(1 for _ in container.decode(video=0))


def check_arrays(poses: dict[str, Any], frames: int) -> list[str]:
    """Faults of the joints, flags and times."""
    joints, times = np.asarray(poses["joints_cam_m"]), np.asarray(poses["times_s"])
    has_person = np.asarray(poses["has_person"], bool)
    found = []
    if joints.shape != (frames, JOINTS, 3):
        return [f"joints_cam_m is {joints.shape}, expected {(frames, JOINTS, 3)}"]
    if times.shape != (frames,) or not np.all(np.diff(times) > 0):
        found.append("times_s does not increase once per frame")
    if has_person.mean() < 0.95:
        found.append(f"a person in {has_person.sum()} of {frames} frames only")
    if not np.isfinite(joints[has_person]).all() or np.isfinite(joints[~has_person]).any():
        found.append("joints_cam_m must be finite where has_person and NaN elsewhere")
    if np.abs(joints[has_person][:, 0]).max() > 1e-6:
        found.append("the hip is not the origin")
    return found + check_body(joints[has_person])


def check_body(joints_m: np.ndarray) -> list[str]:
    """Faults of an upright, human-sized body in the camera's frame (y down)."""
    found = []
    for name, (left, right, (low, high)) in BONES_M.items():
        for parent, child in {left, right}:
            length = float(np.median(np.linalg.norm(joints_m[:, parent] - joints_m[:, child], axis=-1)))
            if not low < length < high:
                found.append(f"{name} {parent}-{child} is {length:.3f} m, expected {low} to {high}")
    if np.median(joints_m[:, 10, 1]) > -0.3 or np.median(joints_m[:, (3, 6), 1]) < 0.4:
        found.append("the man of the example stands: his head is above his hip, his ankles below")
    if np.linalg.norm(np.diff(joints_m, axis=0), axis=-1).max() > 0.6:
        found.append("a joint leaps by more than 0.6 m from one frame to the next")
    return found


def check_example(joints_m: np.ndarray) -> list[str]:
    """The man of the example raises both hands over his head, twice, and steps apart."""
    wrists_over_head = (joints_m[:, (13, 16), 1] < joints_m[:, 10:11, 1]).all(1)
    rises = int((np.diff(wrists_over_head.astype(int)) == 1).sum() + wrists_over_head[0])
    apart = np.linalg.norm(joints_m[:, 3] - joints_m[:, 6], axis=-1)
    found = [] if rises >= 2 else [f"both hands go over the head {rises} times; in the video twice"]
    return found if np.ptp(apart) > 0.25 else [*found, "the feet do not come apart; in the video they do"]


def check_bvh(text: str, frames: int) -> list[str]:
    """Faults of the BVH (centimetres, Y up): its frames, and hips at a height that jumps change."""
    lines = text.splitlines()
    start = lines.index("MOTION")
    count = int(lines[start + 1].split()[1])
    heights = np.array([float(line.split()[1]) for line in lines[start + 3 :] if line.strip()])
    found = [] if count == len(heights) == frames else [f"motion.bvh has {count} frames, the video {frames}"]
    if not 60 < np.median(heights) < 120:
        found.append(f"the hips of motion.bvh are {np.median(heights):.0f} cm high; those of a man who stands about 90")
    return found if np.ptp(heights) > 10 else [*found, "the man of motion.bvh does not jump"]


def check_page(page: str) -> list[str]:
    """Faults of the viewer: what it would load from elsewhere, or a page without poses."""
    found = [f"viewer.html loads from elsewhere: {page[m.start() : m.start() + 80]!r}" for m in LOADS.finditer(page)]
    return found if "</html>" in page and len(page) > 300_000 else [*found, "viewer.html is no whole page"]


def faults(out: Path, video: Path) -> list[str]:
    """Everything that is wrong with the results of lifting ``video`` into ``out``."""
    wanted = ("poses.npz", "poses.json", "motion.npz", "motion.bvh", "motion.glb", "overlay.mp4", "viewer.html")
    if missing := [name for name in wanted if not (out / name).is_file()]:
        return [f"{out} lacks {', '.join(missing)}"]
    frames = frames_of(video)
    with np.load(out / "poses.npz", allow_pickle=False) as archive:
        binary = {name: archive[name] for name in archive.files}
    text = json.loads((out / "poses.json").read_text(encoding="utf-8"))
    found = check_arrays(binary, frames)
    found += [] if found else check_example(binary["joints_cam_m"])
    for what, schema in (("poses.npz", str(binary["schema"])), ("poses.json", text["schema"])):
        found += [] if schema == SCHEMA else [f"{what} has schema {schema}"]
    if set(text) != set(binary):
        found.append(f"poses.json and poses.npz differ in {sorted(set(text) ^ set(binary))}")
    in_text = np.array(text["joints_cam_m"], dtype=float)
    joints = binary["joints_cam_m"]
    if in_text.shape != joints.shape or not np.allclose(in_text, joints, atol=1e-5, equal_nan=True):
        found.append("poses.json and poses.npz hold different joints")
    if (count := frames_of(out / "overlay.mp4")) != frames:
        found.append(f"overlay.mp4 has {count} frames, the video {frames}")
    found += check_bvh((out / "motion.bvh").read_text(encoding="utf-8"), frames)
    return found + check_page((out / "viewer.html").read_text(encoding="utf-8"))


def main() -> int:
    out, video = (Path(word) for word in sys.argv[1:3])
    found = faults(out, video)
    for fault in found:
        print(f"fault: {fault}")
    print(f"{out}: {len(found)} faults" if found else f"{out}: as it should be")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
