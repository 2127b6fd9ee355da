"""Which way is up: from the camera's stated pose, or from the person: standing feet, and a body balanced over them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from prml.camera import Camera, normalise
from prml.skeleton import Skeleton
from prml.spans import runs

Array = np.ndarray
# Standard deviations, tuned on the validation clips of data/mocap.
BALANCE_STD_RAD = np.radians(3.0)  # of the line from standing feet to the body's centre, averaged over a clip
UPRIGHT_STD_RAD = np.radians(8.0)  # of the trunk where no foot stands
CAMERA_STD_RAD = np.radians(30.0)  # of a camera from level
LEVEL_STD_M = 0.05  # of a standing foot's height over a level floor
LEVEL = np.array([0.0, -1.0, 0.0])  # up in the frame of a camera that is held level
AHEAD_OF_ANKLE_M = 0.07  # the middle of the foot
_CANDIDATES, _ALIKE_RAD, _USUAL_TILT_RAD = 200, np.radians(15), np.radians(40)
_STEPS = 12
_FAR = 2.5
_MAX_TILT_RAD = np.radians(60)  # a camera that is tilted or rolled further is taken for a person who is not upright
# Share of the body's mass of every segment and where along it its centre lies (Winter, 2009, table 4.1); head and trunk
# together.
_SEGMENTS = (
    (0.578, "Hip", "Thorax", 0.66),
    *((0.100, f"{s}Hip", f"{s}Knee", 0.433) for s in "LR"),
    *((0.061, f"{s}Knee", f"{s}Ankle", 0.606) for s in "LR"),
    *((0.028, f"{s}Shoulder", f"{s}Elbow", 0.436) for s in "LR"),
    *((0.022, f"{s}Elbow", f"{s}Wrist", 0.682) for s in "LR"),
)
_STRAIGHT = 0.85  # of the leg's length from hip to ankle, and of trunk against legs as a cosine: an upright frame


@dataclass(frozen=True)
class Gravity:
    """The direction away from the ground.

    Attributes:
        up: (3,) unit vector in the camera's frame.
        std_deg: how far it may be off, one standard deviation in degrees; 0 if it was given.
        source: one of "extrinsics", "given", "person" and "camera" (nothing but the camera's own axes).
        upright_frames: how many frames it was estimated from.
    """

    up: Float[Array, "3"]
    std_deg: float
    source: str
    upright_frames: int = 0


def stated_gravity(camera: Camera | None) -> Gravity | None:
    """The up direction of a camera with extrinsics; None if they are the identity, which stands for unknown ones."""
    if camera is None:
        return None
    turn = np.asarray(camera.R_world_to_camera, np.float64)
    if np.array_equal(turn, np.eye(3)):
        return None
    return Gravity(normalise(turn[:, 2]), 0.0, "extrinsics")


def mean_gravity(found: Sequence[Gravity]) -> Gravity:
    """The mean of several people's directions, weighted by the inverse of their variances."""
    weight = np.array([1 / max(one.std_deg, 0.1) ** 2 for one in found])
    up = normalise((weight[:, None] * np.stack([one.up for one in found])).sum(0))
    known = any(one.source == "person" for one in found)
    return Gravity(
        up,
        float(weight.sum() ** -0.5),
        "person" if known else "camera",
        sum(one.upright_frames for one in found),
    )


def centre_of_mass(joints_m: Float[Array, "T J 3"], skeleton: Skeleton) -> Float[Array, "T 3"]:
    """Centre of mass from the segments' masses (Winter, 2009)."""
    total: Array = np.zeros((len(joints_m), 3))
    for share, start, end, along in _SEGMENTS:
        a, b = joints_m[:, skeleton.index(start)], joints_m[:, skeleton.index(end)]
        total += share * (a + along * (b - a))
    return total


def upright_frames(joints_m: Float[Array, "T J 3"], skeleton: Skeleton) -> Bool[Array, " T"]:
    """Frames with a straight leg and the trunk in line with the legs."""
    at = {name: joints_m[:, skeleton.index(name)] for name in skeleton.joints}
    trunk = normalise(at["Thorax"] - at["Hip"])
    legs = at["Hip"] - (at["LAnkle"] + at["RAnkle"]) / 2
    straight = np.zeros(len(joints_m), bool)
    for side in "LR":
        hip, knee, ankle = (at[side + part] for part in ("Hip", "Knee", "Ankle"))
        whole = np.linalg.norm(knee - hip, axis=-1) + np.linalg.norm(ankle - knee, axis=-1)
        straight |= np.linalg.norm(ankle - hip, axis=-1) > _STRAIGHT * whole
    with np.errstate(invalid="ignore"):
        in_line = (trunk * legs).sum(-1) > _STRAIGHT * np.linalg.norm(legs, axis=-1)
    return np.asarray(straight & in_line)


def estimate_gravity(
    joints_m: Float[Array, "T J 3"],
    feet_m: Float[Array, "T P 3"],
    contacts: Bool[Array, "T P"],
    skeleton: Skeleton,
) -> Gravity:
    """Estimate which way is up from a person in the camera's frame.

    Least squares over what should hold on average: the body's centre is above the feet that stand (upright frames
    only), the places where feet stand are equally high, and cameras are held roughly level. Places on stairs and the
    like lose their weight.

    Args:
        joints_m: (T, J, 3) absolute joints, camera frame; all finite.
        feet_m: (T, P, 3) points of the feet.
        contacts: (T, P) which of them stand.
        skeleton: the joint set.
    """
    axis, axis_std, used = _body_axis(joints_m, feet_m, contacts, skeleton)
    places, weights = _places(feet_m, contacts)
    up = LEVEL if axis is None else axis
    spread = np.full(2, CAMERA_STD_RAD)
    for _ in range(_STEPS):
        tangent = np.linalg.svd(up[None])[2][1:].T  # (3, 2)
        normal, right = np.eye(2) / CAMERA_STD_RAD**2, tangent.T @ LEVEL / CAMERA_STD_RAD**2
        if axis is not None:
            normal += np.eye(2) / axis_std**2
            right += tangent.T @ axis / axis_std**2
        if len(places) > 2:
            height = places @ up
            middle = _weighted_middle(height, weights)
            share = weights / LEVEL_STD_M**2
            share = share / (1 + ((height - middle) / LEVEL_STD_M / _FAR) ** 2)
            centred = places - (share[:, None] * places).sum(0) / share.sum()
            slope = centred @ tangent
            normal += (slope * share[:, None]).T @ slope
            right -= (slope * share[:, None]).T @ (centred @ up)
        step = np.linalg.solve(normal, right)
        up = normalise(up + tangent @ step)
        spread = np.linalg.eigvalsh(np.linalg.inv(normal)) ** 0.5
        if np.abs(step).max() < 1e-6:
            break
    known = axis is not None or len(places) > 2
    return Gravity(up, float(np.degrees(spread.max())), "person" if known else "camera", used)


def _body_axis(joints_m: Array, feet_m: Array, contacts: Array, skeleton: Skeleton) -> tuple[Array | None, float, int]:
    """Mean direction from standing feet to the centre of mass in upright frames; the trunk's where no foot stands.

    Also its deviation and the number of frames. None if nobody is upright, as far as a camera tells that is tilted or
    rolled by at most ``_MAX_TILT_RAD``.
    """
    upright = upright_frames(joints_m, skeleton)
    standing = upright & contacts.any(1)
    if standing.any():
        centre = centre_of_mass(joints_m[standing], skeleton)
        support = _support(feet_m[standing], contacts[standing])
        if np.array_equal(feet_m[:, 0], feet_m[:, 1]):  # ankles, which lie behind the middle of the foot
            support = support + AHEAD_OF_ANKLE_M * _forward(joints_m[standing], skeleton)
        axis, used = _usual_direction(normalise(centre - support))
        if axis is not None:
            return axis, float(BALANCE_STD_RAD), used
    if upright.any():
        trunk = joints_m[upright][:, skeleton.index("Thorax")] - joints_m[upright][:, skeleton.index("Hip")]
        axis, used = _usual_direction(normalise(trunk))
        return axis, float(UPRIGHT_STD_RAD), used
    return None, float(UPRIGHT_STD_RAD), 0


def _support(feet_m: Float[Array, "T P 3"], contacts: Bool[Array, "T P"]) -> Float[Array, "T 3"]:
    """Middle of the points that stand; every frame has one."""
    weight = contacts[..., None]
    return np.asarray((feet_m * weight).sum(1) / weight.sum(1))


def _forward(joints_m: Float[Array, "T J 3"], skeleton: Skeleton) -> Float[Array, "T 3"]:
    """Where a body faces: square to its hips and trunk."""
    left = joints_m[:, skeleton.index("LHip")] - joints_m[:, skeleton.index("RHip")]
    trunk = joints_m[:, skeleton.index("Thorax")] - joints_m[:, skeleton.index("Hip")]
    return normalise(np.cross(left, trunk))


def _usual_direction(axes: Float[Array, "n 3"]) -> tuple[Array | None, int]:
    """Mean of the directions around the most frequent one, and their number.

    Directions count less the further they are from a level camera's: somebody who stands for a while and then lies for
    long is upright while standing.
    """
    few = axes[:: max(1, len(axes) // _CANDIDATES)]
    alike = few @ axes.T > np.cos(_ALIKE_RAD)
    tilt = np.arccos(np.clip(few @ LEVEL, -1, 1))
    best = int((alike.sum(1) * np.exp(-((tilt / _USUAL_TILT_RAD) ** 2))).argmax())
    axis = normalise(axes[alike[best]].mean(0))
    if np.arccos(np.clip(axis @ LEVEL, -1, 1)) > _MAX_TILT_RAD:
        return None, 0
    return axis, int(alike[best].sum())


def _places(feet_m: Array, contacts: Array) -> tuple[Float[Array, "n 3"], Float[Array, " n"]]:
    """Mean position of a foot's point over every contact, and weights that grow little with its length."""
    places, weights = [np.zeros((0, 3))], [np.zeros(0)]
    for column in range(contacts.shape[1]):
        for run in runs(contacts[:, column]):
            places.append(feet_m[run, column].mean(0)[None])
            weights.append(np.array([min(1.0, (run.stop - run.start) / 10)]))
    return np.concatenate(places), np.concatenate(weights)


def _weighted_middle(values: Float[Array, " n"], weights: Float[Array, " n"]) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
