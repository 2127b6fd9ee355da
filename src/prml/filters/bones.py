"""Skeleton fit: one set of bone lengths per person and clip, and joints posed on it."""

from collections.abc import Mapping
from functools import cache

import numpy as np
from jaxtyping import Float

from prml.camera import Camera
from prml.filters.root import projected, refine_root, solve_root
from prml.skeleton import Skeleton
from prml.spans import blocks

Array = np.ndarray
MIN_STD_M = 0.004  # below it a network's deviation is not believed
UNKNOWN_STD_M = 0.05  # of a network that states none
POINT_STD_M = 0.04  # error of a detector's point, seen at the person's distance, where its joint is not listed below
# Half of the errors of a joint's points on the validation clips of mocap-noisy are below 1.2 times the first number;
# limbs have far outliers besides. The network has seen the same points and shares their errors: they count for less.
_SHARED = 1.5
_CORE_STD_MM: Mapping[str, float] = {
    "Hip": 12,
    "Thorax": 17,
    "Nose": 11,
    "Head": 13,
    "NoseTip": 14,
    **{s + "Hip": 17 for s in "LR"},
    **{s + "Knee": 22 for s in "LR"},
    **{s + "Ankle": 18 for s in "LR"},
    **{s + "Shoulder": 13 for s in "LR"},
    **{s + "Elbow": 23 for s in "LR"},
    **{s + "Wrist": 22 for s in "LR"},
    **{s + "Heel": 22 for s in "LR"},
    **{s + "Toe": 29 for s in "LR"},
    **{s + "Hand": 25 for s in "LR"},
    **{s + "Thumb": 25 for s in "LR"},
    **{s + "Ear": 10 for s in "LR"},
}
ANKLE_HEIGHT_M = 0.08
_BONE_STD_M = 0.003  # how much a bone may give while the pose is sought; it gives nothing in the result
_PASSES = 6
SEEN_TIMES = 4.0  # how much more the detector's points count for lengths, whose errors average over a clip
_FREE_PASSES = 3
_FAR = 2.0  # deviations beyond which a point of the detector loses its weight
_BLOCK = 1024


@cache
def point_std_m(skeleton: Skeleton) -> Float[Array, " J"]:
    """Deviation of a detector's points across the line of sight at the person's distance, by joint."""
    listed = [
        _SHARED * _CORE_STD_MM[joint] / 1e3 if joint in _CORE_STD_MM else POINT_STD_M for joint in skeleton.joints
    ]
    return np.array(listed)


@cache
def from_root(skeleton: Skeleton) -> tuple[int, ...]:
    """Joints from the root outwards: every joint after its parent."""
    order = [skeleton.root]
    for joint in order:
        order += [child for child, parent in enumerate(skeleton.parents) if parent == joint]
    return tuple(order)


def bone_lengths(
    joints_m: Float[Array, "T J 3"], skeleton: Skeleton, std_m: Float[Array, "T J 3"] | None = None
) -> Float[Array, " J"]:
    """Length of the bone to every joint from its parent; 0 for the root.

    Median over time, weighted by the inverse variance along the bone, and the mean of left and right. NaN for bones
    that no frame has.
    """
    lengths = np.zeros(len(skeleton))
    for parent, child in skeleton.bones:
        bone = joints_m[:, child] - joints_m[:, parent]
        size = np.linalg.norm(bone, axis=-1)
        known = np.isfinite(size) & (size > 0)
        if not known.any():
            lengths[child] = np.nan
            continue
        weight = np.ones(int(known.sum()))
        if std_m is not None:
            along = bone[known] / size[known, None] * np.maximum(std_m[known, child], MIN_STD_M)
            weight = 1 / np.maximum((along**2).sum(-1), MIN_STD_M**2)
        lengths[child] = _weighted_median(size[known], weight)
    both = np.stack([lengths, lengths[list(skeleton.mirror)]])
    return np.asarray(np.where(np.isfinite(both).all(0), both.mean(0), np.where(np.isnan(both[0]), both[1], both[0])))


def _weighted_median(values: Float[Array, " n"], weights: Float[Array, " n"]) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def stature_m(lengths_m: Float[Array, " J"], skeleton: Skeleton) -> float:
    """Height of a person with these bones who stands straight: ankle's height, leg, trunk, neck and head."""
    chain = ("LKnee", "LAnkle", "Spine", "Thorax", "Nose", "Head")
    return float(ANKLE_HEIGHT_M + sum(lengths_m[skeleton.index(joint)] for joint in chain))


def bone_spread_m(joints_m: Float[Array, "T J 3"], skeleton: Skeleton) -> float:
    """Largest standard deviation of a bone's length over time, metres; NaN if no bone was seen twice."""
    starts, ends = (np.array(side) for side in zip(*skeleton.bones, strict=True))
    size = np.linalg.norm(joints_m[:, ends] - joints_m[:, starts], axis=-1)
    known = np.isfinite(size).sum(0) > 1
    return float(np.nanstd(size[:, known], axis=0).max()) if known.any() else float("nan")


def with_lengths(
    joints_m: Float[Array, "T J 3"], lengths_m: Float[Array, " J"], skeleton: Skeleton
) -> Float[Array, "T J 3"]:
    """The joints with bones of given lengths in the directions that they have; the root stays.

    The hip joints are on one line through the root, which is their middle: a pelvis is rigid.
    """
    out = np.full(joints_m.shape, np.nan)
    out[:, skeleton.root] = joints_m[:, skeleton.root]
    hips = [j for j, name in enumerate(skeleton.joints) if name[1:] == "Hip" and skeleton.parents[j] == skeleton.root]
    across = dict(zip(hips, reversed(hips), strict=True)) if len(hips) == 2 else {}
    for child in from_root(skeleton)[1:]:
        parent = skeleton.parents[child]
        bone = joints_m[:, child] - joints_m[:, across.get(child, parent)]
        size = np.linalg.norm(bone, axis=-1, keepdims=True)
        out[:, child] = out[:, parent] + bone * (lengths_m[child] / np.maximum(size, 1e-9))
    return out


def seen_lengths(
    joints_m: Float[Array, "T J 3"],
    std_m: Float[Array, "T J 3"],
    skeleton: Skeleton,
    camera: Camera,
    points_px: Float[Array, "T J 2"],
    confidence: Float[Array, "T J"] | None = None,
) -> Float[Array, " J"]:
    """Length of every bone from the network's joints and the detector's points together.

    A network takes everybody's proportions for nearly average; the points show more of them. Every joint is moved
    towards its point, in units of both deviations, as in :func:`fit_pose` but without bones; then as
    :func:`bone_lengths`. Arguments as of :func:`fit_pose`.
    """
    out, spread = np.empty(joints_m.shape), np.empty(joints_m.shape)
    for block, _, _ in blocks(len(joints_m), _BLOCK):
        given = np.asarray(joints_m[block], np.float64)
        precision = 1 / np.maximum(np.asarray(std_m[block], np.float64), MIN_STD_M) ** 2
        plane, weight = _plane_of(camera, points_px[block], None if confidence is None else confidence[block])
        joints: Array = given
        for _ in range(_FREE_PASSES):
            extra, pull = _seen(joints, plane, weight, point_std_m(skeleton))
            normal = precision[..., None] * np.eye(3) + SEEN_TIMES * extra
            right = precision * given + SEEN_TIMES * pull
            joints = np.linalg.solve(normal, right[..., None])[..., 0]
            joints = joints - joints[:, [skeleton.root]]
        out[block] = joints
        spread[block] = np.sqrt(np.einsum("tjii->tji", np.linalg.inv(normal)))
    return bone_lengths(out, skeleton, spread)


def fit_pose(
    joints_m: Float[Array, "T J 3"],
    std_m: Float[Array, "T J 3"],
    lengths_m: Float[Array, " J"],
    skeleton: Skeleton,
    camera: Camera | None = None,
    points_px: Float[Array, "T J 2"] | None = None,
    confidence: Float[Array, "T J"] | None = None,
) -> Float[Array, "T J 3"]:
    """Pose root-relative joints on bones of given lengths: near the network's pose and near the detector's points.

    Per frame, a sum of squares is minimised by Gauss-Newton steps: distances to the network's joints in units of their
    deviations, distances to the detector's points in units of :func:`point_std_m` at the person's depth (far ones lose
    their weight), and errors of the bones. As bones form a tree, a step costs one pass along it for all frames
    together. Time and memory are linear in the number of frames.

    Args:
        joints_m: (T, J, 3) of the network, metres, camera frame, root at the origin; all finite.
        std_m: (T, J, 3) deviations.
        lengths_m: (J,) as from :func:`bone_lengths`.
        skeleton: the joint set.
        camera: of the detector's points; without it only the network's pose counts.
        points_px: (T, J, 2) the detector's points; NaN where it has none.
        confidence: (T, J) of these; 0 where it has none, 1 everywhere if left out.

    Returns:
        (T, J, 3) root-relative joints with exactly these bone lengths.
    """
    out = np.empty(joints_m.shape)
    for block, _, _ in blocks(len(joints_m), _BLOCK):
        plane, weight = None, None
        if camera is not None and points_px is not None:
            plane, weight = _plane_of(camera, points_px[block], None if confidence is None else confidence[block])
        out[block] = _fit_block(
            np.asarray(joints_m[block], np.float64),
            np.asarray(std_m[block], np.float64),
            lengths_m,
            skeleton,
            plane,
            weight,
        )
    return out


def _plane_of(
    camera: Camera, points_px: Float[Array, "T J 2"], confidence: Float[Array, "T J"] | None
) -> tuple[Float[Array, "T J 2"], Float[Array, "T J"]]:
    """The points at z = 1, and their weights; 0 where there is none."""
    plane = camera.unproject(np.asarray(points_px, np.float64))
    weight = np.ones(plane.shape[:2]) if confidence is None else np.asarray(confidence, np.float64)
    return plane, np.where(np.isfinite(plane).all(-1), np.clip(weight, 0, 1), 0.0)


def _fit_block(
    given: Float[Array, "T J 3"],
    std_m: Float[Array, "T J 3"],
    lengths_m: Float[Array, " J"],
    skeleton: Skeleton,
    plane: Float[Array, "T J 2"] | None,
    weight: Float[Array, "T J"] | None,
) -> Float[Array, "T J 3"]:
    joints = given.copy()
    precision = 1 / np.maximum(std_m, MIN_STD_M) ** 2
    for _ in range(_PASSES):
        normal = precision[..., None] * np.eye(3)
        right = precision * given
        if plane is not None and weight is not None and weight.any():
            extra, pull = _seen(joints, plane, weight, point_std_m(skeleton))
            normal, right = normal + extra, right + pull
        joints = _solve_tree(joints, normal, right, lengths_m, skeleton)
    return with_lengths(joints, lengths_m, skeleton)


def _seen(
    joints: Float[Array, "T J 3"],
    plane: Float[Array, "T J 2"],
    weight: Float[Array, "T J"],
    std_m: Float[Array, " J"],
) -> tuple[Float[Array, "T J 3 3"], Float[Array, "T J 3"]]:
    """Normal equations of the detector's points, given the root that fits the present joints best."""
    points = np.where(weight[..., None] > 0, plane, 0.0)
    sure = weight * (std_m.min() / std_m)
    root = refine_root(joints, points, sure**2, solve_root(joints, plane, sure))
    seen, away = projected(joints, points, root)
    share = (weight / std_m) ** 2
    share = share / (1 + share * (away**2).sum(-1) / _FAR**2)
    rows = np.zeros((*points.shape[:2], 2, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = 1
    rows[..., 2] = -seen
    target = np.einsum("tjka,tja->tjk", rows, joints) - away
    weighted = rows * share[..., None, None]
    return np.swapaxes(weighted, -1, -2) @ rows, np.einsum("tjka,tjk->tja", weighted, target)


def _solve_tree(
    joints: Float[Array, "T J 3"],
    normal: Float[Array, "T J 3 3"],
    right: Float[Array, "T J 3"],
    lengths_m: Float[Array, " J"],
    skeleton: Skeleton,
) -> Float[Array, "T J 3"]:
    """Solve the joints' normal equations joined by bones linearised at ``joints``: leaves to root, and back.

    A bone adds ``w (u (x_child - x_parent) - length)^2`` with ``u`` its direction: a coupling of rank one, whose
    elimination takes no more than a 3 x 3 inverse per joint.
    """
    root, order, w = skeleton.root, from_root(skeleton), 1 / _BONE_STD_M**2
    unit = np.zeros_like(joints)
    for child in order[1:]:
        bone = joints[:, child] - joints[:, skeleton.parents[child]]
        unit[:, child] = bone / np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-9)
    square = w * unit[..., :, None] * unit[..., None, :]
    pull = w * lengths_m[:, None] * unit
    normal, right = normal + square, right + pull
    for child in order[1:]:
        if (parent := skeleton.parents[child]) != root:
            normal[:, parent] += square[:, child]
            right[:, parent] -= pull[:, child]
    inverse = np.empty_like(normal)
    for child in reversed(order[1:]):
        inverse[:, child] = np.linalg.inv(normal[:, child])
        if (parent := skeleton.parents[child]) != root:
            reach = np.einsum("tij,tj->ti", inverse[:, child], unit[:, child])
            normal[:, parent] -= (w * (reach * unit[:, child]).sum(-1))[:, None, None] * square[:, child]
            right[:, parent] += w * (reach * right[:, child]).sum(-1)[:, None] * unit[:, child]
    out = np.zeros_like(joints)
    for child in order[1:]:
        parent = skeleton.parents[child]
        drawn = w * (unit[:, child] * out[:, parent]).sum(-1)[:, None] * unit[:, child]
        out[:, child] = np.einsum("tij,tj->ti", inverse[:, child], right[:, child] + drawn)
    return out
