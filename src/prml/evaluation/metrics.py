"""Errors of 3D poses, as functions of tensors.

Positions are in metres and errors in millimetres, one value per frame: ``mpjpe(p, g).mean()`` is the mean over all
frames and ``mpjpe(p, g)[rows].mean()`` over some of them, so the protocol decides what is averaged. Everything is
computed in float64 on the device of the input. Nothing is made root-relative: subtracting the root is also a rule of
the protocol.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from prml.errors import PrmlError
from prml.skeleton import H36M17, Skeleton

MM = 1000.0
"""Millimetres in a metre."""

AUC_THRESHOLDS_MM: tuple[float, ...] = tuple(float(t) for t in range(0, 151, 5))
"""The official MPI-INF-3DHP script's 31 thresholds. No error is below 0 mm, so AUC stays below 30/31 = 96.8 %."""

PCK_THRESHOLD_MM = 150.0
"""The PCK threshold of MPI-INF-3DHP."""

_TINY = 1e-24  # m^2: below it a pose is a point, and no scale or rotation is defined


def _pair(prediction: Tensor, target: Tensor, channels: int = 3) -> tuple[Tensor, Tensor]:
    """Convert both to float64, after checking that they can be compared."""
    if prediction.shape != target.shape or prediction.ndim < 2 or prediction.shape[-1] != channels:
        raise PrmlError(
            f"a metric compares two arrays (..., joints, {channels}) of equal shape, got {tuple(prediction.shape)} "
            f"and {tuple(target.shape)}"
        )
    return prediction.double(), target.double()


def _length(vectors: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vectors, dim=-1)
    return length


def joint_errors(
    prediction: Float[Tensor, "*batch joints 3"], target: Float[Tensor, "*batch joints 3"]
) -> Float[Tensor, "*batch joints"]:
    """Return the Euclidean distance of each joint from its target, in mm; inputs are in metres in a common frame."""
    p, g = _pair(prediction, target)
    return _length(p - g) * MM


def mpjpe(
    prediction: Float[Tensor, "*batch joints 3"], target: Float[Tensor, "*batch joints 3"]
) -> Float[Tensor, "*batch"]:
    """Return the mean per joint position error of each frame, in mm; inputs are in metres in a common frame."""
    return joint_errors(prediction, target).mean(-1)


def axis_errors(
    prediction: Float[Tensor, "*batch joints 3"], target: Float[Tensor, "*batch joints 3"]
) -> Float[Tensor, "*batch 3"]:
    """Return the mean absolute error along x, y and z of each frame, in mm (the paper's Figure 3)."""
    p, g = _pair(prediction, target)
    return (p - g).abs().mean(-2) * MM


def n_mpjpe(
    prediction: Float[Tensor, "*batch joints 3"], target: Float[Tensor, "*batch joints 3"]
) -> Float[Tensor, "*batch"]:
    """Return MPJPE after scaling each frame by ``<g, p> / <p, p>``, the least-squares scale, in mm."""
    p, g = _pair(prediction, target)
    norm = (p * p).sum((-2, -1), keepdim=True)
    scale = (p * g).sum((-2, -1), keepdim=True) / norm.clamp_min(_TINY)
    return mpjpe(scale * p, g)


def procrustes(
    prediction: Float[Tensor, "*batch joints 3"], target: Float[Tensor, "*batch joints 3"]
) -> Float[Tensor, "*batch joints 3"]:
    """Align the prediction of each frame by the least-squares similarity (scale, rotation, translation).

    Reflections are excluded (Umeyama 1991): a mirrored pose stays wrong. A prediction without extent (all joints at one
    point) is moved to the target's centroid. Returns aligned positions in metres, float64.
    """
    p, g = _pair(prediction, target)
    mean_p, mean_g = p.mean(-2, keepdim=True), g.mean(-2, keepdim=True)
    p0, g0 = p - mean_p, g - mean_g
    U, s, Vh = torch.linalg.svd(p0.transpose(-1, -2) @ g0)
    sign = torch.ones_like(s)
    sign[..., -1] = torch.linalg.det(U @ Vh).sign()  # undo a reflection along the axis where it costs least
    R = (U * sign[..., None, :]) @ Vh
    scale = (s * sign).sum(-1) / (p0 * p0).sum((-2, -1)).clamp_min(_TINY)
    aligned: Tensor = scale[..., None, None] * (p0 @ R) + mean_g
    return aligned


def p_mpjpe(
    prediction: Float[Tensor, "*batch joints 3"], target: Float[Tensor, "*batch joints 3"]
) -> Float[Tensor, "*batch"]:
    """Return MPJPE of each frame after :func:`procrustes`, in mm.

    The alignment minimises the squared error, so it never increases the root mean square error; the mean distance may
    increase slightly in a frame with a few joints far off.
    """
    return mpjpe(procrustes(prediction, target), target)


def _difference_error(prediction: Tensor, target: Tensor, order: int) -> Tensor:
    p, g = _pair(prediction, target)
    if p.ndim < 3:
        raise PrmlError(f"a motion metric needs (..., frames, joints, 3), got {tuple(p.shape)}")
    return _length(torch.diff(p - g, n=order, dim=-3)).mean(-1) * MM


def velocity_error(
    prediction: Float[Tensor, "*batch frames joints 3"], target: Float[Tensor, "*batch frames joints 3"]
) -> Float[Tensor, "*batch steps"]:
    """Return the error of the frame-to-frame motion, averaged over joints, in mm per frame; one value per step."""
    return _difference_error(prediction, target, 1)


def acceleration_error(
    prediction: Float[Tensor, "*batch frames joints 3"], target: Float[Tensor, "*batch frames joints 3"]
) -> Float[Tensor, "*batch steps"]:
    """Return the error of the second difference, averaged over joints, in mm per frame squared, for T - 2 frames."""
    return _difference_error(prediction, target, 2)


def pck(errors_mm: Float[Tensor, "*batch joints"], threshold_mm: float = PCK_THRESHOLD_MM) -> Float[Tensor, "*batch"]:
    """Return the percentage of joints of each frame with an error strictly below the threshold.

    The official MPI-INF-3DHP script counts 14 joints: pass only their errors.
    """
    return (errors_mm < threshold_mm).double().mean(-1) * 100.0


def auc(
    errors_mm: Float[Tensor, "*batch joints"], thresholds_mm: Sequence[float] = AUC_THRESHOLDS_MM
) -> Float[Tensor, "*batch"]:
    """Return the mean of :func:`pck` of each frame over the official MPI-INF-3DHP script's thresholds, in per cent."""
    return torch.stack([pck(errors_mm, t) for t in thresholds_mm]).mean(0)


def pckh(
    prediction_px: Float[Tensor, "*batch joints 2"],
    target_px: Float[Tensor, "*batch joints 2"],
    share: float = 0.5,
    skeleton: Skeleton = H36M17,
) -> Float[Tensor, "*batch"]:
    """Return the percentage of joints of each frame within ``share`` head lengths of the target (PCKh@0.5).

    The head length is the image distance between the target's Thorax and Head in that frame. MPII uses 0.6 times the
    diagonal of a hand-drawn head box, which Human3.6M does not have; the paper (Table 16) does not say what it uses.
    """
    p, g = _pair(prediction_px, target_px, channels=2)
    head = _length(g[..., skeleton.index("Head"), :] - g[..., skeleton.index("Thorax"), :])
    return (_length(p - g) <= share * head[..., None]).double().mean(-1) * 100.0


def bone_lengths(
    joints_m: Float[Tensor, "*batch joints 3"], skeleton: Skeleton = H36M17
) -> Float[Tensor, "*batch bones"]:
    """Return the length of every bone (in the order of ``skeleton.bones``), in mm."""
    if joints_m.shape[-2:] != (len(skeleton), 3):
        raise PrmlError(f"expected (..., {len(skeleton)}, 3) joints of {skeleton.name}, got {tuple(joints_m.shape)}")
    parents, children = (list(ends) for ends in zip(*skeleton.bones, strict=True))
    joints = joints_m.double()
    return _length(joints[..., children, :] - joints[..., parents, :]) * MM


def bone_length_error(
    prediction: Float[Tensor, "*batch joints 3"],
    target: Float[Tensor, "*batch joints 3"],
    skeleton: Skeleton = H36M17,
) -> Float[Tensor, "*batch"]:
    """Return the mean absolute difference of bone lengths of each frame, in mm."""
    p, g = _pair(prediction, target)
    return (bone_lengths(p, skeleton) - bone_lengths(g, skeleton)).abs().mean(-1)


def bone_length_variation(
    prediction: Float[Tensor, "*batch frames joints 3"], skeleton: Skeleton = H36M17
) -> Float[Tensor, "*batch"]:
    """Return the standard deviation of bone lengths over time, averaged over bones, in mm; 0 for a rigid skeleton."""
    return bone_lengths(prediction, skeleton).std(-2, correction=0).mean(-1)


def reprojection_error(
    projected_px: Float[Tensor, "*batch joints 2"], keypoints_px: Float[Tensor, "*batch joints 2"]
) -> Float[Tensor, "*batch"]:
    """Return the mean distance between projected joints and 2D keypoints of each frame, in pixels.

    Joints that are NaN on either side are ignored; a frame without a visible joint is NaN.
    """
    p, g = _pair(projected_px, keypoints_px, channels=2)
    return _length(p - g).nanmean(-1)


def bends_deg(joints_m: Float[Tensor, "*batch joints 3"], limb: tuple[str, str, str]) -> Float[Tensor, "*batch 2"]:
    """How far a limb is bent at its middle joint, left and right, in degrees: 0 when stretched, as anatomists count.

    Args:
        joints_m: the joints of H36M17 first.
        limb: names of its joints without the side, such as ``("Hip", "Knee", "Ankle")``.
    """
    sides = []
    for side in "LR":
        start, middle, end = (joints_m[..., H36M17.index(side + name), :].double() for name in limb)
        upper, lower = middle - start, end - middle
        across = torch.linalg.cross(upper, lower, dim=-1)
        sides.append(torch.rad2deg(torch.atan2(_length(across), (upper * lower).sum(-1))))
    return torch.stack(sides, -1)


def bend_error(
    prediction: Float[Tensor, "*batch joints 3"], target: Float[Tensor, "*batch joints 3"], limb: tuple[str, str, str]
) -> Float[Tensor, "*batch"]:
    """Mean absolute error of :func:`bends_deg` over both sides, in degrees."""
    _pair(prediction, target)
    return (bends_deg(prediction, limb) - bends_deg(target, limb)).abs().mean(-1)


def bend_bias(
    prediction: Float[Tensor, "*batch joints 3"],
    target: Float[Tensor, "*batch joints 3"],
    limb: tuple[str, str, str],
    between_deg: tuple[float, float],
) -> Float[Tensor, "*batch"]:
    """Return predicted minus true bend, averaged over sides with a true bend in the range; NaN if there is none."""
    _pair(prediction, target)
    true = bends_deg(target, limb)
    inside = (true >= between_deg[0]) & (true <= between_deg[1])
    error = torch.where(inside, bends_deg(prediction, limb) - true, torch.nan)
    return error.nanmean(-1)
