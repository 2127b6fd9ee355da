"""Skeletons as named data, and one conversion table per pair of them.

A conversion is a matrix whose rows sum to one: every target joint is an affine combination of source joints, so that it
commutes with every translation, rotation and scaling, in 2D and in 3D. Joints that the source does not measure are
marked as synthesised; those that no rule can give, such as the feet of a skeleton that ends at the ankles, are absent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import Any, Literal, TypeVar, cast

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from prml.errors import PrmlError
from prml.whole_body import FACE68, hand21

Values = TypeVar("Values")  # a numpy array or a torch tensor
FlipKind = Literal["points", "spreads", "scalars"]


@dataclass(frozen=True)
class Skeleton:
    """Names, tree and symmetry of a joint set.

    Attributes:
        name: unique name, e.g. ``"h36m17"``.
        joints: joint names, in array order.
        parents: parent index of every joint, -1 for the root of a tree.
        left, right: indices of mirror-image joints, pairwise.
        root: index of the joint that 3D positions are relative to.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    root: int = 0

    def __post_init__(self) -> None:
        if len(self.parents) != len(self.joints) or len(self.left) != len(self.right):
            raise PrmlError(f"skeleton {self.name}: names, parents and left/right pairs do not fit each other")

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Index of a joint by name; raises PrmlError with the known names."""
        try:
            return self.joints.index(joint)
        except ValueError:
            raise PrmlError(f"skeleton {self.name} has no joint {joint!r}; it has {', '.join(self.joints)}") from None

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) index pairs."""
        return tuple((p, c) for c, p in enumerate(self.parents) if p >= 0)

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """Joint order of the mirror image: an involution that swaps left and right."""
        order = list(range(len(self.joints)))
        for left, right in zip(self.left, self.right, strict=True):
            order[left], order[right] = right, left
        return tuple(order)

    def flip(self, values: Values, kind: FlipKind = "points") -> Values:
        """The mirror image of a person: left and right joints change places, x changes its sign.

        Args:
            values: numpy array or torch tensor, not changed.
            kind: what they are. "points": (*batch, J, d), x first; further channels, as y, z, a confidence or
                variances, only move with their joint. "spreads": (*batch, J, d) without a sign, as standard deviations.
                "scalars": (*batch, J), one number per joint, as a confidence.

        Returns:
            Array or tensor of the same shape and type.

        Raises:
            PrmlError: another number of joints.
        """
        given, order = cast(Any, values), list(self.mirror)
        axis = -1 if kind == "scalars" else -2
        if given.ndim < -axis or given.shape[axis] != len(self):
            raise PrmlError(f"expected {len(self)} joints of {self.name}, got an array of shape {tuple(given.shape)}")
        if kind == "scalars":
            return cast(Values, given[..., order])
        flipped = given[..., order, :]  # a copy
        if kind == "points":
            flipped[..., 0] *= -1
        return cast(Values, flipped)


def _skeleton(name: str, text: str, root: str | None = None) -> Skeleton:
    """Build a skeleton from words ``joint<parent``; a joint L* and the joint R* of the same rest are a pair."""
    pairs = [entry.split("<") for entry in text.split()]
    joints = tuple(p[0] for p in pairs)
    parents = tuple(joints.index(p[1]) if len(p) > 1 else -1 for p in pairs)
    left = [j for j in joints if j.startswith("L") and "R" + j[1:] in joints]
    return Skeleton(
        name,
        joints,
        parents,
        tuple(joints.index(j) for j in left),
        tuple(joints.index("R" + j[1:]) for j in left),
        joints.index(root) if root else 0,
    )


H36M17 = _skeleton(
    "h36m17",
    "Hip RHip<Hip RKnee<RHip RAnkle<RKnee LHip<Hip LKnee<LHip LAnkle<LKnee Spine<Hip Thorax<Spine Nose<Thorax "
    "Head<Nose LShoulder<Thorax LElbow<LShoulder LWrist<LElbow RShoulder<Thorax RElbow<RShoulder RWrist<RElbow",
)
# Those 17, then what a 2D detector sees of feet, hands and face: heels, tips of the big toes, middles of the knuckles,
# last joints of the thumbs, tip of the nose, ears. "Nose" stays Human3.6M's Neck/Nose, nearer to the base of the skull.
BODY28 = _skeleton(
    "body28",
    "Hip RHip<Hip RKnee<RHip RAnkle<RKnee LHip<Hip LKnee<LHip LAnkle<LKnee Spine<Hip Thorax<Spine Nose<Thorax "
    "Head<Nose LShoulder<Thorax LElbow<LShoulder LWrist<LElbow RShoulder<Thorax RElbow<RShoulder RWrist<RElbow "
    "RHeel<RAnkle RToe<RAnkle LHeel<LAnkle LToe<LAnkle LHand<LWrist LThumb<LWrist RHand<RWrist RThumb<RWrist "
    "NoseTip<Nose LEar<Nose REar<Nose",
)
COCO17 = _skeleton(
    "coco17",
    "Nose LEye<Nose REye<Nose LEar<LEye REar<REye LShoulder<Nose RShoulder<Nose LElbow<LShoulder RElbow<RShoulder "
    "LWrist<LElbow RWrist<RElbow LHip<LShoulder RHip<RShoulder LKnee<LHip RKnee<RHip LAnkle<LKnee RAnkle<RKnee",
)
HALPE26 = _skeleton(
    "halpe26",
    "Nose<Neck LEye<Nose REye<Nose LEar<LEye REar<REye LShoulder<Neck RShoulder<Neck LElbow<LShoulder "
    "RElbow<RShoulder LWrist<LElbow RWrist<RElbow LHip<Hip RHip<Hip LKnee<LHip RKnee<RHip LAnkle<LKnee RAnkle<RKnee "
    "Head<Neck Neck<Hip Hip LBigToe<LAnkle RBigToe<RAnkle LSmallToe<LAnkle RSmallToe<RAnkle LHeel<LAnkle "
    "RHeel<RAnkle",
    root="Hip",
)
OPENPOSE25 = _skeleton(
    "openpose25",
    "Nose<Neck Neck<Hip RShoulder<Neck RElbow<RShoulder RWrist<RElbow LShoulder<Neck LElbow<LShoulder LWrist<LElbow "
    "Hip RHip<Hip RKnee<RHip RAnkle<RKnee LHip<Hip LKnee<LHip LAnkle<LKnee REye<Nose LEye<Nose REar<REye LEar<LEye "
    "LBigToe<LAnkle LSmallToe<LAnkle LHeel<LAnkle RBigToe<RAnkle RSmallToe<RAnkle RHeel<RAnkle",
    root="Hip",
)
COCO_WHOLEBODY133 = _skeleton(
    "coco_wholebody133",
    "Nose LEye<Nose REye<Nose LEar<LEye REar<REye LShoulder<Nose RShoulder<Nose LElbow<LShoulder RElbow<RShoulder "
    "LWrist<LElbow RWrist<RElbow LHip<LShoulder RHip<RShoulder LKnee<LHip RKnee<RHip LAnkle<LKnee RAnkle<RKnee "
    "LBigToe<LAnkle LSmallToe<LAnkle LHeel<LAnkle RBigToe<RAnkle RSmallToe<RAnkle RHeel<RAnkle "
    f"{FACE68} {hand21('L')} {hand21('R')}",
)
BLAZEPOSE33 = _skeleton(
    "blazepose33",
    "Nose LEyeInner<Nose LEye<LEyeInner LEyeOuter<LEye REyeInner<Nose REye<REyeInner REyeOuter<REye LEar<LEyeOuter "
    "REar<REyeOuter LMouth<Nose RMouth<Nose LShoulder RShoulder<LShoulder LElbow<LShoulder RElbow<RShoulder "
    "LWrist<LElbow RWrist<RElbow LPinky<LWrist RPinky<RWrist LIndex<LWrist RIndex<RWrist LThumb<LWrist RThumb<RWrist "
    "LHip<LShoulder RHip<RShoulder LKnee<LHip RKnee<RHip LAnkle<LKnee RAnkle<RKnee LHeel<LAnkle RHeel<RAnkle "
    "LFootIndex<LHeel RFootIndex<RHeel",
)
MPI_INF_3DHP17 = _skeleton(
    "mpi_inf_3dhp17",
    "Head<Neck Neck<Spine RShoulder<Neck RElbow<RShoulder RWrist<RElbow LShoulder<Neck LElbow<LShoulder "
    "LWrist<LElbow RHip<Hip RKnee<RHip RAnkle<RKnee LHip<Hip LKnee<LHip LAnkle<LKnee Hip Spine<Hip Nose<Neck",
    root="Hip",
)
MPI_INF_3DHP28 = _skeleton(
    "mpi_inf_3dhp28",
    "Spine3<Spine2 Spine4<Spine3 Spine2<Spine Spine<Hip Hip Neck<Spine4 Nose<Neck Head<Nose LClavicle<Spine4 "
    "LShoulder<LClavicle LElbow<LShoulder LWrist<LElbow LHand<LWrist RClavicle<Spine4 RShoulder<RClavicle "
    "RElbow<RShoulder RWrist<RElbow RHand<RWrist LHip<Hip LKnee<LHip LAnkle<LKnee LFoot<LAnkle LToe<LFoot RHip<Hip "
    "RKnee<RHip RAnkle<RKnee RFoot<RAnkle RToe<RFoot",
    root="Hip",
)
OPENPOSE18 = _skeleton(  # OpenPose's COCO model, as 3DPW's detections
    "openpose18",
    "Nose<Neck Neck RShoulder<Neck RElbow<RShoulder RWrist<RElbow LShoulder<Neck LElbow<LShoulder LWrist<LElbow "
    "RHip<Neck RKnee<RHip RAnkle<RKnee LHip<Neck LKnee<LHip LAnkle<LKnee REye<Nose LEye<Nose REar<REye LEar<LEye",
    root="Neck",
)
SMPL24 = _skeleton(
    "smpl24",
    "Pelvis LHip<Pelvis RHip<Pelvis Spine1<Pelvis LKnee<LHip RKnee<RHip Spine2<Spine1 LAnkle<LKnee RAnkle<RKnee "
    "Spine3<Spine2 LFoot<LAnkle RFoot<RAnkle Neck<Spine3 LCollar<Spine3 RCollar<Spine3 Head<Neck LShoulder<LCollar "
    "RShoulder<RCollar LElbow<LShoulder RElbow<RShoulder LWrist<LElbow RWrist<RElbow LHand<LWrist RHand<RWrist",
)
# What a 2D detector truly measures of H36M17: twelve limb joints and the middle of the ears.
MEASURED13 = _skeleton(
    "measured13",
    "RHip RKnee<RHip RAnkle<RKnee LHip<RHip LKnee<LHip LAnkle<LKnee HeadCentre LShoulder<HeadCentre LElbow<LShoulder "
    "LWrist<LElbow RShoulder<HeadCentre RElbow<RShoulder RWrist<RElbow",
)

# The same of BODY28: those 13, then feet, hands and face as they are.
MEASURED24 = _skeleton(
    "measured24",
    "RHip RKnee<RHip RAnkle<RKnee LHip<RHip LKnee<LHip LAnkle<LKnee HeadCentre LShoulder<HeadCentre LElbow<LShoulder "
    "LWrist<LElbow RShoulder<HeadCentre RElbow<RShoulder RWrist<RElbow RHeel<RAnkle RToe<RAnkle LHeel<LAnkle "
    "LToe<LAnkle LHand<LWrist LThumb<LWrist RHand<RWrist RThumb<RWrist NoseTip<HeadCentre LEar<HeadCentre "
    "REar<HeadCentre",
)

_ALL = (
    H36M17,
    BODY28,
    COCO17,
    COCO_WHOLEBODY133,
    HALPE26,
    OPENPOSE25,
    OPENPOSE18,
    BLAZEPOSE33,
    MPI_INF_3DHP17,
    MPI_INF_3DHP28,
    SMPL24,
    MEASURED13,
    MEASURED24,
)
SKELETONS: Mapping[str, Skeleton] = {s.name: s for s in _ALL}


_GROUPS = {
    "trunk": "Hip RHip LHip Spine Thorax RShoulder LShoulder",
    "head": "Nose Head NoseTip LEar REar",
    "arms": "RElbow RWrist LElbow LWrist",
    "legs": "RKnee RAnkle LKnee LAnkle",
    "feet": "RHeel RToe LHeel LToe",
    "hands": "RHand RThumb LHand LThumb",
}


def joint_groups(skeleton: Skeleton) -> dict[str, tuple[int, ...]]:
    """Indices of the joints of trunk, head, arms, legs, feet and hands; groups that a skeleton lacks are left out."""
    found = {
        group: tuple(skeleton.index(name) for name in names.split() if name in skeleton.joints)
        for group, names in _GROUPS.items()
    }
    return {group: joints for group, joints in found.items() if joints}


def skeleton(name: str) -> Skeleton:
    """Look a skeleton up by name; raises PrmlError that lists the known names."""
    if name not in SKELETONS:
        raise PrmlError(f"unknown skeleton {name!r}; expected one of {', '.join(SKELETONS)}")
    return SKELETONS[name]


def _as_floats(values: np.ndarray) -> np.ndarray:
    """Whole numbers as float64: as integers every weight below one would be zero."""
    return values if values.dtype.kind == "f" else values.astype(np.float64)


@dataclass(frozen=True)
class Conversion:
    """A linear map between two skeletons.

    Attributes:
        source, target: the skeletons.
        matrix: (target joints, source joints) weights; rows sum to one, those of absent joints to zero.
        synthesised: (target joints,) True where the source has no such joint and the rule only approximates it.
    """

    source: Skeleton
    target: Skeleton
    matrix: Float[np.ndarray, "target source"]
    synthesised: Bool[np.ndarray, " target"]

    @cached_property
    def absent(self) -> Bool[np.ndarray, " target"]:
        """Target joints that nothing in the source tells of: NaN with confidence 0 after a conversion."""
        return np.asarray(~self.matrix.any(1))

    @cached_property
    def chosen(self) -> Int[np.ndarray, " target"] | None:
        """Indices of the source joints where every target joint is one of them; None if some are mixed or absent."""
        one = (self.matrix == 1).sum(1) == 1
        return np.asarray(self.matrix.argmax(1)) if (one & (np.count_nonzero(self.matrix, axis=1) == 1)).all() else None

    def apply_flags(self, flags: Bool[np.ndarray, " source"]) -> Bool[np.ndarray, " target"]:
        """Target joints of which the source has all: flagged joints only, and neither synthesised nor absent."""
        lacking = ((self.matrix != 0) & ~flags).any(1)
        return np.asarray(~lacking & ~self.absent & ~self.synthesised)

    def apply(self, points: Real[np.ndarray, "*batch source d"]) -> Float[np.ndarray, "*batch target d"]:
        """Convert positions of any dimension (pixels or metres), whole numbers as float64.

        A target joint is NaN where one of its source joints is, other joints do not matter, and where it is absent.
        Raises PrmlError for a wrong joint count.
        """
        if points.shape[-2] != len(self.source):
            raise PrmlError(f"expected {len(self.source)} joints of {self.source.name}, got {points.shape[-2]}")
        points = _as_floats(points)
        missing = np.isnan(points)
        if not missing.any() and not self.absent.any():
            return self._mix(points)
        unknown = missing.any(-1)
        mixed = self._mix(np.where(unknown[..., None], points.dtype.type(0), points))
        affected = np.stack([unknown[..., row != 0].any(-1) for row in self.matrix], -1) | self.absent
        return np.where(affected[..., None], points.dtype.type(np.nan), mixed)

    def _mix(self, points: Float[np.ndarray, "*batch source d"]) -> Float[np.ndarray, "*batch target d"]:
        """Copies of joints, and sums for those that are mixed: the bits of the whole product in a tenth of its time."""
        rows, columns, weights = self._mixed
        out = points[..., self.matrix.argmax(1), :]
        if len(rows):
            parts = points[..., columns, :]
            out[..., rows, :] = np.einsum("ts,...sd->...td", weights.astype(points.dtype), parts)
        return np.asarray(out)

    @cached_property
    def _mixed(self) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"], Float[np.ndarray, "n m"]]:
        """The target joints that are no copy of a source joint, the source joints that these use, and the weights."""
        copies = (np.count_nonzero(self.matrix, axis=1) == 1) & (self.matrix.max(1) == 1)
        rows = np.flatnonzero(~copies)
        columns = np.flatnonzero(self.matrix[rows].any(0))
        return rows, columns, self.matrix[np.ix_(rows, columns)]

    def apply_confidence(self, confidence: Real[np.ndarray, "*batch source"]) -> Float[np.ndarray, "*batch target"]:
        """Confidence of a target joint: the lowest among the joints that carry at least a tenth of its weight.

        It is 0 for an absent joint.
        """
        confidence = _as_floats(confidence)
        none = np.zeros(confidence.shape[:-1])
        uses = np.abs(self.matrix) >= 0.1
        lowest = [confidence[..., use].min(-1) if use.any() else none for use in uses]
        return np.stack(lowest, -1).astype(confidence.dtype)


# target joint -> {source joint: weight}; a bare string means "the same joint"; a leading "~" marks a synthesised joint.
_Rule = str | dict[str, float]
_LIMBS = ("Hip", "Knee", "Ankle", "Shoulder", "Elbow", "Wrist")
_SAME_LIMBS: dict[str, _Rule] = {side + limb: side + limb for side in "LR" for limb in _LIMBS}
_MID_HIP = {"LHip": 0.5, "RHip": 0.5}
_FOOT_PARTS = (("Heel", "Heel"), ("Toe", "BigToe"))


def _trunk(hip: float, shoulder: float, head: float) -> dict[str, float]:
    """Weights on the hips' middle, the shoulders' middle and the head centre, as weights on MEASURED13."""
    return {
        "LHip": hip / 2,
        "RHip": hip / 2,
        "LShoulder": shoulder / 2,
        "RShoulder": shoulder / 2,
        "HeadCentre": head,
    }


# Least-squares fit on the training motion capture (docs/conventions.md); used alike in training and at inference.
_TRUNK_RULE: dict[str, _Rule] = {
    "~Spine": _trunk(0.50, 0.71, -0.21),
    "~Thorax": _trunk(0.09, 0.69, 0.22),
    "~Nose": _trunk(0.03, 0.15, 0.82),
    "~Head": _trunk(-0.03, -0.15, 1.18),
}

_FACE: dict[str, _Rule] = {"NoseTip": "Nose", "LEar": "LEar", "REar": "REar"}
_FEET: dict[str, _Rule] = {f"{side}{part}": f"{side}{source}" for side in "LR" for part, source in _FOOT_PARTS}
_DETECTED: dict[str, _Rule] = {"Hip": _MID_HIP, **_SAME_LIMBS, **_FACE}  # of a skeleton that has no trunk
_HEAD: dict[str, _Rule] = {joint: joint for joint in ("Nose", "LEar", "REar")}
_EYES: dict[str, _Rule] = {joint: joint for joint in ("LEye", "REye")}
_HEAD_OF_28: dict[str, _Rule] = {"Nose": "NoseTip", "LEar": "LEar", "REar": "REar"}
_MID_SHOULDER = {"LShoulder": 0.5, "RShoulder": 0.5}
_TRUNK_JOINTS = ("Hip", "Spine", "Thorax", "Nose", "Head")

_RULES: dict[tuple[str, str], dict[str, _Rule]] = {
    # body28: what a skeleton lacks is absent. The trunk joints are so for every detector but for the middle of the hips
    ("measured24", "measured13"): {j: j for j in MEASURED13.joints},
    ("measured24", "body28"): {"Hip": _MID_HIP, **_SAME_LIMBS, **_TRUNK_RULE, **{j: j for j in BODY28.joints[17:]}},
    ("body28", "measured24"): {
        **_SAME_LIMBS,
        "HeadCentre": {"LEar": 0.5, "REar": 0.5},
        **{j: j for j in BODY28.joints[17:]},
    },
    ("h36m17", "body28"): {j: j for j in H36M17.joints},
    ("body28", "h36m17"): {j: j for j in H36M17.joints},
    ("coco17", "body28"): _DETECTED,
    ("openpose18", "body28"): _DETECTED,
    ("halpe26", "body28"): {**_DETECTED, **_FEET},
    ("openpose25", "body28"): {**_DETECTED, **_FEET},
    ("coco_wholebody133", "body28"): {
        **_DETECTED,
        **_FEET,
        **{f"{s}Hand": {f"{s}Index1": 0.5, f"{s}Pinky1": 0.5} for s in "LR"},
        **{f"{s}Thumb": f"{s}Thumb3" for s in "LR"},
    },
    ("blazepose33", "body28"): {
        **_DETECTED,
        **{f"{s}Heel": f"{s}Heel" for s in "LR"},
        **{f"{s}Toe": f"{s}FootIndex" for s in "LR"},
        **{f"{s}Hand": {f"{s}Index": 0.5, f"{s}Pinky": 0.5} for s in "LR"},
        **{f"{s}Thumb": f"{s}Thumb" for s in "LR"},
    },
    # what other programs' files of 2D hold: COCO's 17 and OpenPose's 25
    **{
        (name, "coco17"): {**_SAME_LIMBS, **_HEAD, **_EYES}
        for name in ("blazepose33", "coco_wholebody133", "halpe26", "openpose18", "openpose25")
    },
    ("body28", "coco17"): {**_SAME_LIMBS, **_HEAD_OF_28},
    ("blazepose33", "openpose25"): {
        **_SAME_LIMBS,
        **_HEAD,
        **_EYES,
        "Hip": _MID_HIP,
        "~Neck": _MID_SHOULDER,
        **{f"{s}BigToe": f"{s}FootIndex" for s in "LR"},
        **{f"{s}Heel": f"{s}Heel" for s in "LR"},
    },
    ("body28", "openpose25"): {
        **_SAME_LIMBS,
        **_HEAD_OF_28,
        "Hip": "Hip",
        "~Neck": _MID_SHOULDER,
        **{f"{s}BigToe": f"{s}Toe" for s in "LR"},
        **{f"{s}Heel": f"{s}Heel" for s in "LR"},
    },
    ("h36m17", "openpose25"): {**_SAME_LIMBS, "Hip": "Hip", "~Neck": _MID_SHOULDER},
    ("h36m17", "coco17"): _SAME_LIMBS,
    ("mpi_inf_3dhp28", "body28"): {
        **_SAME_LIMBS,
        **{joint: "Neck" if joint == "Thorax" else joint for joint in _TRUNK_JOINTS},
        **{f"{s}{part}": f"{s}{part}" for s in "LR" for part in ("Toe", "Hand")},
    },
    ("measured13", "h36m17"): {"Hip": _MID_HIP, **_SAME_LIMBS, **_TRUNK_RULE},
    ("h36m17", "measured13"): {**_SAME_LIMBS, "~HeadCentre": {"Nose": 0.5, "Head": 0.5}},
    **{
        (name, "measured13"): {**_SAME_LIMBS, "HeadCentre": {"LEar": 0.5, "REar": 0.5}}
        for name in ("blazepose33", "body28", "coco17", "coco_wholebody133", "halpe26", "openpose18", "openpose25")
    },
    # SMPL's trunk joints lie elsewhere in the body; the weights put the four near the distances of Human3.6M.
    ("smpl24", "h36m17"): {
        "Hip": _MID_HIP,
        **_SAME_LIMBS,
        "~Spine": {"Spine1": 0.75, "Spine2": 0.25},
        "~Thorax": {"Spine3": 0.4, "Neck": 0.6},
        "~Nose": "Head",
        "~Head": {"Head": 2.0, "Neck": -1.0},
    },
    ("mpi_inf_3dhp28", "mpi_inf_3dhp17"): {j: j for j in MPI_INF_3DHP17.joints},
    ("mpi_inf_3dhp17", "h36m17"): {
        **_SAME_LIMBS,
        "Hip": "Hip",
        "Spine": "Spine",
        "Thorax": "Neck",
        "Nose": "Nose",
        "Head": "Head",
    },
    ("h36m17", "mpi_inf_3dhp17"): {
        **_SAME_LIMBS,
        "Hip": "Hip",
        "Spine": "Spine",
        "Neck": "Thorax",
        "Nose": "Nose",
        "Head": "Head",
    },
}


def _from_rules(source: Skeleton, target: Skeleton, rules: dict[str, _Rule]) -> Conversion:
    matrix = np.zeros((len(target), len(source)))
    synthesised = np.zeros(len(target), dtype=bool)
    for joint, rule in rules.items():
        row = target.index(joint.lstrip("~"))
        synthesised[row] = joint.startswith("~")
        for name, weight in {rule: 1.0}.items() if isinstance(rule, str) else rule.items():
            matrix[row, source.index(name)] = weight
    return Conversion(source, target, matrix, synthesised)


def _route(source: Skeleton, target: Skeleton) -> tuple[Skeleton, ...]:
    """The skeletons from source to target by the rules, with at most one between; empty if there is no way."""
    if source == target or (source.name, target.name) in _RULES:
        return (source, target)
    for middle in (MEASURED13, MPI_INF_3DHP17, H36M17):
        if {(source.name, middle.name), (middle.name, target.name)} <= _RULES.keys():
            return (source, middle, target)
    return ()


@cache
def conversion(source: Skeleton, target: Skeleton) -> Conversion:
    """The table from one skeleton to another, direct or through a third; raises PrmlError if there is none."""
    if source == target:
        return Conversion(source, target, np.eye(len(source)), np.zeros(len(source), dtype=bool))
    route = _route(source, target)
    if not route:
        known = ", ".join(s.name for s in _ALL if s != target and _route(s, target)) or "no other skeleton"
        raise PrmlError(f"no conversion from {source.name} to {target.name}; there is one from {known}")
    first, *others = (_from_rules(a, b, _RULES[a.name, b.name]) for a, b in pairwise(route))
    for last in others:
        synthesised = last.synthesised | (last.matrix[:, first.synthesised] != 0).any(1)
        first = Conversion(source, target, last.matrix @ first.matrix, synthesised)
    return first
