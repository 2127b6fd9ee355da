"""Joint angles as the International Society of Biomechanics defines them, as far as 17 or 28 joints allow.

Wu et al. 2002 and 2005 (J. Biomech. 35, 543-548; 38, 981-992) define segments by bony landmarks that no network gives.
Here axes follow from joint centres: Y of a segment runs along it, Z of pelvis and thorax through both hips and both
shoulders, Z of thigh, shin and upper arm across the plane in which knee or elbow bends. Angles are those of Grood and
Suntay's joint coordinate system (the shoulder's: plane of elevation, elevation, axial rotation), in degrees.

Flexion, abduction and internal rotation are positive on both sides; 0 is a body that stands upright with hanging arms.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.skeleton import Skeleton
from prml.spans import blocks

Array = np.ndarray
Points = Mapping[str, Array]
_MIN_BEND_DEG = 15.0  # of a knee or elbow, below which its bend plane says nothing of the limb's rotation
_STEP_M = 1e-4
_BLOCK = 64  # frames whose deviations are computed together

# What the joints do not tell, whatever the pose
UNOBSERVABLE: Mapping[str, str] = {
    "pelvis_tilt": "needs the iliac spines; the pelvis is taken to point along the lower trunk",
    "knee_abduction": "needs the width of the knee; the bend plane is taken for the knee's own",
    "knee_rotation": "needs the width of knee and ankle",
    "ankle_inversion": "needs the width of the foot",
    "elbow_carrying_angle": "needs the width of the elbow",
    "scapula": "has no joints",
}


def _unit(vectors: Float[Array, "T 3"]) -> Float[Array, "T 3"]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _axes_yz(y: Float[Array, "T 3"], z: Float[Array, "T 3"]) -> Float[Array, "T 3 3"]:
    """Axes as columns: Y exactly, Z as near as possible, X to the front."""
    y = _unit(y)
    x = _unit(np.cross(y, z))
    return np.stack([x, y, np.cross(x, y)], -1)


def _axes_zx(z: Float[Array, "T 3"], x: Float[Array, "T 3"]) -> Float[Array, "T 3 3"]:
    z = _unit(z)
    y = _unit(np.cross(z, x))
    return np.stack([np.cross(y, z), y, z], -1)


def _relative(base: Float[Array, "T 3 3"], moved: Float[Array, "T 3 3"]) -> Float[Array, "T 3 3"]:
    return np.asarray(np.swapaxes(base, -1, -2) @ moved)


def _zxy(turn: Float[Array, "T 3 3"]) -> tuple[Array, Array, Array]:
    """Angles in degrees about Z, the floating X and the moved Y."""
    first = np.arctan2(-turn[:, 0, 1], turn[:, 1, 1])
    second = np.arcsin(np.clip(turn[:, 2, 1], -1, 1))
    third = np.arctan2(-turn[:, 2, 0], turn[:, 2, 2])
    return np.degrees(first), np.degrees(second), np.degrees(third)


def _bend(first: Float[Array, "T 3"], second: Float[Array, "T 3"]) -> Float[Array, " T"]:
    """Angle between two segments in degrees: 0 for a straight limb."""
    return np.asarray(np.degrees(np.arccos(np.clip((_unit(first) * _unit(second)).sum(-1), -1, 1))))


def _pelvis(p: Points) -> Float[Array, "T 3 3"]:
    return _axes_zx(p["RHip"] - p["LHip"], np.cross(p["Spine"] - p["Hip"], p["RHip"] - p["LHip"]))


def _thorax(p: Points) -> Float[Array, "T 3 3"]:
    return _axes_yz(p["Thorax"] - p["Spine"], p["RShoulder"] - p["LShoulder"])


def _right_leg(p: Points) -> dict[str, Array]:
    thigh, shin = p["RHip"] - p["RKnee"], p["RKnee"] - p["RAnkle"]
    knee = _bend(thigh, shin)
    pelvis = _pelvis(p)
    along = np.einsum("tij,ti->tj", pelvis, _unit(thigh))  # the thigh's Y in the pelvis' axes
    flexion = np.degrees(np.arctan2(along[:, 0], along[:, 1])) * -1
    abduction = -np.degrees(np.arcsin(np.clip(along[:, 2], -1, 1)))  # the knee to the right of the hip
    across = np.cross(shin, thigh)  # to the right where the shin is bent back
    turn = _zxy(_relative(pelvis, _axes_yz(thigh, across)))[2]
    turn = np.where(knee < _MIN_BEND_DEG, np.nan, turn)
    found = {"hip_flexion": flexion, "hip_abduction": abduction, "hip_rotation": turn, "knee_flexion": knee}
    if "RHeel" in p:
        found["ankle_dorsiflexion"] = _dorsiflexion(p, shin)
    return found


def _dorsiflexion(p: Points, shin: Float[Array, "T 3"]) -> Float[Array, " T"]:
    """0 where the sole is square to the shin, positive with the toes up."""
    return np.asarray(90 - _bend(p["RToe"] - p["RHeel"], shin))


def _right_arm(p: Points) -> dict[str, Array]:
    upper, fore = p["RShoulder"] - p["RElbow"], p["RElbow"] - p["RWrist"]
    elbow = _bend(upper, fore)
    thorax = _thorax(p)
    along = np.einsum("tij,ti->tj", thorax, _unit(upper))
    elevation = np.degrees(np.arccos(np.clip(along[:, 1], -1, 1)))
    plane = np.degrees(np.arctan2(-along[:, 0], -along[:, 2]))  # 0: to the side, 90: forward
    found = {"shoulder_elevation": elevation, "shoulder_plane": np.where(elevation < 5, np.nan, plane)}
    across = np.cross(upper, fore)
    arm = _relative(thorax, _axes_yz(upper, across))
    turn = np.degrees(np.arctan2(arm[:, 0, 2] - arm[:, 2, 0], arm[:, 0, 0] + arm[:, 2, 2]))
    found["shoulder_rotation"] = np.where(elbow < _MIN_BEND_DEG, np.nan, turn)
    found["elbow_flexion"] = elbow
    if "RHand" in p:
        found |= _right_hand(p, upper, fore, elbow)
    return found


def _right_hand(p: Points, upper: Array, fore: Array, elbow: Array) -> dict[str, Array]:
    hand, thumb = p["RWrist"] - p["RHand"], p["RThumb"] - p["RWrist"]
    y = _unit(fore)
    radial = _unit(thumb - (thumb * y).sum(-1, keepdims=True) * y)  # to the thumb, square to the forearm
    palm = np.cross(y, radial)
    direction = -_unit(hand)
    flexion = np.degrees(np.arctan2((direction * palm).sum(-1), -(direction * y).sum(-1)))
    deviation = np.degrees(np.arcsin(np.clip((direction * radial).sum(-1), -1, 1)))
    axis = _unit(np.cross(upper, fore))
    neutral = np.cross(y, axis)  # the thumb up where the forearm is level
    turn = np.degrees(np.arctan2((radial * axis).sum(-1), (radial * neutral).sum(-1)))
    return {
        "forearm_pronation": np.where(elbow < _MIN_BEND_DEG, np.nan, -turn),
        "wrist_flexion": flexion,
        "wrist_radial_deviation": deviation,
    }


def _middle(p: Points) -> dict[str, Array]:
    flexion, bend, turn = _zxy(_relative(_pelvis(p), _thorax(p)))
    found = {"trunk_flexion": -flexion, "trunk_bend_right": bend, "trunk_rotation_left": turn}
    if "NoseTip" in p:
        ears = (p["LEar"] + p["REar"]) / 2
        head = _axes_zx(p["REar"] - p["LEar"], p["NoseTip"] - ears)
        flexion, bend, turn = _zxy(_relative(_thorax(p), head))
        found |= {"neck_flexion": -flexion, "neck_bend_right": bend, "neck_rotation_left": turn}
    return found


def _angles(joints_m: Float[Array, "T J 3"], skeleton: Skeleton) -> dict[str, Array]:
    """All angles; the left side is the right side of the mirror image."""
    points = {name: joints_m[:, k] for k, name in enumerate(skeleton.joints)}
    mirrored = joints_m[:, list(skeleton.mirror)] * np.array([-1.0, 1.0, 1.0])
    other = {name: mirrored[:, k] for k, name in enumerate(skeleton.joints)}
    found = _middle(points)
    limbs: tuple[Callable[[Points], dict[str, Array]], ...] = (_right_leg, _right_arm)
    for limb in limbs:
        right, left = limb(points), limb(other)
        for name in right:
            found |= {f"{name}_left": left[name], f"{name}_right": right[name]}
    return found


@dataclass(frozen=True)
class JointAngles:
    """Angles of a sequence.

    Attributes:
        names: one per column, such as "hip_flexion_left".
        degrees: (T, A) -180 to 180; NaN in gaps and where the pose does not tell.
        std_deg: (T, A) one standard deviation; None if the sequence has no ``std_m``.
    """

    names: tuple[str, ...]
    degrees: Float[Array, "T A"]
    std_deg: Float[Array, "T A"] | None

    @classmethod
    def of(cls, sequence: PoseSequence, deviations: bool = True) -> "JointAngles":
        """Angles of a sequence on H36M17 or BODY28, and their deviations to first order from ``std_m``.

        Joint errors are taken as independent of each other.

        Args:
            sequence: with 3D joints in any frame.
            deviations: whether to compute deviations, which costs two evaluations per joint and axis.

        Raises:
            PrmlError: no 3D joints, or joints of another skeleton.
        """
        joints = sequence.joints_m
        if joints is None:
            raise PrmlError("angles need 3D joints, got a sequence with 2D keypoints only; lift it first")
        needed = {"Hip", "RHip", "LHip", "Spine", "Thorax", "RShoulder", "RElbow", "RWrist", "RKnee", "RAnkle"}
        if not needed <= set(sequence.skeleton.joints):
            raise PrmlError(
                f"angles need joints of h36m17 or body28, got {sequence.skeleton.name}; convert the sequence"
            )
        points = np.asarray(joints, np.float64)
        turned = sequence.frame == "world" and sequence.camera is not None
        if turned and sequence.camera is not None:
            points = points @ np.asarray(sequence.camera.R_world_to_camera).T  # std_m is along the camera's axes
        with np.errstate(invalid="ignore"):
            found = _angles(points, sequence.skeleton)
            degrees = np.stack(list(found.values()), 1)
            spread = None
            if sequence.std_m is not None and deviations:
                spread = _spread(points, np.asarray(sequence.std_m, np.float64), sequence.skeleton)
        return cls(tuple(found), degrees, spread)

    def column(self, name: str) -> Float[Array, " T"]:
        """One angle over time; raises PrmlError with the known names."""
        if name not in self.names:
            raise PrmlError(f"no angle {name!r}; there are {', '.join(self.names)}")
        return self.degrees[:, self.names.index(name)]


def pelvis_turn(sequence: PoseSequence) -> tuple[Float[Array, " T"], Float[Array, " T"], Float[Array, " T"]]:
    """Return tilt, list and rotation of the pelvis in degrees, for joints in the world: about Z, the floating X, Y.

    As OpenSim's models have them, in a world with X to the front, Y up and Z to the right: forward tilt is negative.

    Raises:
        PrmlError: no 3D joints, or they are not in the world frame.
    """
    if sequence.joints_m is None or sequence.frame != "world":
        raise PrmlError("the turn of the pelvis needs joints in the world frame; prml.lift(...).motion has them")
    points = np.asarray(sequence.joints_m, np.float64)
    upright = np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)
    with np.errstate(invalid="ignore"):
        return _zxy(_pelvis({name: upright[:, k] for k, name in enumerate(sequence.skeleton.joints)}))


def _spread(joints_m: Array, std_m: Array, skeleton: Skeleton) -> Float[Array, "T A"]:
    """Deviations to first order: central differences by every coordinate of every joint, some frames at a time."""
    count = 3 * len(skeleton)
    steps = (_STEP_M * np.eye(count)).reshape(count, 1, len(skeleton), 3)
    found = []
    for block, _, _ in blocks(len(joints_m), _BLOCK):
        ends = []
        for sign in (-1.0, 1.0):
            moved = (joints_m[None, block] + sign * steps).reshape(-1, len(skeleton), 3)
            ends.append(np.stack(list(_angles(moved, skeleton).values()), 1))
        change = ((ends[1] - ends[0] + 180) % 360 - 180).reshape(count, -1, ends[0].shape[1])
        spread = std_m[block].reshape(change.shape[1], count).T[..., None]
        found.append(np.sqrt(((change / (2 * _STEP_M) * spread) ** 2).sum(0)))
    return np.concatenate(found)
