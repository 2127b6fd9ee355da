"""Whose body a detection is, and whether its limbs fit one body."""

import numpy as np
from jaxtyping import Bool, Float, Int

from prml.detect.people import extent
from prml.skeleton import Skeleton

Array = np.ndarray
SAME_BODY = 0.12  # median distance between the joints of two detections of one body, in person sizes
SHARED_LIMB = 0.06  # mean distance between the outer joints of a limb that two detections share, in person sizes
STRAY, STRAY_PER_S = 0.10, 4.0  # how far the joints of a limb may be from where they are expected, in person sizes
# Longest bones in trunk lengths. A trunk (middle of the shoulders to middle of the hips) is about half a metre; adults'
# bones reach two thirds of these limits, and perspective lengthens what is near.
LONGEST = {("Shoulder", "Elbow"): 0.85, ("Elbow", "Wrist"): 0.8, ("Hip", "Knee"): 1.3, ("Knee", "Ankle"): 1.3}
TOO_LONG = "limbs too long for one body"
TWO_BODIES = "limbs of two people"
HIDDEN = "hidden behind somebody"
TOO_CLOSE = "too close to somebody to tell limbs apart"
DOUBTS = (TOO_LONG, TWO_BODIES, HIDDEN, TOO_CLOSE)
CLOSE = 0.28  # distance of two trunks at which limbs cannot be told apart, in sizes of the smaller person
STILL_CLOSE = 0.42  # the same until it is over, and while one of the two is not seen
ALIKE_SIZE = 0.6  # the least ratio of their sizes


def trunk(points: Float[Array, "J 2"], skeleton: Skeleton) -> float:
    """Return the distance in pixels from the middle of the shoulders to the middle of the hips."""
    left, right = ([skeleton.index(side + joint) for side in "LR"] for joint in ("Shoulder", "Hip"))
    return float(np.linalg.norm(points[left].mean(axis=0) - points[right].mean(axis=0)))


def limbs(skeleton: Skeleton) -> Int[Array, "4 2"]:
    """Return the outer joints of the limbs: left and right arm (elbow, wrist), left and right leg (knee, ankle)."""
    names = (("Elbow", "Wrist"), ("Knee", "Ankle"))
    return np.array([[skeleton.index(side + joint) for joint in pair] for pair in names for side in "LR"])


def too_long(points: Float[Array, "J 2"], usual_trunk: float, skeleton: Skeleton) -> bool:
    """Whether an upper or lower arm or leg is longer than one body allows.

    Args:
        points: pixels.
        usual_trunk: the person's trunk in pixels when it is not foreshortened.
        skeleton: joint set.
    """
    scale = max(trunk(points, skeleton), usual_trunk)
    for (inner, outer), limit in LONGEST.items():
        for side in "LR":
            bone = points[skeleton.index(side + outer)] - points[skeleton.index(side + inner)]
            if np.linalg.norm(bone) > limit * scale:
                return True
    return False


def shared_limbs(person: Float[Array, "J 2"], other: Float[Array, "J 2"], skeleton: Skeleton) -> Bool[Array, "4"]:
    """(4,) which limbs of a person (see :func:`limbs`) lie on a limb of the same kind of another detection."""
    size = min(extent(person)[1], extent(other)[1])
    mine, theirs = person[limbs(skeleton)], other[limbs(skeleton)]
    apart = np.linalg.norm(mine[:, None] - theirs[None], axis=-1).mean(axis=-1) / size
    same_kind = np.arange(4)[:, None] // 2 == np.arange(4)[None] // 2
    return np.asarray((np.where(same_kind, apart, np.inf) < SHARED_LIMB).any(axis=1))


def stray_limbs(
    points: Float[Array, "J 2"], expected: Float[Array, "J 2"], elapsed_s: float, skeleton: Skeleton
) -> Bool[Array, "4"]:
    """(4,) which limbs jumped against the trunk, farther than a limb moves in that time."""
    hips = [skeleton.index(side + joint) for side in "LR" for joint in ("Shoulder", "Hip")]
    size = max(extent(points)[1], extent(expected)[1])
    moved = points - expected - np.median(points[hips] - expected[hips], axis=0)
    step = np.linalg.norm(moved[limbs(skeleton)], axis=-1).mean(axis=-1) / size
    return np.asarray(step > STRAY + STRAY_PER_S * elapsed_s)


def assign(cost: Float[Array, "n m"]) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of least total cost; a cost that is not finite forbids a pair."""
    from scipy.optimize import linear_sum_assignment

    if not cost.size:
        return []
    allowed = np.isfinite(cost)
    rows, columns = linear_sum_assignment(np.where(allowed, cost, 1e6))
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if allowed[i, j]]


def overlap(points: Float[Array, "J 2"], others: Float[Array, "J 2"], margin: float = 0.1) -> bool:
    """Whether the boxes around two people touch, with a margin in sizes of the first."""
    room = margin * extent(points)[1]
    near = (points.min(axis=0) - room < others.max(axis=0)) & (others.min(axis=0) < points.max(axis=0) + room)
    return bool(near.all())


def too_close(
    points: Float[Array, "J 2"], others: Float[Array, "J 2"], skeleton: Skeleton, margin: float = CLOSE
) -> bool:
    """Whether the trunks of two people of about one size are so near that limbs cannot be told apart."""
    joints = [skeleton.index(side + joint) for side in "LR" for joint in ("Shoulder", "Hip")]
    small, large = sorted((extent(points)[1], extent(others)[1]))
    apart = float(np.linalg.norm(points[joints].mean(axis=0) - others[joints].mean(axis=0)))
    return small >= ALIKE_SIZE * large and apart < margin * small


def inside(points: Float[Array, "J 2"], others: Float[Array, "J 2"], skeleton: Skeleton) -> Bool[Array, "4"]:
    """(4,) which limbs of a person end in the box around somebody else."""
    room = 0.05 * extent(others)[1]
    ends = points[limbs(skeleton)[:, 1]]
    return np.asarray(((ends > others.min(axis=0) - room) & (ends < others.max(axis=0) + room)).all(axis=-1))
