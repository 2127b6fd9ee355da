"""The scene in which a lifted person is drawn: axes, floor, size, colours of the sides.

View frame, shared by the overlay and the viewer: x right, y up, z towards the observer, metres, right-handed.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.skeleton import Skeleton
from prml.view.room import in_room

Array = np.ndarray
Colour = tuple[int, int, int]

# Blue and orange can be told apart with every common colour blindness, on black and on white.
LEFT: Colour = (47, 125, 225)
RIGHT: Colour = (232, 116, 30)
MAX_RADIUS_M = 50.0  # radius of the drawn floor; joints beyond it are errors
ANKLE_HEIGHT_M = 0.08  # of an ankle joint while standing (data/mocap/README.md)
_STEEP = 0.99  # sine of the angle below or above the horizon beyond which a camera's line of sight shows no direction
SOLE_HEIGHT_M = 0.02  # of heels and toes
# lines that are drawn instead of bones: a foot, a hand and a face as what they are, not as spokes of ankle, wrist, neck
_DRAWN = {
    "body28": (
        *((side + "Heel", side + "Toe") for side in "LR"),
        ("NoseTip", "LEar"),
        ("NoseTip", "REar"),
    )
}
_SMALL = ("Heel", "Toe", "Hand", "Thumb", "Ear", "NoseTip")
_NOT_DRAWN = {"body28": {("Nose", "NoseTip"), ("Nose", "LEar"), ("Nose", "REar")}}


@dataclass(frozen=True)
class Stage:
    """The scene that a sequence is drawn in.

    Attributes:
        R_view: (3, 3) rotation from the sequence's frame to the view frame.
        centre_m: (3,) view frame; the point that the observer looks at, half-way between floor and highest joint.
        floor_m: height of the floor, view frame.
        top_m: 98th percentile of the highest joint, view frame.
        radius_m: 98th percentile of the joints' largest distance from the vertical through the centre, at most 50.
        reach_m: the same from the vertical through the pelvis of the frame, which is where a person stands.
    """

    R_view: Float[Array, "3 3"]
    centre_m: Float[Array, "3"]
    floor_m: float
    top_m: float
    radius_m: float
    reach_m: float

    @classmethod
    def of(cls, sequence: PoseSequence, up: Float[Array, "3"] | None = None) -> "Stage":
        """Estimate the stage from the motion.

        The floor is an ankle's (or a sole's) height below the 2nd percentile of the lowest joint, so that single bad
        frames do not move it. In a room (:func:`prml.view.room.in_room`) it is at z = 0, and the whole path is on it.

        Args:
            sequence: with ``joints_m``; frames without a person are NaN.
            up: direction opposite to gravity in the sequence's frame; by default the camera's -y, or the world's z.

        Raises:
            PrmlError: no 3D joints, or ``up`` is not a direction.
        """
        if sequence.joints_m is None:
            raise PrmlError("a view needs 3D joints, got a sequence with 2D keypoints only; lift it first")
        R_view = view_rotation(sequence, up)
        joints = sequence.joints_m[np.isfinite(sequence.joints_m).all((1, 2))] @ R_view.T
        room = in_room(sequence)
        if not len(joints):
            return cls(R_view, np.zeros(3), 0.0 if room else -0.95, 1.7 if room else 0.75, 0.6, 0.6)
        path = joints[:, sequence.skeleton.root]
        root = (np.percentile(path, 1, axis=0) + np.percentile(path, 99, axis=0)) / 2 if room else np.median(path, 0)
        floor = 0.0 if room else _floor_under(joints, sequence.skeleton)
        top = float(np.percentile(joints[..., 1].max(1), 99.5 if room else 98))
        centre = np.array([root[0], (floor + top) / 2, root[2]])
        return cls(R_view, centre, floor, top, _radius(joints - root), _radius(joints - path[:, None]))


def _floor_under(joints_m: Float[Array, "T J 3"], skeleton: Skeleton) -> float:
    return float(np.percentile(joints_m[..., 1].min(1), 2)) - lowest_height_m(skeleton)


def _radius(offsets_m: Float[Array, "T J 3"]) -> float:
    around = np.linalg.norm(offsets_m[..., [0, 2]], axis=-1).max(1)
    return float(np.clip(np.percentile(around, 98), 0.3, MAX_RADIUS_M))


def view_rotation(sequence: PoseSequence, up: Float[Array, "3"] | None = None) -> Float[Array, "3 3"]:
    """Return the rotation to the view frame, with the observer at the camera.

    Joints in the world are seen along +y, but in a room from the side on which its camera stands.
    """
    camera = sequence.frame == "camera"
    forward = np.array([0.0, 0.0, 1.0] if camera else [0.0, 1.0, 0.0])
    default = np.array([0.0, -1.0, 0.0] if camera else [0.0, 0.0, 1.0])
    if in_room(sequence) and sequence.camera is not None:
        _, down, ahead = np.asarray(sequence.camera.R_world_to_camera, np.float64)
        forward = -down if abs(ahead @ default) > _STEEP else ahead  # of a camera that looks down, the top of the image
    y = default if up is None else np.asarray(up, dtype=np.float64)
    if y.shape != (3,) or not np.isfinite(y).all() or np.linalg.norm(y) < 1e-6:
        raise PrmlError(f"up must be a direction of three numbers that are not all zero, got {up}")
    y = y / np.linalg.norm(y)
    z = -forward + (forward @ y) * y
    if np.linalg.norm(z) < 1e-3:  # the camera looks straight down: the top of the image is forward
        z = -default
    z = z / np.linalg.norm(z)
    return np.stack([np.cross(y, z), y, z])


def sides(skeleton: Skeleton) -> tuple[int, ...]:
    """Return the side of every joint: -1 right, 0 middle, 1 left. A bone has the side of its child."""
    return tuple(1 if j in skeleton.left else -1 if j in skeleton.right else 0 for j in range(len(skeleton)))


def lines(skeleton: Skeleton) -> tuple[tuple[int, int], ...]:
    """Return the lines that are drawn, as joint indices: the bones, and for BODY28 soles and a face."""
    left_out, names = _NOT_DRAWN.get(skeleton.name, set()), skeleton.joints
    bones = (bone for bone in skeleton.bones if (names[bone[0]], names[bone[1]]) not in left_out)
    return (*bones, *((skeleton.index(a), skeleton.index(b)) for a, b in _DRAWN.get(skeleton.name, ())))


def thin(skeleton: Skeleton) -> tuple[bool, ...]:
    """Return which joints, and the lines that end at them, are drawn thin: those of feet, hands and face."""
    return tuple(name.lstrip("LR") in _SMALL for name in skeleton.joints)


def lowest_height_m(skeleton: Skeleton) -> float:
    """Return the height over the floor at which the lowest joints stand: soles, or ankles without feet."""
    return SOLE_HEIGHT_M if "LHeel" in skeleton.joints else ANKLE_HEIGHT_M


def path_note(sequence: PoseSequence) -> str:
    """Return one line that says what the 3D view shows of the person's path."""
    if in_room(sequence):
        return "the person in a room: metres, z up, the floor at 0"
    if sequence.root_relative:
        return "root-relative: the hip is fixed; its path is not measured"
    return "absolute positions in the " + ("camera's" if sequence.frame == "camera" else "world's") + " frame"
