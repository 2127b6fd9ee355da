"""The rest pose of a rig: names, directions of bones, and their sizes in a clip."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from prml.rig.rig import Rig
from prml.rotations import about, unit
from prml.skeleton import Skeleton

Array = np.ndarray
Points = dict[str, Float[Array, "T 3"]]
_Parts = tuple[dict[str, Array], dict[str, Array], dict[str, tuple[str, Array]]]
LEFT, UP, FORWARD = np.eye(3)
STUB_M = 0.0005  # the spine starts this far above the hips: some readers replace bones of no length
# Directions in upright stance, means over CMU, HDM05 and UI-PRMD, which differ by some 10 degrees.
_SPINE, _CHEST, _NECK = (unit(np.array(v)) for v in ((0.0, 1.0, -0.09), (0.0, 1.0, 0.08), (0.0, 1.0, 0.2)))
_FACE = unit(np.array([0.0, -0.015, 0.120]))  # from the middle of the ears to the tip of the nose, in a level head
_THUMB = unit(np.array([0.0, -0.018, 0.056]))  # from the hand's line to the thumb, the palm being down
_SOLE_M = 0.02  # heel and toe lie this far above the sole
_BALL = 0.72  # where the toes start, from heel to tip
# Sizes where nothing shows them, in leg lengths (thigh + shin)
_HEEL_BACK, _TOE_AHEAD, _ANKLE_HIGH, _HAND_LONG = 0.068, 0.239, 0.07, 0.0995

PARENTS: dict[str, str | None] = {"Hips": None, "Spine": "Hips", "Spine1": "Spine", "Neck": "Spine1", "Head": "Neck"}
for _side in ("Left", "Right"):
    _chain = ("Spine1", *(_side + part for part in ("Shoulder", "Arm", "ForeArm", "Hand")))
    PARENTS |= dict(zip(_chain[1:], _chain[:-1], strict=True))
for _side in ("Left", "Right"):
    _chain = ("Hips", *(_side + part for part in ("UpLeg", "Leg", "Foot", "ToeBase")))
    PARENTS |= dict(zip(_chain[1:], _chain[:-1], strict=True))
BONES = tuple(PARENTS)


def arm(side: str) -> tuple[Float[Array, "3"], Float[Array, "3"]]:
    """Return direction of an arm in the T pose, and the axis about which its elbow bends forwards."""
    sign = 1.0 if side == "Left" else -1.0
    return sign * LEFT, -sign * UP


def rest_a() -> dict[str, Float[Array, "3 3"]]:
    """Return what turns the arms of the T pose into those of the A pose: 45 degrees down."""
    turns: dict[str, Array] = {}
    for side, sign in (("Left", -1), ("Right", 1)):
        turns |= {side + part: about(FORWARD, np.array(sign * np.pi / 4)) for part in ("Arm", "ForeArm", "Hand")}
    return turns


@dataclass(frozen=True)
class Foot:
    """A foot in the rest pose, metres from the ankle: level, straight ahead.

    Attributes:
        heel, ball, toe: (3,) places.
        seen: whether joints show it; else its size is an average one.
    """

    heel: Float[Array, "3"]
    ball: Float[Array, "3"]
    toe: Float[Array, "3"]
    seen: bool

    @classmethod
    def of(cls, at: Points, side: str, leg_m: float) -> "Foot":
        """Measure a foot: medians of the three sides of its triangle."""
        names = [f"{side[0]}{part}" for part in ("Ankle", "Heel", "Toe")]
        seen = all(name in at and np.isfinite(at[name]).all(-1).any() for name in names)
        if seen:
            ankle, heel, toe = (at[name] for name in names)
            back, ahead, long = (_median(a - b) for a, b in ((heel, ankle), (toe, ankle), (toe, heel)))
            z = (ahead**2 - back**2 + long**2) / (2 * max(long, 1e-6))
            y = np.sqrt(max(ahead**2 - z**2, 0.02**2))
            ends = -(long - z), z
        else:
            y, ends = _ANKLE_HIGH * leg_m, (-_HEEL_BACK * leg_m, _TOE_AHEAD * leg_m)
        heel_at, toe_at = (np.array([0.0, -y, z]) for z in ends)
        return cls(heel_at, heel_at + _BALL * (toe_at - heel_at), toe_at, seen)

    def bend(self, ankle_to_toe: Float[Array, " T"]) -> Float[Array, " T"]:
        """Return how far the toes are bent up, radians, if the tip of the toe is so far from the ankle."""
        near, far = float(np.linalg.norm(self.ball)), float(np.linalg.norm(self.toe - self.ball))

        def corner(opposite: Array | np.floating) -> Array:
            return np.asarray(np.arccos(np.clip((near**2 + far**2 - opposite**2) / max(2 * near * far, 1e-9), -1, 1)))

        return np.asarray(corner(np.linalg.norm(self.toe)) - corner(ankle_to_toe))


@dataclass(frozen=True)
class Hand:
    """A hand in the rest pose: its length in metres, the direction of the thumb across it, whether joints show it."""

    length_m: float
    thumb: Float[Array, "3"]
    seen: bool

    @classmethod
    def of(cls, at: Points, side: str, leg_m: float) -> "Hand":
        """Measure a hand."""
        hand, thumb = f"{side[0]}Hand", f"{side[0]}Thumb"
        seen = all(name in at and np.isfinite(at[name]).all(-1).any() for name in (hand, thumb))
        length = _median(at[hand] - at[f"{side[0]}Wrist"]) if seen else _HAND_LONG * leg_m
        return cls(length, _THUMB, seen)


@dataclass(frozen=True)
class Measures:
    """Sizes of a person, and the directions of the rest pose.

    Attributes:
        spine, chest, neck, top: unit directions of Hip-Spine, Spine-Thorax, Thorax-Nose and Nose-Head.
        stub: (3,) start of the spine from the hips.
        has_face: whether ears and tip of the nose show how the head turns.
        foot, hand: by side, "Left" and "Right".
        leg_m: thigh and shin, the mean of both sides.
    """

    spine: Float[Array, "3"]
    chest: Float[Array, "3"]
    neck: Float[Array, "3"]
    top: Float[Array, "3"]
    stub: Float[Array, "3"]
    has_face: bool
    foot: dict[str, Foot]
    hand: dict[str, Hand]
    leg_m: float

    @classmethod
    def of(cls, at: Points) -> "Measures":
        """Measure a person."""
        legs = [_median(at[f"{s}{b}"] - at[f"{s}{a}"]) for s in "LR" for a, b in (("Hip", "Knee"), ("Knee", "Ankle"))]
        leg_m = sum(legs) / 2
        face = ("LEar", "REar", "NoseTip")
        has_face = all(name in at and np.isfinite(at[name]).all(-1).any() for name in face)
        sides = ("Left", "Right")
        return cls(
            _SPINE,
            _CHEST,
            _NECK,
            _top_of(at) if has_face else UP,
            STUB_M * UP,
            has_face,
            {side: Foot.of(at, side, leg_m) for side in sides},
            {side: Hand.of(at, side, leg_m) for side in sides},
            leg_m,
        )


def _median(vectors: Float[Array, "T 3"]) -> float:
    return float(np.nanmedian(np.linalg.norm(vectors, axis=-1)))


def _top_of(at: Points) -> Float[Array, "3"]:
    """Return the direction from Nose to Head in a head that looks level: the median of its angle to the face."""
    left = unit(at["LEar"] - at["REar"])
    ahead = at["NoseTip"] - (at["LEar"] + at["REar"]) / 2
    ahead = unit(ahead - (ahead * left).sum(-1, keepdims=True) * left)
    top = at["Head"] - at["Nose"]
    up = np.cross(ahead, left)
    tilts = np.arctan2((top * ahead).sum(-1), (top * up).sum(-1))
    tilt = float(np.nanmedian(tilts)) if np.isfinite(tilts).any() else 0.0
    return np.asarray(np.cos(tilt) * np.cross(_FACE, LEFT) + np.sin(tilt) * _FACE)


def rest_pose(size: Measures, at: Points, turn: dict[str, Float[Array, "T 3 3"]], skeleton: Skeleton) -> Rig:
    """Build the rig in T pose.

    Args:
        size: of the person.
        at: joints, Y up.
        turn: rotation of every bone in every frame, which shows where points lie on head, hands, feet and pelvis.
        skeleton: joint set of ``at``.
    """
    body = _Body(size, at, turn)
    offsets, ends, points = body.trunk()
    starts = {"Hip": "Hips", "Spine": "Spine1", "Thorax": "Neck", "Nose": "Head"}
    for side in ("Left", "Right"):
        s = side[0]
        more = body.limbs(side)
        offsets, ends, points = offsets | more[0], ends | more[1], points | more[2]
        starts |= {f"{s}Shoulder": f"{side}Arm", f"{s}Elbow": f"{side}ForeArm", f"{s}Wrist": f"{side}Hand"}
        starts |= {f"{s}Hip": f"{side}UpLeg", f"{s}Knee": f"{side}Leg", f"{s}Ankle": f"{side}Foot"}
    points |= {joint: (bone, np.zeros(3)) for joint, bone in starts.items()}
    inferred = _inferred(size)
    return Rig(
        BONES,
        tuple(-1 if parent is None else BONES.index(parent) for parent in PARENTS.values()),
        np.stack([offsets[name] for name in BONES]),
        ends,
        points,
        skeleton,
        "t",
        size.leg_m - min(size.foot[side].heel[1] for side in ("Left", "Right")) + _SOLE_M,
        inferred,
        (f"no joint shows how {', '.join(inferred)} turn: they follow their parent",) if inferred else (),
    )


@dataclass(frozen=True)
class _Body:
    """The parts of a rest pose; arguments as for :func:`rest_pose`.

    Each part gives offsets of bones, ends of the last bones, and points on bones by joint.
    """

    size: Measures
    at: Points
    turn: dict[str, Float[Array, "T 3 3"]]

    def long(self, start: str, end: str) -> float:
        """Median distance of two joints."""
        return _median(self.at[end] - self.at[start])

    def on(self, bone: str, start: str, joint: str) -> Float[Array, "3"]:
        """Median place of a joint in the axes of a bone."""
        local = np.einsum("tji,tj->ti", self.turn[bone], self.at[joint] - self.at[start])
        return np.asarray(np.nanmedian(local, axis=0))

    @property
    def thorax(self) -> Float[Array, "3"]:
        """From the middle of the spine to the neck and shoulders."""
        return np.asarray(self.long("Spine", "Thorax") * self.size.chest)

    def trunk(self) -> _Parts:
        """Hips to head."""
        size, at = self.size, self.at
        low = at["Spine"] - at["Hip"] - self.turn["Hips"] @ size.stub
        offsets = {
            "Hips": np.zeros(3),
            "Spine": size.stub,
            "Spine1": _median(low) * size.spine,
            "Neck": self.thorax,
            "Head": self.long("Thorax", "Nose") * size.neck,
        }
        top = self.long("Nose", "Head") * size.top
        points = {"Head": ("Head", top)}
        if size.has_face:
            points |= {joint: ("Head", self.on("Head", "Nose", joint)) for joint in ("NoseTip", "LEar", "REar")}
        return offsets, {"Head": top}, points

    def limbs(self, side: str) -> _Parts:
        """Arm and leg of a side."""
        s, (out, _), foot, hand = side[0], arm(side), self.size.foot[side], self.size.hand[side]
        offsets = {
            f"{side}Shoulder": self.thorax,
            f"{side}Arm": self.long("Thorax", f"{s}Shoulder") * out,
            f"{side}ForeArm": self.long(f"{s}Shoulder", f"{s}Elbow") * out,
            f"{side}Hand": self.long(f"{s}Elbow", f"{s}Wrist") * out,
            f"{side}UpLeg": self.on("Hips", "Hip", f"{s}Hip"),
            f"{side}Leg": -self.long(f"{s}Hip", f"{s}Knee") * UP,
            f"{side}Foot": -self.long(f"{s}Knee", f"{s}Ankle") * UP,
            f"{side}ToeBase": foot.ball,
        }
        ends = {f"{side}Hand": hand.length_m * out, f"{side}ToeBase": foot.toe - foot.ball}
        points: dict[str, tuple[str, Array]] = {}
        if foot.seen:
            points |= {f"{s}Toe": (f"{side}ToeBase", ends[f"{side}ToeBase"])}
            points |= {f"{s}Heel": (f"{side}Foot", self.on(f"{side}Foot", f"{s}Ankle", f"{s}Heel"))}
        if hand.seen:
            points |= {f"{s}Hand": (f"{side}Hand", ends[f"{side}Hand"])}
            points |= {f"{s}Thumb": (f"{side}Hand", self.on(f"{side}Hand", f"{s}Wrist", f"{s}Thumb"))}
        return offsets, ends, points


def _inferred(size: Measures) -> tuple[str, ...]:
    found: tuple[str, ...] = () if size.has_face else ("Head",)
    for side in ("Left", "Right"):
        found += () if size.hand[side].seen else (f"{side}Hand",)
        found += () if size.foot[side].seen else (f"{side}Foot", f"{side}ToeBase")
    return found
