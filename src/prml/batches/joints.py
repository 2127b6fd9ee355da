"""What a detector measures of a window's joints, which of them a clip lacks, and which are hidden from the network.

A detector sees no trunk joints: those of the input follow from the measured ones by the trunk rule, in training as at
inference. So joints are hidden among the measured ones, and all that follows from a hidden one is hidden too.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from jaxtyping import Bool, Float, Int16

from prml.batches.options import HideOptions
from prml.skeleton import BODY28, H36M17, MEASURED13, MEASURED24, Conversion, Skeleton, conversion

Array = np.ndarray
_FEET, _HANDS, _FACE = ("Heel", "Toe"), ("Hand", "Thumb"), ("NoseTip", "LEar", "REar")
_ARM, _LEG = ("Elbow", "Wrist", *_HANDS), ("Knee", "Ankle", *_FEET)


@dataclass(frozen=True)
class JointRule:
    """A window's joints and what of them is measured.

    Attributes:
        skeleton: of inputs and targets.
        measured: the joints that a detector sees; its errors are theirs.
    """

    skeleton: Skeleton
    measured: Skeleton

    @cached_property
    def to_measured(self) -> Conversion:
        """From exact joints to those that a detector sees."""
        return conversion(self.skeleton, self.measured)

    @cached_property
    def from_measured(self) -> Conversion:
        """From what a detector sees to the network's input."""
        return conversion(self.measured, self.skeleton)

    def given(self, seen: Bool[Array, "B K"]) -> Bool[Array, "B J"]:
        """Joints of the input that follow from the measured joints that are seen."""
        needs = (self.from_measured.matrix != 0).T
        return np.asarray(~((~seen) @ needs))

    def centre_head(self, values: Float[Array, "B T K *d"], seen: Bool[Array, "B K"], how: str) -> None:
        """Put the centre of the head between the ears, as at inference, where both are seen; ``how`` a numpy function.

        Changes ``values``: positions with ``how`` "mean", confidences with "min".
        """
        if "LEar" not in self.measured.joints:
            return
        centre, *ears = (self.measured.index(name) for name in ("HeadCentre", "LEar", "REar"))
        both = seen[:, ears].all(1)
        values[both, :, centre] = getattr(np, how)(values[both][:, :, ears], axis=2)


@cache
def rule_of(skeleton: Skeleton) -> JointRule:
    """The rule of H36M17 or of BODY28."""
    return JointRule(skeleton, MEASURED13 if skeleton == H36M17 else MEASURED24)


def fill_missing(clip: Int16[Array, "T 28 3"], has_joint: Bool[Array, "28"]) -> Int16[Array, "T 28 3"]:
    """A clip whose missing joints lie at their parent, those of the face at the centre of the head.

    Masks leave them out; arithmetic on windows stays finite, and without a face the centre of the head stays in place.
    """
    if has_joint.all():
        return clip
    out = clip.copy()
    for joint in np.flatnonzero(~has_joint):
        out[:, joint] = out[:, BODY28.parents[joint]]
        if BODY28.joints[joint] in _FACE:
            out[:, joint] = out[:, [BODY28.index("Nose"), BODY28.index("Head")]].astype(np.int32).mean(1)
    return out


def may_be_lost(known: Bool[Array, "B 28"], arms: bool, legs: bool) -> Bool[Array, "B 28"]:
    """Joints that are known whichever windows of a batch exchange arms or legs: their own, and the donor's."""
    out = known.copy()
    for taken, names in ((arms, _HANDS), (legs, _FEET)):
        columns = [BODY28.index(side + name) for side in "LR" for name in names]
        if taken:
            out[:, columns] &= np.roll(known, 1, axis=0)[:, columns]
    return out


def hide(options: HideOptions, rng: np.random.Generator, windows: int) -> Bool[Array, "B 24"]:
    """Which joints of MEASURED24 each window is given; the same numbers are drawn whatever the shares are."""
    seen = np.ones((windows, len(MEASURED24)), bool)
    draws = rng.random((windows, 7))
    limb, hips_too = rng.integers(0, 4, windows), rng.random(windows) < 0.5
    limbs = [[side + name for name in names] for names in (_ARM, _LEG) for side in "LR"]
    feet, hands = ([s + n for s in "LR" for n in names] for names in (_FEET, _HANDS))
    groups = (
        (draws[:, 0] < options.feet, feet),
        (draws[:, 1] < options.hands, hands),
        (draws[:, 2] < options.face, list(_FACE)),
        (draws[:, 5] < options.feet_and_hands, feet + hands),
        (draws[:, 6] < options.beyond_17, [*feet, *hands, *_FACE]),
        *(((draws[:, 3] < options.limb) & (limb == i), names) for i, names in enumerate(limbs)),
        (draws[:, 4] < options.lower_body, [s + n for s in "LR" for n in _LEG]),
        ((draws[:, 4] < options.lower_body) & hips_too, ["LHip", "RHip"]),
    )
    for which, names in groups:
        seen[np.ix_(which, [MEASURED24.index(name) for name in names])] = False
    return seen
