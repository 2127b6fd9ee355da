"""Rotations as unit quaternions (w, x, y, z) and as matrices for column vectors, in arrays of any shape."""

import numpy as np
from jaxtyping import Bool, Float

from prml.errors import PrmlError

Array = np.ndarray
IDENTITY = (1.0, 0.0, 0.0, 0.0)


def unit(vectors: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
    """Return vectors of length 1, NaN where the length is zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(length > 1e-9, vectors / length, np.nan))


def frame(primary: Float[Array, "*#n 3"], secondary: Float[Array, "*#n 3"]) -> Float[Array, "*m 3 3"]:
    """Return right-handed frames: the first column along ``primary``, the second as near to ``secondary`` as it gets.

    NaN where the two are parallel or one is zero.
    """
    first = unit(primary)
    second = unit(secondary - (secondary * first).sum(-1, keepdims=True) * first)
    return np.stack([first, second, np.cross(first, second)], -1)


def turn_between(
    rest: tuple[Float[Array, "3"], Float[Array, "3"]], now: tuple[Float[Array, "*n 3"], Float[Array, "*n 3"]]
) -> Float[Array, "*n 3 3"]:
    """Return the rotations that take two directions to two others: the first exactly, the second as near as it gets."""
    return np.asarray(frame(*now) @ frame(*rest).T)


def swing(start: Float[Array, "*#n 3"], end: Float[Array, "*#n 3"]) -> Float[Array, "*m 3 3"]:
    """Return the shortest rotations from one unit direction to another, without twist; NaN between opposite ones."""
    axis, cosine = np.cross(start, end), (start * end).sum(-1)[..., None, None]
    K = _cross_matrix(axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        turn = np.eye(3) + K + K @ K / (1 + cosine)
    return np.asarray(np.where(1 + cosine > 1e-9, turn, np.nan))


def _cross_matrix(v: Float[Array, "*n 3"]) -> Float[Array, "*n 3 3"]:
    K = np.zeros((*v.shape[:-1], 3, 3))
    K[..., 0, 1], K[..., 0, 2], K[..., 1, 2] = -v[..., 2], v[..., 1], -v[..., 0]
    return K - np.swapaxes(K, -1, -2)


def about(axis: Float[Array, "*#n 3"], radians: Float[Array, "*#n"]) -> Float[Array, "*m 3 3"]:
    """Return rotations about unit axes, counter-clockwise as seen from the tip of the axis."""
    K = _cross_matrix(axis)
    angle = np.asarray(radians)[..., None, None]
    return np.asarray(np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * (K @ K))


def to_quaternion(R: Float[Array, "*n 3 3"]) -> Float[Array, "*n 4"]:
    """Return the quaternions of rotation matrices, w x y z with w >= 0."""
    m = R.reshape(-1, 3, 3)
    xx, yy, zz = m[:, 0, 0], m[:, 1, 1], m[:, 2, 2]
    # four formulas, each exact where its own component is large
    squares = np.stack([1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz], -1)
    wx, wy, wz = m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]
    xy, xz, yz = m[:, 0, 1] + m[:, 1, 0], m[:, 0, 2] + m[:, 2, 0], m[:, 1, 2] + m[:, 2, 1]
    w2, x2, y2, z2 = squares.T
    rows = np.stack([w2, wx, wy, wz, wx, x2, xy, xz, wy, xy, y2, yz, wz, xz, yz, z2], -1).reshape(-1, 4, 4)
    q = np.take_along_axis(rows, np.nan_to_num(squares).argmax(-1)[:, None, None], 1)[:, 0]
    q = unit(q)
    return np.asarray(np.where(q[:, :1] < 0, -q, q).reshape(*R.shape[:-2], 4))


def to_matrix(q: Float[Array, "*n 4"]) -> Float[Array, "*n 3 3"]:
    """Return the rotation matrices of unit quaternions."""
    w, x, y, z = np.moveaxis(np.asarray(q), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def continuous(q: Float[Array, "T *n 4"]) -> Float[Array, "T *n 4"]:
    """Return the same rotations without jumps of sign: q and -q are one rotation; the first stays as it is."""
    turned = (q[1:] * q[:-1]).sum(-1) < 0
    signs = np.where(np.cumsum(turned, axis=0) % 2, -1.0, 1.0)
    return np.concatenate([q[:1], q[1:] * signs[..., None]])


def filled(q: Float[Array, "T 4"], known: Bool[Array, " T"], times_s: Float[Array, " T"]) -> Float[Array, "T 4"]:
    """Fill unknown frames between their known neighbours, hold the outer ones; the identity if nothing is known."""
    if known.all():
        return q
    if not known.any():
        return np.tile(IDENTITY, (len(q), 1))
    given = continuous(q[known])
    return unit(np.stack([np.interp(times_s, times_s[known], given[:, k]) for k in range(4)], -1))


def euler_degrees(R: Float[Array, "T *n 3 3"], order: str) -> Float[Array, "T *n 3"]:
    """Return angles a, b, c such that R = R_i(a) R_j(b) R_k(c) for the axes ``order``, such as "ZXY", in degrees.

    Every rotation has two triples of angles, and each angle any number of turns: the triple nearest to that of the
    frame before is taken, so curves have no jumps.

    Raises:
        PrmlError: the order is not one of three different axes.
    """
    if sorted(order) != ["X", "Y", "Z"]:
        raise PrmlError(f"expected three different axes such as 'ZXY', got {order!r}")
    i, j, k = ("XYZ".index(axis) for axis in order)
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    b = np.arcsin(np.clip(sign * R[..., i, k], -1, 1))
    a = np.arctan2(-sign * R[..., j, k], R[..., k, k])
    left = np.swapaxes(about(np.eye(3)[i], a) @ about(np.eye(3)[j], b), -1, -2) @ R  # right even where cos b is zero
    c = np.arctan2(left[..., (k + 2) % 3, (k + 1) % 3], left[..., (k + 1) % 3, (k + 1) % 3])
    one = np.stack([a, b, c], -1)
    other = np.stack([a + np.pi, np.pi - b, c + np.pi], -1)
    out, turn = one.copy(), 2 * np.pi
    for t in range(1, len(out)):
        last = out[t - 1]
        near = [angles + turn * np.round((last - angles) / turn) for angles in (one[t], other[t])]
        far = np.abs(near[0] - last).sum(-1) > np.abs(near[1] - last).sum(-1)
        out[t] = np.where(far[..., None], near[1], near[0])
    return np.asarray(np.degrees(out))
