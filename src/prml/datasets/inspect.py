"""What looks wrong in a motion: units, bones, left and right, axes, frame rate, 2D against 3D. Evidence, not proof.

Every function takes H36M17 and returns findings; a finding names the place. "error" means that the data cannot be used
as they are, "warning" that you should look.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from prml.camera import normalise
from prml.datasets.checks import fit_pinhole
from prml.io.keypoint_checks import check_keypoints
from prml.io.units import leg_bone, likely_unit
from prml.sequence import PoseSequence
from prml.skeleton import H36M17

Array = np.ndarray
Joints = Float[np.ndarray, "frames 17 3"]
# Human bounds in metres (median over a clip); generous: children and generic figures pass.
_HUMAN_M: Mapping[str, tuple[float, float]] = {
    "thigh": (0.25, 0.60),
    "shin": (0.25, 0.60),
    "upper arm": (0.15, 0.45),
    "forearm": (0.13, 0.42),
    "half hips": (0.03, 0.22),
}
BONES: Mapping[str, tuple[str, str]] = {
    f"{side} {bone}": (s + a if a != "Hip0" else "Hip", s + b)
    for side, s in (("left", "L"), ("right", "R"))
    for bone, a, b in (
        ("thigh", "Hip", "Knee"),
        ("shin", "Knee", "Ankle"),
        ("upper arm", "Shoulder", "Elbow"),
        ("forearm", "Elbow", "Wrist"),
        ("half hips", "Hip0", "Hip"),
    )
}


@dataclass(frozen=True)
class Finding:
    """One thing that looks wrong.

    Attributes:
        level: "error" or "warning".
        where: the clip.
        text: what, and what to do.
    """

    level: Literal["error", "warning"]
    where: str
    text: str


def bone_lengths(joints: Joints) -> dict[str, Float[np.ndarray, " frames"]]:
    """Length of each limb bone in every frame, in the unit of ``joints``."""
    ends = {bone: (H36M17.index(a), H36M17.index(b)) for bone, (a, b) in BONES.items()}
    return {bone: np.linalg.norm(joints[:, a] - joints[:, b], axis=-1) for bone, (a, b) in ends.items()}


def knees_forward(joints: Joints) -> tuple[int, int]:
    """Of the bent knees: how many point to the front, and how many there are.

    The front is left x up, from the hips and the trunk; so a motion whose left and right are swapped, or that is
    mirrored, has its knees bent backward. Holds in any right-handed frame.
    """
    at = {name: joints[:, i] for i, name in enumerate(H36M17.joints)}
    front = np.cross(normalise(at["LHip"] - at["RHip"]), normalise(at["Thorax"] - at["Hip"]))
    forward = bent = 0
    for s in "LR":
        out = at[s + "Knee"] - (at[s + "Hip"] + at[s + "Ankle"]) / 2
        leg = np.linalg.norm(at[s + "Hip"] - at[s + "Knee"], axis=-1)
        clear = np.linalg.norm(out, axis=-1) > 0.15 * leg
        forward += int(((out * front).sum(-1) > 0)[clear].sum())
        bent += int(clear.sum())
    return forward, bent


def inspect_bones(joints_m: Joints, where: str, unit_m: float = 1.0) -> Iterator[Finding]:
    """Human lengths, steady in time, alike on both sides; ``unit_m``: metres that a unit of the file was taken for."""
    length = leg_bone(joints_m, H36M17)
    if likely_unit(length) != "metres":
        raw = length / unit_m
        unit = likely_unit(raw)
        hint = f"the file's numbers ({raw:.3g}) look like {unit}" if unit else "the file's numbers fit no usual unit"
        yield Finding("error", where, f"thighs and shins are {length:.4g} m long; {hint}: give the right unit")
        return
    lengths = bone_lengths(joints_m)
    medians = {bone: float(np.nanmedian(values)) for bone, values in lengths.items()}
    for bone, median in medians.items():
        low, high = _HUMAN_M[bone.split(" ", 1)[1]]
        if not low < median < high:
            yield Finding(
                "error", where, f"{bone} of {median:.3f} m; expected {low} to {high}: is the joint order right?"
            )
        spread = float(np.nanquantile(lengths[bone], 0.99) - np.nanquantile(lengths[bone], 0.01))
        if spread > 0.25 * median:
            yield Finding("warning", where, f"{bone} changes its length by {spread:.3f} m: a joint jumps or is wrong")
    for bone in ("thigh", "shin", "upper arm", "forearm"):
        a, b = medians[f"left {bone}"], medians[f"right {bone}"]
        if abs(a - b) > 0.2 * max(a, b):
            yield Finding("warning", where, f"left and right {bone} differ: {a:.3f} and {b:.3f} m")


def inspect_sides(joints: Joints, where: str) -> Iterator[Finding]:
    """Left and right, by the knees and by whether shoulders and hips have the same sides."""
    forward, bent = knees_forward(joints)
    if bent >= 20 and forward < 0.35 * bent:
        yield Finding(
            "warning",
            where,
            f"bent knees point backward in {100 - 100 * forward / bent:.0f} % of {bent} cases: left "
            "and right are swapped, or an axis is mirrored",
        )
    at = {name: joints[:, i] for i, name in enumerate(H36M17.joints)}
    across = ((at["LHip"] - at["RHip"]) * (at["LShoulder"] - at["RShoulder"])).sum(-1)
    if np.nanmean(across < 0) > 0.5:
        yield Finding(
            "warning", where, "shoulders and hips have opposite sides: left and right are swapped in one of them"
        )


def body_axis(joints: Joints) -> tuple[str, float]:
    """The axis from feet to head ("+z" and the like), and how long the body is along it."""
    feet = (joints[:, H36M17.index("LAnkle")] + joints[:, H36M17.index("RAnkle")]) / 2
    body = np.nanmedian(joints[:, H36M17.index("Head")] - feet, axis=0)
    axis = int(np.argmax(np.abs(body)))
    return ("+" if body[axis] > 0 else "-") + "xyz"[axis], float(np.abs(body[axis]))


def inspect_axes(joints_m: Joints, frame: str, root_relative: bool, where: str) -> Iterator[Finding]:
    """Which way is up (world: +z; camera: -y), and whether the person is before the camera."""
    found, height = body_axis(joints_m)
    wanted = "+z" if frame == "world" else "-y"
    if found != wanted and height > 0.6:
        yield Finding(
            "warning",
            where,
            f"heads are above feet along {found}, expected {wanted} in the {frame} frame: "
            "axes are swapped or flipped (or the person lies down)",
        )
    if frame == "camera" and not root_relative and np.nanmedian(joints_m[:, 0, 2]) <= 0:
        yield Finding("error", where, "the person stands behind the camera (z <= 0); expected z forward")
    if frame == "world" and wanted == found:
        floor = float(np.nanquantile(np.nanmin(joints_m[..., 2], axis=1), 0.02))
        if not -0.3 < floor < 0.6:
            yield Finding("warning", where, f"the lowest joint is at z = {floor:.2f} m; expected a floor at z = 0")


def inspect_speed(joints_m: Joints, fps: float, where: str) -> Iterator[Finding]:
    """Jumps from frame to frame, and a frame rate that does not fit how fast people move."""
    if len(joints_m) < 10:
        return
    step = np.linalg.norm(np.diff(joints_m - joints_m[:, :1], axis=0), axis=-1)
    worst = np.unravel_index(int(np.nanargmax(step)), step.shape)
    if step[worst] * fps > 25 and step[worst] > 0.2:
        joint = H36M17.joints[worst[1]]
        yield Finding("warning", where, f"{joint} jumps {step[worst]:.2f} m from frame {worst[0]} to {worst[0] + 1}")
    speed = float(np.nanquantile(step, 0.9)) * fps
    if speed > 6:
        yield Finding(
            "warning",
            where,
            f"a tenth of all joints is faster than {speed:.1f} m/s at {fps:g} fps: the "
            "frame rate is too high, or the joints are noisy",
        )
    same = np.nanmax(step, axis=1) == 0
    if same.mean() > 0.3:
        yield Finding(
            "warning",
            where,
            f"{100 * same.mean():.0f} % of the frames repeat the frame before: doubled "
            "frames, a lower true frame rate, or a still",
        )


def inspect_2d(sequence: PoseSequence) -> Iterator[Finding]:
    """The rules for keypoints (:mod:`prml.io.keypoint_checks`), on the skeleton that they have."""
    points = sequence.keypoints_px
    if points is None or np.isnan(points).all():
        return
    for doubt in check_keypoints(sequence.skeleton, points, sequence.confidence, sequence.image_size):
        yield Finding(doubt.level, sequence.name, doubt.text)


def inspect_projection(sequence: PoseSequence) -> Iterator[Finding]:
    """Whether the 2D is a projection of the 3D."""
    px, joints, camera = sequence.keypoints_px, sequence.joints_m, sequence.camera
    if px is None or joints is None or sequence.root_relative or camera is None or len(joints) < 5:
        return
    seen = ~np.isnan(px).all((1, 2))
    if not seen.any():
        return
    joints, px = joints[seen], px[seen]
    size = float(np.nanmedian(np.nanmax(px, axis=1) - np.nanmin(px, axis=1)))
    cam = camera.to_camera(joints) if sequence.frame == "world" else joints
    apart = np.linalg.norm(camera.project(cam) - px, axis=-1)
    if np.isnan(apart).all():  # behind the camera, which is said elsewhere
        return
    error = float(np.nanmedian(apart))
    if error <= 0.15 * size:
        return
    mirrored = cam * [-1, 1, 1]
    for text, other in (("the 3D is mirrored (x)", mirrored), ("y points up in the 3D", cam * [1, -1, 1])):
        fitted = fit_pinhole(other, px, camera.width, camera.height)
        if "fitted" in fitted.source:
            yield Finding("warning", sequence.name, f"2D and 3D do not fit ({error:.0f} px); {text}, then they would")
            return
    text = f"the camera puts the 3D {error:.0f} px from the 2D (the person is {size:.0f} px tall)"
    yield Finding("warning", sequence.name, f"{text}: wrong intrinsics, another frame offset, or another person")


def inspect_sequence(sequence: PoseSequence) -> list[Finding]:
    """All findings on one sequence of H36M17 (other skeletons are converted first)."""
    where, findings = sequence.name, []
    flat = list(inspect_2d(sequence))
    if sequence.skeleton != H36M17:
        sequence = sequence.to_skeleton(H36M17)
    joints = sequence.joints_m
    if joints is not None:
        bad = ~np.isfinite(joints).all(-1)
        if bad.any():
            frame, joint = np.argwhere(bad)[0]
            text = f"{int(bad.sum())} joints are not a number, first {H36M17.joints[joint]} in frame {frame}"
            findings.append(Finding("error", where, text))
            joints = joints[~bad.any(-1)]
        if len(joints):
            findings += inspect_bones(joints, where)
            if not any(f.level == "error" for f in findings):
                findings += inspect_sides(joints, where)
                findings += inspect_axes(joints, sequence.frame, sequence.root_relative, where)
                findings += inspect_speed(joints, sequence.fps, where)
    if not any(f.level == "error" for f in flat):
        flat += inspect_projection(sequence)
    return findings + flat
