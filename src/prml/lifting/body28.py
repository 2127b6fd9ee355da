"""What a network of 28 joints reads of a 2D sequence: the joints that were found, and the trunk that follows from them.

A detector sees no trunk joints. As in training they are derived from hips, shoulders and the middle of the ears; what
cannot be derived, and what was not found, is NaN, and enters the network as zero with confidence 0.
"""

import numpy as np
from jaxtyping import Bool, Float

from prml.errors import PrmlError
from prml.filters.repair import bridge_gaps
from prml.normalise import can_be_normalised
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, MEASURED24, conversion

Array = np.ndarray
_TRUNK = [BODY28.index(name) for name in ("Hip", "Spine", "Thorax", "Nose", "Head")]


def on_body28(sequence: PoseSequence, bridge: bool) -> PoseSequence:
    """The sequence on BODY28, NaN with confidence 0 where a joint is absent or was not found.

    Args:
        sequence: with keypoints of any known skeleton.
        bridge: interpolate short gaps of single joints first, and count what has confidence 0 as not found.

    Returns:
        Frames in which too little of the body was found to know direction and size (half of hips and shoulders, and a
        long bone) are NaN as a whole, with ``has_person`` False.

    Raises:
        PrmlError: no frame is left.
    """
    given = (bridge_gaps(sequence) if bridge else sequence).to_skeleton(BODY28)
    points = np.array(given.keypoints_px, np.float64)
    confidence = np.ones(points.shape[:2]) if given.confidence is None else np.array(given.confidence, np.float64)
    found = np.asarray(np.isfinite(points).all(-1))
    nobody = not found.any()
    trunk, certainty = _trunk(points, confidence)
    missing = ~found[:, _TRUNK]
    inferred = given.inferred
    if inferred is not None:  # a derived joint is, if one that it follows from is
        inferred = inferred.copy()
        derived = _trunk(points, (~inferred).astype(np.float64))[1] < 0.5
        inferred[:, _TRUNK] = np.where(missing, derived, inferred[:, _TRUNK])
    points[:, _TRUNK] = np.where(missing[..., None], trunk, points[:, _TRUNK])
    confidence[:, _TRUNK] = np.where(missing, certainty, confidence[:, _TRUNK])
    found = np.asarray(np.isfinite(points).all(-1))
    person = can_be_normalised(found)
    if not nobody and not person.any():
        raise PrmlError(
            "no frame has enough of the body for lifting: expected two of the hips and shoulders and both ends of a "
            "thigh, shin, arm or side of the trunk (NaN or confidence 0 means that a joint was not found)"
        )
    found &= person[:, None]
    has_person = given.has_person
    return given.with_(
        keypoints_px=np.where(found[..., None], points, np.nan),
        confidence=np.where(found, confidence, 0.0),
        has_person=person if has_person is None else has_person & person,
        filled=None if given.filled is None else given.filled & person,
        inferred=None if inferred is None else inferred | ~found,
        detected=given.detected if given.detected is not None else measured_joints(sequence),
    )


def _trunk(
    points: Float[Array, "T 28 2"], confidence: Float[Array, "T 28"]
) -> tuple[Float[Array, "T 5 2"], Float[Array, "T 5"]]:
    """The trunk joints by the rule; the centre of the head lies between the ears, or at the one that was found."""
    points, confidence = points.copy(), confidence.copy()
    ears = [BODY28.index("LEar"), BODY28.index("REar")]
    for ear, other in (ears, ears[::-1]):
        lost = np.isnan(points[:, ear]).any(-1)
        points[lost, ear], confidence[lost, ear] = points[lost, other], confidence[lost, other]
    there, back = conversion(BODY28, MEASURED24), conversion(MEASURED24, BODY28)
    derived = back.apply(there.apply(points))
    return derived[:, _TRUNK], back.apply_confidence(there.apply_confidence(confidence))[:, _TRUNK]


def measured_joints(sequence: PoseSequence) -> Bool[Array, "28"]:
    """Joints of BODY28 that the sequence's keypoints measure: neither absent from its skeleton nor derived.

    A joint that is in its skeleton but was found in no frame is not measured either.
    """
    ever = np.isfinite(np.asarray(sequence.keypoints_px)).all(-1).any(0)
    return conversion(sequence.skeleton, BODY28).apply_flags(ever)
