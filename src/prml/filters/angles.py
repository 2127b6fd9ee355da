"""Bend angles of the large joints and their standard deviations."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.skeleton import Skeleton
from prml.spans import blocks

Array = np.ndarray
# Quadrature over two independent normal variables: evenly spaced directions, and a Gauss rule for the radius (which
# has a Rayleigh distribution), exact up to degree 3.
_DIRECTIONS = 8
_RADII = ((0.773065781670, 0.650464158896), (2.147026043165, 0.349535841104))  # radius, weight
_BLOCK = 2048  # frames per block when the spread is computed
_STRAIGHT = 1e-6  # sine of a bend below which the plane of the two limbs is arbitrary


@dataclass(frozen=True)
class Bend:
    """The angle between two body segments: 0 for a straight limb, or for an arm that hangs along the trunk.

    That of the ankle is between shin and sole: 90 degrees in a flat stance, 0 for a foot stretched out along the shin.

    Attributes:
        name: "Shoulder", "Elbow", "Hip", "Knee" or "Ankle".
        side: "left" or "right".
        first: the joints at the start and end of the first segment.
        second: those of the second segment.
    """

    name: str
    side: str
    first: tuple[str, str]
    second: tuple[str, str]

    @property
    def joints(self) -> tuple[str, str, str, str]:
        """All four joints; a shared joint appears twice."""
        return (*self.first, *self.second)


def _bends(side: str) -> tuple[Bend, ...]:
    shoulder, elbow, wrist, hip, knee, ankle, heel, toe = (
        side[0].upper() + name for name in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Heel", "Toe")
    )
    trunk = ("Thorax", "Hip")
    return (
        Bend("Shoulder", side, trunk, (shoulder, elbow)),
        Bend("Elbow", side, (shoulder, elbow), (elbow, wrist)),
        Bend("Hip", side, trunk, (hip, knee)),
        Bend("Knee", side, (hip, knee), (knee, ankle)),
        Bend("Ankle", side, (knee, ankle), (heel, toe)),
    )


@cache
def bends_of(skeleton: Skeleton) -> tuple[Bend, ...]:
    """The bends that a joint set supports, left and right alternating."""
    pairs = zip(_bends("left"), _bends("right"), strict=True)
    return tuple(b for pair in pairs for b in pair if set(b.joints) <= set(skeleton.joints))


@dataclass(frozen=True)
class BendAngles:
    """Bends of a sequence.

    Attributes:
        bends: one per column.
        degrees: (T, A) 0 to 180; NaN where there is no pose.
        std_deg: (T, A) one standard deviation; None if the sequence has no ``std_m``.
    """

    bends: tuple[Bend, ...]
    degrees: Float[Array, "T A"]
    std_deg: Float[Array, "T A"] | None

    @classmethod
    def of(cls, sequence: PoseSequence) -> "BendAngles":
        """Bends of a sequence with ``joints_m``, and their standard deviations from its ``std_m``.

        Joint errors are taken as independent and propagated to first order to the deflection of one segment against
        the other, within their plane and out of it. The effect on the angle is then integrated by a quadrature of 16
        nodes. For a clearly bent limb this equals first-order propagation of the angle itself. Near a straight limb
        the angle has a kink (it is never negative), and first order alone would be off by up to half.

        Raises:
            PrmlError: no 3D joints.
        """
        joints, std = sequence.joints_m, sequence.std_m
        if joints is None:
            raise PrmlError("angles need 3D joints, got a sequence with 2D keypoints only; lift it first")
        bends = bends_of(sequence.skeleton)
        at = np.array([[sequence.skeleton.index(j) for j in b.joints] for b in bends], int).reshape(-1, 4)
        if sequence.frame == "world" and std is not None and sequence.camera is not None:
            joints = joints @ sequence.camera.R_world_to_camera.T  # std_m is along the camera's axes
        degrees = np.full((len(sequence), len(bends)), np.nan)
        spread = None if std is None else degrees.copy()
        for block, _, _ in blocks(len(sequence), _BLOCK):
            limbs = _Limbs.of(joints[block], at)
            degrees[block] = np.degrees(limbs.angle)
            if spread is not None and std is not None:
                spread[block] = np.degrees(limbs.spread(std[block][:, at], at))
        return cls(bends, degrees, spread)


@dataclass(frozen=True)
class _Limbs:
    """Pairs of segments: unit directions (T, A, 3), lengths in metres and the angle between them (T, A)."""

    first: Float[Array, "T A 3"]
    second: Float[Array, "T A 3"]
    lengths: tuple[Float[Array, "T A"], Float[Array, "T A"]]
    angle: Float[Array, "T A"]

    @classmethod
    def of(cls, joints_m: Float[Array, "T J 3"], at: Array) -> "_Limbs":
        """Segments between joints; ``at`` (A, 4) holds the start and end joint of both."""
        u, v = (joints_m[:, at[:, k + 1]] - joints_m[:, at[:, k]] for k in (0, 2))
        long_u, long_v = np.linalg.norm(u, axis=-1), np.linalg.norm(v, axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):  # coinciding joints have no direction: NaN
            u, v = u / long_u[..., None], v / long_v[..., None]
        cosine = np.clip((u * v).sum(-1), -1, 1)
        return cls(u, v, (long_u, long_v), np.arccos(cosine))

    def spread(self, std_m: Float[Array, "T A 4 3"], at: Array) -> Float[Array, "T A"]:
        """Standard deviation of the angle in radians; see :meth:`BendAngles.of`."""
        within, across = self._gradients(at)
        variance = std_m.astype(np.float64) ** 2
        a, b, c = ((g * h * variance).sum((-1, -2)) for g, h in ((within, within), (within, across), (across, across)))
        root_a = np.sqrt(a)
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = np.where(a > 0, b / root_a, 0.0)
        rest = np.sqrt(np.maximum(c - slope**2, 0))
        x, y, weights = _nodes()
        turned = self.angle[..., None] + x * root_a[..., None]
        angle = np.arctan2(np.hypot(np.sin(turned), x * slope[..., None] + y * rest[..., None]), np.cos(turned))
        return np.asarray(np.sqrt(np.maximum(angle**2 @ weights - (angle @ weights) ** 2, 0)))

    def _gradients(self, at: Array) -> tuple[Float[Array, "T A 4 3"], Float[Array, "T A 4 3"]]:
        """Derivatives of the deflections, within and across the limbs' plane, by each of the four joints."""
        u, v, cosine = self.first, self.second, np.cos(self.angle)[..., None]
        inward = v - cosine * u
        size = np.linalg.norm(inward, axis=-1, keepdims=True)
        aside = np.cross(u, np.eye(3)[np.argmin(np.nan_to_num(np.abs(u)), axis=-1)])
        straight = size < _STRAIGHT
        inward = np.where(straight, aside, inward)
        inward = inward / np.linalg.norm(inward, axis=-1, keepdims=True)
        across, onward = np.cross(u, inward), cosine * inward - np.sin(self.angle)[..., None] * u
        long_u, long_v = (length[..., None] for length in self.lengths)
        return _per_joint(-inward / long_u, onward / long_v, at), _per_joint(
            -cosine * across / long_u, across / long_v, at
        )


@cache
def _nodes() -> tuple[Float[Array, " n"], Float[Array, " n"], Float[Array, " n"]]:
    """Nodes (x, y) and weights of the quadrature."""
    turn = (np.arange(_DIRECTIONS) + 0.5) * 2 * np.pi / _DIRECTIONS
    radius, weight = np.array(_RADII).T
    x, y = ((radius[:, None] * f(turn)).ravel() for f in (np.cos, np.sin))
    return x, y, np.repeat(weight / _DIRECTIONS, _DIRECTIONS)


def _per_joint(first: Float[Array, "T A 3"], second: Float[Array, "T A 3"], at: Array) -> Float[Array, "T A 4 3"]:
    """Gradients by joint from gradients by segment; a shared joint gets the sum, once."""
    gradients = np.stack([-first, first, -second, second], axis=-2)
    shared = at[:, 1] == at[:, 2]
    gradients[:, shared, 1] += gradients[:, shared, 2]
    gradients[:, shared, 2] = 0
    return gradients
