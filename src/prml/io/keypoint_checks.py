"""Detect faults in 2D keypoints: normalised values, another image size, y pointing up, left and right swapped.

Keypoint readers and ``prml data check`` share these rules. A :class:`Doubt` is evidence, not proof. The thresholds
raise none on the test clips of ``data/mocap`` (exact or with detector noise) or on the example clip, whichever way
people face and whether they stand on their feet or their hands (measured in tests/io).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from prml.filters.repair import seen_joints
from prml.skeleton import Skeleton

Array = np.ndarray
Points = Float[Array, "T J 2"]
Seen = Bool[Array, "T J"]
_FACE = ("Nose", "LEye", "REye")
_LIMBS = ("Elbow", "Wrist", "Knee", "Ankle")
_BODY = ("LShoulder", "RShoulder", "LHip", "RHip")
_NORMALISED = 4.0  # pixels: a person of this size cannot be lifted, and normalised values stay below
_OUTSIDE_JOINTS = 0.10  # reported share of joints outside the image
_OUTSIDE_FRAMES = 0.05  # reported share of frames with most joints outside
_CLEAR = 0.25  # in trunk lengths: width of hips and shoulders at which a person clearly faces or turns away
_MIN_FRAMES = 10
_WALKED = 1.5  # ratio of sizes at which a person has clearly walked to or from the camera
_SURE = 0.8  # share of frames that must agree


@dataclass(frozen=True)
class Doubt:
    """One thing that looks wrong.

    Attributes:
        level: "error": the keypoints cannot be used as they are; "warning": they should be checked.
        text: what looks wrong, and what to do.
    """

    level: Literal["error", "warning"]
    text: str


def placeholders(points: Points) -> Seen:
    """Find joints at exactly (0, 0) or (-1, -1), which many programs write for a joint that was not found."""
    return np.asarray((points == 0).all(-1) | (points == -1).all(-1))


def check_keypoints(
    skeleton: Skeleton,
    points_px: Points,
    confidence: Float[Array, "T J"] | None,
    image_size: tuple[int, int] | None,
) -> list[Doubt]:
    """Return everything that looks wrong in the keypoints of one person.

    The rules consider joints that were found (finite, non-zero confidence). In a "clear" frame the left and right hip,
    and the left and right shoulder, are at least a quarter of the trunk's length apart, in the same direction.

    - normalised (error): 99 % of the values lie between -4 and 4.
    - outside: no joint lies in the image (error); or more than 10 % of the joints lie outside, or most joints do in
      more than 5 % of the frames (warning).
    - y up: in 80 % of the frames with an upright or inverted trunk the head is below the hips, and in 80 % of these
      the wrists are above the head, where hands are neither in a handstand nor when hanging down.
    - sides: in 80 % of at least ten frames shoulders and hips point opposite ways; or, in 80 % of at least ten clear
      frames with the back turned, the face is seen (eyes and nose with confidence 0.8, if the file has lower values
      elsewhere) or both feet point at the camera; or, in 80 % of at least ten frames from the side, elbows, wrists,
      knees and ankles of the hidden side have the higher confidence (by 0.15); or trunk, legs and shoulders grow by
      half while the back is turned to the camera, or shrink as much while the front is.

    Swapped sides can only be found with joints of the face or feet, or in a person who walks to or from the camera;
    otherwise swapped keypoints look just like a person who faces the other way.

    Args:
        skeleton: joint set.
        points_px: (T, J, 2) pixels from the top-left corner; NaN for joints that were not found.
        confidence: (T, J) 0 to 1; None if unknown.
        image_size: width and height in pixels; None if unknown.

    Returns:
        Doubts, errors first; after an error the remaining rules are skipped.
    """
    seen = seen_joints(points_px, confidence)
    if not seen.any():
        return []
    errors = [*_normalised(points_px, seen), *_outside(points_px, seen, image_size)]
    if any(doubt.level == "error" for doubt in errors):
        return errors[:1]
    body = _Body(skeleton, points_px, seen)
    if not body.known:
        return errors
    up = list(_y_up(body))
    return [*errors, *up, *([] if up else _sides(body, confidence))]


def _normalised(points: Points, seen: Seen) -> Iterator[Doubt]:
    if np.quantile(np.abs(points[seen]), 0.99) <= _NORMALISED:
        low, high = points[seen].min(), points[seen].max()
        text = f"the values lie between {low:.3g} and {high:.3g}: they look normalised, expected pixels"
        yield Doubt("error", f"{text}; multiply by width and height")


def _outside(points: Points, seen: Seen, size: tuple[int, int] | None) -> Iterator[Doubt]:
    if size is None:
        return
    outside = ((points < 0) | (points > size)).any(-1) & seen
    frames = seen.any(1)
    share = outside.sum() / seen.sum()
    gone = float((outside.sum(1) > 0.5 * seen.sum(1))[frames].mean())
    image = f"the image of {size[0]} x {size[1]} pixels"
    hint = "are width and height those of the images, and is (0, 0) the top-left corner?"
    if share == 1:
        yield Doubt("error", f"every joint lies outside {image}; {hint}")
    elif share > _OUTSIDE_JOINTS or gone > _OUTSIDE_FRAMES:
        detail = f", most joints in {100 * gone:.0f} % of the frames" if gone > _OUTSIDE_FRAMES else ""
        yield Doubt("warning", f"{100 * share:.0f} % of the joints lie outside {image}{detail}; {hint}")


class _Body:
    """The joints that the rules use, by name; NaN where they were not found."""

    def __init__(self, skeleton: Skeleton, points: Points, seen: Seen) -> None:
        self.names = set(skeleton.joints)
        self.known = set(_BODY) <= self.names
        self.points = np.where(seen[..., None], points.astype(np.float64), np.nan)
        self.skeleton = skeleton
        if not self.known:
            return
        self.hip = self.middle("LHip", "RHip")
        self.shoulder = self.middle("LShoulder", "RShoulder")
        length = np.linalg.norm(self.shoulder - self.hip, axis=-1)
        self.trunk = np.where(length > 0, length, np.nan)

    def at(self, joint: str) -> Float[Array, "T 2"]:
        """Return the positions of a joint."""
        return np.asarray(self.points[:, self.skeleton.index(joint)])

    def has(self, *joints: str) -> bool:
        """Whether the skeleton has all these joints."""
        return set(joints) <= self.names

    def middle(self, a: str, b: str) -> Float[Array, "T 2"]:
        """Return the midpoint of two joints."""
        return np.asarray((self.at(a) + self.at(b)) / 2)

    def across(self, joint: str) -> Float[Array, " T"]:
        """Return how far the left joint is to the right of the right one in the image, in trunk lengths."""
        return np.asarray((self.at("L" + joint) - self.at("R" + joint))[:, 0] / self.trunk)

    @property
    def nose(self) -> str:
        """Name of the tip of the nose; of BODY28's joints, ``Nose`` is the neck."""
        return "NoseTip" if "NoseTip" in self.names else "Nose"

    @property
    def head(self) -> Float[Array, "T 2"] | None:
        """Centre of the head, or the nearest joint of the skeleton."""
        if self.has("LEar", "REar"):
            ears = self.middle("LEar", "REar")
            return np.asarray(np.where(np.isnan(ears), self.at(self.nose), ears))
        return next((self.at(name) for name in ("HeadCentre", "Head", "Nose") if name in self.names), None)

    @property
    def upright(self) -> Bool[Array, " T"]:
        """Whether the trunk is upright in the image."""
        return np.asarray((self.hip - self.shoulder)[:, 1] > 0.7 * self.trunk)

    @property
    def toe(self) -> str | None:
        """Name of the toe joint, if the skeleton has toes and heels."""
        return next((n for n in ("BigToe", "FootIndex", "Toe") if self.has(f"L{n}", f"R{n}", "LHeel", "RHeel")), None)

    def feet(self, axis: int) -> Float[Array, "2 T"]:
        """Return how far toes are to the right of (axis 0) or below (1) heels, left and right, in trunk lengths."""
        return np.stack([(self.at(s + str(self.toe)) - self.at(s + "Heel"))[:, axis] / self.trunk for s in "LR"])

    @property
    def heading(self) -> Float[Array, " T"] | None:
        """How far the feet, else the face, point to the right of the image, in trunk lengths; None without either."""
        if self.toe:
            return np.asarray(self.feet(0).mean(axis=0))
        if not self.has(self.nose, "LEar", "REar"):
            return None
        ears = np.where(np.isnan(self.at("LEar")), self.at("REar"), self.at("LEar"))
        return np.asarray((self.at(self.nose) - ears)[:, 0] / self.trunk)

    @property
    def facing(self) -> Float[Array, " T"]:
        """1 in clear frames with an upright person facing the camera, -1 with the back turned, else 0."""
        hips, shoulders = self.across("Hip"), self.across("Shoulder")
        clear = (np.minimum(np.abs(hips), np.abs(shoulders)) > _CLEAR) & (hips * shoulders > 0) & self.upright
        return np.where(clear, np.sign(hips), 0.0)


def _y_up(body: _Body) -> Iterator[Doubt]:
    head = body.head
    if head is None or not body.has("LWrist", "RWrist"):
        return
    below = head[:, 1] - body.hip[:, 1]
    vertical = np.abs(below) > 0.7 * np.linalg.norm(head - body.hip, axis=-1)  # False where unknown
    if not vertical.any() or (below > 0)[vertical].mean() < _SURE:
        return
    inverted = vertical & (below > 0)
    wrists = np.fmin(body.at("LWrist")[:, 1], body.at("RWrist")[:, 1])
    if (wrists < head[:, 1])[inverted].mean() >= _SURE:
        text = (
            f"the head is below the hips in {100 * (below > 0)[vertical].mean():.0f} % of the frames, a hand above it"
        )
        hint = "y points up (expected down from the top edge: give height - y), or the images are upside down"
        yield Doubt("warning", f"{text}: {hint}")


def _sides(body: _Body, confidence: Float[Array, "T J"] | None) -> Iterator[Doubt]:
    hips, shoulders = body.across("Hip"), body.across("Shoulder")
    wide = np.minimum(np.abs(hips), np.abs(shoulders)) > _CLEAR
    if wide.sum() >= _MIN_FRAMES and (hips * shoulders < 0)[wide].mean() >= _SURE:
        yield Doubt("warning", "shoulders and hips point opposite ways: left and right look swapped in one of them")
        return
    facing = body.facing
    reasons = [*_face(body, facing, confidence), *_feet(body, facing), *_hidden(body, confidence), *_walk(body, facing)]
    if reasons:
        yield Doubt("warning", f"{reasons[0]}: left and right look swapped; expected the person's own left and right")


def _face(body: _Body, facing: Array, confidence: Float[Array, "T J"] | None) -> Iterator[str]:
    if (
        confidence is None or body.toe == "FootIndex" or not body.has(*_FACE)
    ):  # BlazePose gives high confidence to faces that it cannot see
        return
    away = facing < 0
    weakest = confidence[:, [body.skeleton.index(name) for name in _FACE]].min(axis=1)
    if away.sum() < _MIN_FRAMES or not (confidence[confidence > 0] < _SURE).any():
        return
    if (weakest[away] >= _SURE).mean() >= _SURE:
        yield f"eyes and nose are seen in {int(away.sum())} frames with the back turned"


def _feet(body: _Body, facing: Array) -> Iterator[str]:
    if body.toe is None:
        return
    forward = body.feet(1).min(axis=0)  # of the foot that points less towards the camera
    away = (facing < 0) & np.isfinite(forward)
    if away.sum() >= _MIN_FRAMES and (forward[away] > 0.06).mean() >= _SURE:
        yield f"both feet point at the camera in {int(away.sum())} frames with the back turned"


def _hidden(body: _Body, confidence: Float[Array, "T J"] | None) -> Iterator[str]:
    """From the side, the nearer limbs have the higher confidence, and feet or face tell which are nearer."""
    heading = body.heading
    if confidence is None or heading is None or not body.has(*(s + j for s in "LR" for j in _LIMBS)):
        return
    narrow = np.maximum(np.abs(body.across("Hip")), np.abs(body.across("Shoulder"))) < 0.5 * _CLEAR
    left, right = (confidence[:, [body.skeleton.index(s + j) for j in _LIMBS]].mean(axis=1) for s in "LR")
    at = body.upright & narrow & (np.abs(heading) > 0.1) & (np.abs(left - right) > 0.15)
    # a person who heads to the right of the image shows the right side
    if at.sum() >= _MIN_FRAMES and ((left > right) == (heading > 0))[at].mean() >= _SURE:
        yield f"in {int(at.sum())} frames from the side the limbs that should be hidden have the higher confidence"


def _walk(body: _Body, facing: Array) -> Iterator[str]:
    """Detect a person who appears to walk backwards, to or from the camera, throughout."""
    at = np.flatnonzero(facing)
    if len(at) < 3 * _MIN_FRAMES or not body.has("LKnee", "RKnee", "LAnkle", "RAnkle"):
        return
    if len(at) < _SURE * np.isfinite(body.trunk).sum() or (facing[at] == facing[at[0]]).mean() < 0.95:
        return  # not upright, or not facing one way throughout
    legs = [
        np.linalg.norm(body.at(s + "Hip") - body.at(s + "Knee"), axis=-1)
        + np.linalg.norm(body.at(s + "Knee") - body.at(s + "Ankle"), axis=-1)
        for s in "LR"
    ]
    width = np.abs(body.across("Shoulder")) * body.trunk
    nearer = [facing[at[0]] * _growth(size[at]) for size in (body.trunk, width, np.maximum(*legs))]
    if all(growth < -np.log(_WALKED) for growth in nearer):  # False if one is unknown
        yield "the person walks backwards throughout"


def _growth(size: Float[Array, " T"]) -> float:
    """Return the logarithm of the growth of a size: the median of the last fifth over that of the first."""
    size = size[np.isfinite(size) & (size > 0)]
    fifth = len(size) // 5
    return float(np.log(np.median(size[-fifth:]) / np.median(size[:fifth]))) if fifth else np.nan
