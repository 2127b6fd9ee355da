"""From joints to a rig: the size of its bones, its rest pose, and the rotation of every bone in every frame.

Rules, all relative to the body, so that turning the world changes nothing but the root:

* Every bone points exactly from its joint to the next. What is left is its turn about its own length, its twist.
* Hips: the line of the hips is exact, the pelvis upright along Hip-Spine. Chest (Spine1): the line of the shoulders.
* Spine and neck take half of the twist between what they join.
* Collar bones swing without twist.
* Upper arms and thighs: the axis of elbow and knee (:func:`prml.rig.limbs.hinge_axis`). Where they are straight the
  hint is, for a leg with feet, the foot's axis, else the axis that the limb has if it swings from the rest pose without
  twist. Shins have the axis of the knee.
* Hands: knuckles and thumb. The forearm has the axis of the elbow and half of the twist of the hand against it (less
  past 120 degrees, none at 180, so that nothing jumps).
* Feet: the plane of ankle, heel and toe; the tip of the toe is exact, and the toes bend by what the distance from the
  ankle to the tip asks for. Head: top of the head, with the line of the ears and the direction of the nose.
* Hands and heads whose points do not keep their distances, as those that a network infers, turn about their own length
  by a twist smoothed over up to 0.15 s (:func:`prml.rig.limbs.loose_s`).
* Without the joints that show them, feet, hands and face follow their parent, and twist of the neck the chest.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float

from prml.errors import PrmlError
from prml.rig.limbs import hinge_axis, loose_s, twist_angle, with_smooth_twist
from prml.rig.rest import BONES, LEFT, PARENTS, UP, Measures, arm, rest_a, rest_pose
from prml.rig.rig import Rest, RigMotion, forward, y_up
from prml.rotations import about, continuous, filled, frame, swing, to_matrix, to_quaternion, turn_between, unit
from prml.scene import Scene
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, H36M17

Array = np.ndarray
_TURN = np.radians(120)  # twist of a hand up to which the forearm takes half of it
_TOES = (np.radians(-20), np.radians(80))  # how far toes bend down and up


def to_rig(sequence: PoseSequence, rest: Rest = "t") -> RigMotion:
    """Make a rig of a person's joints, and the rotations that move it like them.

    Joints that keep their distances (those of a bone, and those of head, hand and foot among themselves) are returned
    by :func:`prml.rig.forward` where they were. Where bones change length from frame to frame the rig has their median,
    says so in ``rig.notes``, and its joints are its own.

    Args:
        sequence: absolute joints in the world on BODY28 or H36M17; a frame in which one of the 17 is NaN is a gap.
        rest: rest pose, "t" or "a".

    Raises:
        PrmlError: another joint set or frame, root-relative joints, nobody in any frame, or an unknown rest pose.
    """
    if sequence.skeleton not in (BODY28, H36M17):
        raise PrmlError(f"a rig is made of body28 or h36m17, got {sequence.skeleton.name}; convert it first")
    if sequence.joints_m is None or sequence.frame != "world" or sequence.root_relative:
        raise PrmlError("a rig needs absolute joints in the world frame; prml.lift(...).motion has them")
    if rest not in ("t", "a"):
        raise PrmlError(f"rest must be 't' or 'a', got {rest!r}")
    joints = y_up(np.asarray(sequence.joints_m, np.float64))
    present = _present(sequence)
    if not present.any():
        raise PrmlError("a rig needs a frame in which all joints of the body are known; the sequence has none")
    fit = _Fit(dict(zip(sequence.skeleton.joints, np.moveaxis(joints[present], 1, 0), strict=True)), sequence, present)
    return fit.motion(rest)


def rigs_of(scene: Scene) -> list[RigMotion]:
    """Make the rigs of a scene's people, in order; people who are in no frame as a whole are left out.

    Raises:
        PrmlError: nobody is, or as :func:`to_rig`.
    """
    there = [person for person in scene if person.joints_m is None or _present(person).any()]
    return [to_rig(person) for person in there or scene]


def _present(sequence: PoseSequence) -> Bool[Array, " T"]:
    """Return the frames in which the whole body is known."""
    known = np.isfinite(np.asarray(sequence.joints_m)[:, : len(H36M17)]).all((1, 2))
    return np.asarray(known if sequence.has_person is None else known & sequence.has_person)


@dataclass
class _Fit:
    """Bones settled one after the other, over the frames in which the person is present."""

    at: dict[str, Float[Array, "T 3"]]
    sequence: PoseSequence
    present: Bool[Array, " all"]
    turn: dict[str, Float[Array, "T 3 3"]] = field(default_factory=dict)
    local: dict[str, Float[Array, "T 4"]] = field(default_factory=dict)

    def motion(self, rest: Rest) -> RigMotion:
        self.times_s = self.sequence.times_s[self.present]
        self.size = Measures.of(self.at)
        self._trunk()
        self._head()
        for side in ("Left", "Right"):
            self._leg(side)
            self._arm(side)
        rig = rest_pose(self.size, self.at, self.turn, self.sequence.skeleton)
        rotations = np.full((len(self.sequence), len(BONES), 4), np.nan)
        rotations[self.present] = np.stack([self.local[name] for name in BONES], 1)
        root = np.full((len(self.sequence), 3), np.nan)
        root[self.present] = self.at["Hip"]
        made = RigMotion(
            rig, rotations, root, self.sequence.times_s, self.sequence.fps, self.present, self.sequence.name
        )
        made = self._noted(made)
        return made if rest == "t" else made.with_rest(rest_a(), "a")

    def _noted(self, made: RigMotion) -> RigMotion:
        """Say in the rig's notes how far its joints are from those given, if that can be seen."""
        off = np.linalg.norm(forward(made) - np.asarray(self.sequence.joints_m), axis=-1)[self.present]
        notes = list(made.rig.notes)
        if (worst := float(np.nanmax(off, initial=0.0))) > 1e-3:
            middle = float(np.nanmean(off))
            notes.insert(
                0,
                f"distances within the body change from frame to frame: the rig has their medians, and its joints are "
                f"{1000 * middle:.1f} mm from those given on average, {1000 * worst:.0f} mm at most",
            )
        return replace(made, rig=replace(made.rig, notes=tuple(notes)))

    def _settle(self, bone: str, turn: Float[Array, "T 3 3"]) -> None:
        """Keep a bone's rotation in the world; frames in which it is not known are filled from their neighbours."""
        parent = PARENTS[bone]
        local = turn if parent is None else np.swapaxes(self.turn[parent], -1, -2) @ turn
        known = np.isfinite(local).all((-1, -2))
        q = np.full((len(local), 4), np.nan)
        q[known] = to_quaternion(local[known])
        q = continuous(filled(q, known, self.times_s))
        self.local[bone] = q
        self.turn[bone] = to_matrix(q) if parent is None else self.turn[parent] @ to_matrix(q)

    def _bone(self, start: str, end: str) -> Float[Array, "T 3"]:
        return np.asarray(self.at[end] - self.at[start])

    def _axis(self, bone: str, rest: Float[Array, "3"]) -> Float[Array, "T 3"]:
        """Where a direction of the rest pose points now, carried by a bone."""
        return np.asarray(self.turn[bone] @ rest)

    def _trunk(self) -> None:
        size = self.size
        hips = turn_between((LEFT, size.spine), (self._bone("RHip", "LHip"), self._bone("Hip", "Spine")))
        self._settle("Hips", hips)
        chest = turn_between((size.chest, LEFT), (self._bone("Spine", "Thorax"), self._bone("RShoulder", "LShoulder")))
        both = self._axis("Hips", LEFT) + chest[..., 0]
        low = self.at["Spine"] - self.at["Hip"] - self._axis("Hips", size.stub)
        self._settle("Spine", turn_between((size.spine, LEFT), (low, both)))
        self._settle("Spine1", chest)

    def _head(self) -> None:
        size = self.size
        top, left = self._bone("Nose", "Head"), self._axis("Spine1", LEFT)
        if size.has_face:
            ears, nose = self._bone("REar", "LEar"), self.at["NoseTip"] - (self.at["LEar"] + self.at["REar"]) / 2
            left = np.nansum([unit(ears), unit(np.cross(top, nose))], axis=0)  # either may be unknown
            left = np.where(np.isfinite(unit(left)), left, np.nan)
        head = turn_between((size.top, LEFT), (top, left))
        both = np.nansum([self._axis("Spine1", LEFT), head[..., 0]], axis=0)
        self._settle("Neck", turn_between((size.neck, LEFT), (self._bone("Thorax", "Nose"), both)))
        if size.has_face:
            sides = ("LEar", "REar"), ("LEar", "NoseTip"), ("REar", "NoseTip")
            loose = loose_s(*(np.linalg.norm(self._bone(a, b), axis=-1) for a, b in sides))
            head = with_smooth_twist(head, self.turn["Spine1"], size.top, self.times_s, loose)
        self._settle("Head", head)

    def _leg(self, side: str) -> None:
        s, down = side[0], -UP
        upper, lower = unit(self._bone(f"{s}Hip", f"{s}Knee")), unit(self._bone(f"{s}Knee", f"{s}Ankle"))
        plain = swing(self._axis("Hips", down), upper) @ self._axis("Hips", LEFT)[..., None]
        hint, foot = plain[..., 0], None
        if self.size.foot[side].seen:
            foot = self._foot(side)
            sole = np.asarray(foot[0][..., 0])
            across = np.linalg.norm(np.cross(sole, upper), axis=-1, keepdims=True) > 0.3
            hint = np.where(across, sole, hint)  # NaN where the foot is not known
        axis = hinge_axis(upper, lower, hint, self.times_s)
        self._settle(f"{side}UpLeg", turn_between((down, LEFT), (upper, axis)))
        self._settle(f"{side}Leg", turn_between((down, LEFT), (lower, axis)))
        if foot is None:
            self._settle(f"{side}Foot", self.turn[f"{side}Leg"])
            self._settle(f"{side}ToeBase", self.turn[f"{side}Foot"])
        else:
            self._settle(f"{side}Foot", foot[0])
            self._settle(f"{side}ToeBase", self.turn[f"{side}Foot"] @ foot[1])

    def _foot(self, side: str) -> tuple[Float[Array, "T 3 3"], Float[Array, "T 3 3"]]:
        """Return the rotation of a foot, and that of its toes against it."""
        s, shape = side[0], self.size.foot[side]
        toe, heel = self._bone(f"{s}Ankle", f"{s}Toe"), self._bone(f"{s}Ankle", f"{s}Heel")
        up = np.clip(shape.bend(np.linalg.norm(toe, axis=-1)), *_TOES)
        bend = about(-LEFT, up)
        rest = shape.ball + bend @ (shape.toe - shape.ball)
        foot = frame(toe, np.cross(toe, heel)) @ np.swapaxes(frame(rest, np.broadcast_to(LEFT, rest.shape)), -1, -2)
        return foot, bend

    def _arm(self, side: str) -> None:
        s = side[0]
        out, hinge = arm(side)
        collar = unit(self._bone("Thorax", f"{s}Shoulder"))
        self._settle(f"{side}Shoulder", swing(self._axis("Spine1", out), collar) @ self.turn["Spine1"])
        upper, lower = unit(self._bone(f"{s}Shoulder", f"{s}Elbow")), unit(self._bone(f"{s}Elbow", f"{s}Wrist"))
        shoulder = f"{side}Shoulder"
        hint = swing(self._axis(shoulder, out), upper) @ self._axis(shoulder, hinge)[..., None]
        axis = hinge_axis(upper, lower, hint[..., 0], self.times_s)
        self._settle(f"{side}Arm", turn_between((out, hinge), (upper, axis)))
        fore = turn_between((out, hinge), (lower, axis))
        self._settle(f"{side}ForeArm", fore)
        if not self.size.hand[side].seen:
            self._settle(f"{side}Hand", self.turn[f"{side}ForeArm"])
            return
        hand = turn_between(
            (out, self.size.hand[side].thumb),
            (self._bone(f"{s}Wrist", f"{s}Hand"), self._bone(f"{s}Wrist", f"{s}Thumb")),
        )
        loose = loose_s(np.linalg.norm(self._bone(f"{s}Hand", f"{s}Thumb"), axis=-1))
        hand = with_smooth_twist(hand, self.turn[f"{side}ForeArm"], out, self.times_s, loose)
        self._settle(f"{side}Hand", hand)
        twist = about(np.broadcast_to(out, (len(fore), 3)), _forearm_share(self.local[f"{side}Hand"], out))
        hand = self.turn[f"{side}Hand"]
        self._settle(f"{side}ForeArm", self.turn[f"{side}ForeArm"] @ twist)
        self._settle(f"{side}Hand", hand)


def _forearm_share(hand: Float[Array, "T 4"], along: Float[Array, "3"]) -> Float[Array, " T"]:
    """Return how much of the twist of a hand the forearm takes, in radians: a continuous function on the circle."""
    twist = twist_angle(hand, along)
    size = np.abs(twist)
    return np.asarray(np.sign(twist) * np.where(size <= _TURN, size / 2, (np.pi - size) * _TURN / 2 / (np.pi - _TURN)))
