"""A mannequin around the joints of a frame: rounded bodies whose ends are combinations of joints.

The overlay and the page draw the same table, so a page carries no more than its joints. Where the skeleton has neither
hands nor feet nor a face, they follow forearms, shins and shoulders in an average shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from prml.sequence import PoseSequence
from prml.skeleton import Skeleton

Array = np.ndarray
LEG_M = 0.85  # thigh and shin of the person that widths below are for, as in prml.rig.mannequin
Cross = tuple[str, str, str, str, float]  # (b - a) x (d - c) of these joints, as long as the number says, metres


@dataclass(frozen=True)
class Place:
    """A point if the weights add up to one, a direction if to zero.

    Attributes:
        weights: of joints, by name.
        across: a vector that is perpendicular to two lines between joints, or None.
    """

    weights: dict[str, float]
    across: Cross | None = None


@dataclass(frozen=True)
class Body:
    """A capsule with an elliptic section.

    Attributes:
        start, end: centres of its caps.
        radii: half widths at start and end, metres for a leg of ``LEG_M``.
        side: direction in which it is that wide; None for a round one.
        deep: half width across that, as a share.
        tone: "left", "right", "middle" or "dark".
    """

    start: Place
    end: Place
    radii: tuple[float, float]
    side: Place | None = None
    deep: float = 1.0
    tone: str = "middle"

    @property
    def joints(self) -> tuple[str, ...]:
        """Joints that its ends depend on."""
        return tuple(dict.fromkeys([*self.start.weights, *self.end.weights]))


def _on(a: str, b: str, share: float) -> Place:
    """A share of the way from one joint to another."""
    return Place({a: 1 - share, b: share})


def _way(a: str, b: str) -> Place:
    return Place({a: -1.0, b: 1.0})


def bodies(skeleton: Skeleton) -> tuple[Body, ...]:
    """Return the bodies of a skeleton that holds the joints of Human3.6M, as H36M17 and BODY28 do; else none."""
    named = set(skeleton.joints)
    if not {"Hip", "LKnee", "RAnkle", "Spine", "Thorax", "Nose", "Head", "LShoulder", "RWrist"} <= named:
        return ()
    out = [*_trunk(), *(_head28() if {"NoseTip", "LEar", "REar"} <= named else _head17())]
    for side, tone in (("L", "left"), ("R", "right")):
        out += _limbs(side, tone)
        out += _hand28(side, tone) if f"{side}Thumb" in named else _hand17(side, tone)
        out += _foot28(side, tone) if f"{side}Toe" in named else _foot17(side, tone)
    return tuple(out)


def shape_note(skeleton: Skeleton) -> str:
    """Return one line that says what of a mannequin no joint shows; empty if all of it is measured."""
    return "" if "LHeel" in skeleton.joints else "hands, feet and face: an average shape, not measured"


def _trunk() -> list[Body]:
    shoulders, hips = _way("RShoulder", "LShoulder"), _way("RHip", "LHip")
    return [
        Body(_on("Hip", "LHip", 0.6), _on("Hip", "RHip", 0.6), (0.095, 0.095)),
        Body(_on("Hip", "Spine", 0.15), _on("Hip", "Spine", 0.9), (0.128, 0.118), hips, 0.72),
        Body(_on("Spine", "Thorax", 0.1), _on("Spine", "Thorax", 0.68), (0.122, 0.15), shoulders, 0.68),
        Body(_on("Thorax", "LShoulder", 0.25), _on("Thorax", "LShoulder", 0.95), (0.05, 0.052)),
        Body(_on("Thorax", "RShoulder", 0.25), _on("Thorax", "RShoulder", 0.95), (0.05, 0.052)),
        Body(_on("Thorax", "Nose", 0.0), _on("Thorax", "Nose", 0.9), (0.055, 0.05)),
    ]


def _head28() -> list[Body]:
    ears = _way("REar", "LEar")
    low = Place({"LEar": 0.25, "REar": 0.25, "NoseTip": 0.2, "Nose": 0.3})
    high = Place({"LEar": 0.3, "REar": 0.3, "Head": 0.4})
    bridge = Place({"NoseTip": 0.9, "LEar": 0.05, "REar": 0.05, "Head": 0.25, "Nose": -0.25})
    eyes = [
        Place({"NoseTip": 0.8, ear: 0.35, other: -0.15, "Head": 0.35, "Nose": -0.35})
        for ear, other in (("LEar", "REar"), ("REar", "LEar"))
    ]
    return [
        Body(low, high, (0.066, 0.078), ears, 1.15),
        Body(bridge, Place({"NoseTip": 1.0}), (0.012, 0.018)),
        Body(eyes[0], eyes[1], (0.021, 0.021), tone="dark"),
    ]


def _head17() -> list[Body]:
    ahead = ("RShoulder", "LShoulder", "Nose", "Head")

    def face(up: float, forward: float, left: float = 0.0) -> Place:
        weights = {"Nose": 1 - up, "Head": up}
        return Place(weights | ({"LShoulder": left, "RShoulder": -left} if left else {}), (*ahead, forward))

    return [
        Body(face(0.3, 0.03), face(0.62, 0.01), (0.066, 0.078), _way("RShoulder", "LShoulder"), 1.15),
        Body(face(0.5, 0.115), face(0.3, 0.125), (0.012, 0.018)),
        Body(face(0.55, 0.1, 0.085), face(0.55, 0.1, -0.085), (0.021, 0.021), tone="dark"),
    ]


def _limbs(side: str, tone: str) -> list[Body]:
    lines = (
        ("Shoulder", "Elbow", 0.048, 0.038),
        ("Elbow", "Wrist", 0.039, 0.027),
        ("Hip", "Knee", 0.078, 0.054),
        ("Knee", "Ankle", 0.054, 0.036),
    )
    return [Body(_on(side + a, side + b, 0), _on(side + a, side + b, 1), (p, q), tone=tone) for a, b, p, q in lines]


def _hand28(side: str, tone: str) -> list[Body]:
    wrist, hand, thumb = side + "Wrist", side + "Hand", side + "Thumb"
    return [
        Body(_on(wrist, hand, 0.3), _on(wrist, hand, 1.75), (0.034, 0.036), _way(wrist, thumb), 0.42, tone),
        Body(_on(wrist, thumb, 0.35), _on(wrist, thumb, 1.25), (0.014, 0.011), tone=tone),
    ]


def _hand17(side: str, tone: str) -> list[Body]:
    elbow, wrist = side + "Elbow", side + "Wrist"
    return [Body(_on(elbow, wrist, 1.1), _on(elbow, wrist, 1.45), (0.03, 0.03), tone=tone)]


def _foot28(side: str, tone: str) -> list[Body]:
    ankle, heel, toe = side + "Ankle", side + "Heel", side + "Toe"
    flat = Place({}, (heel, toe, heel, ankle, 1.0))
    return [
        Body(_on(heel, toe, 0.05), _on(heel, toe, 0.92), (0.034, 0.042), flat, 0.48, tone),
        Body(Place({ankle: 0.9, toe: 0.1}), Place({ankle: 0.3, toe: 0.62, heel: 0.08}), (0.038, 0.026), tone=tone),
        Body(Place({ankle: 0.85, heel: 0.15}), Place({ankle: 0.18, heel: 0.75, toe: 0.07}), (0.036, 0.03), tone=tone),
    ]


def _foot17(side: str, tone: str) -> list[Body]:
    hip, ankle = side + "Hip", side + "Ankle"  # across the leg as a whole, which is more upright than a shin

    def under(ahead: float, down: float) -> Place:
        return Place({ankle: 1 + down, hip: -down}, ("RHip", "LHip", ankle, hip, ahead))

    return [
        Body(under(-0.04, 0.07), under(0.15, 0.07), (0.034, 0.042), _way("RHip", "LHip"), 0.48, tone),
        Body(under(0.01, 0.01), under(0.1, 0.05), (0.038, 0.026), tone=tone),
        Body(under(0.0, 0.005), under(-0.035, 0.05), (0.036, 0.03), tone=tone),
    ]


@dataclass(frozen=True)
class Mannequin:
    """The bodies of a skeleton at the size of a person.

    Attributes:
        skeleton: joint set.
        scale: factor of all widths, see :func:`size_of`.
    """

    skeleton: Skeleton
    scale: float

    @classmethod
    def of(cls, sequence: PoseSequence) -> "Mannequin | None":
        """The mannequin of a sequence; None for a skeleton that has no bodies."""
        return cls(sequence.skeleton, size_of(sequence)) if bodies(sequence.skeleton) else None

    @cached_property
    def bodies(self) -> tuple[Body, ...]:
        """The bodies, their radii in metres of this person."""
        return tuple(
            replace(body, radii=(self.scale * body.radii[0], self.scale * body.radii[1]))
            for body in bodies(self.skeleton)
        )

    @cached_property
    def radii_m(self) -> Float[Array, "N 2"]:
        """(N, 2) half widths at start and end."""
        return np.array([body.radii for body in self.bodies])

    @cached_property
    def deep(self) -> Float[Array, " N"]:
        """(N,) half widths across the sides, as a share."""
        return np.array([body.deep for body in self.bodies])

    @cached_property
    def joints(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the joints that the ends of every body depend on."""
        return tuple(tuple(self.skeleton.index(name) for name in body.joints) for body in self.bodies)

    def ends(self, joints_m: Float[Array, "J 3"]) -> Float[Array, "2 N 3"]:
        """Return starts and ends of the bodies, in metres and the axes of the joints."""
        return self._places[0](joints_m).reshape(2, -1, 3)

    def sides(self, joints_m: Float[Array, "J 3"]) -> Float[Array, "N 3"]:
        """Return unit vectors across the bodies along which they are as wide as ``radii_m``; any for round ones."""
        start, end = self.ends(joints_m)
        way, side = end - start, self._places[1](joints_m)
        along = way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-9)
        side = side - np.einsum("nc,nc->n", side, along)[:, None] * along
        return np.asarray(side / np.maximum(np.linalg.norm(side, axis=-1, keepdims=True), 1e-9))

    @cached_property
    def _places(self) -> "tuple[_Table, _Table]":
        ends = [body.start for body in self.bodies] + [body.end for body in self.bodies]
        sides = [body.side or Place({}) for body in self.bodies]
        return _Table.of(ends, self.skeleton, self.scale), _Table.of(sides, self.skeleton, self.scale)

    def record(self) -> list[dict[str, Any]]:
        """Return the bodies as plain values for the page, joints by index."""
        index = self.skeleton.index

        def plain(place: Place | None) -> dict[str, Any] | None:
            if place is None:
                return None
            out: dict[str, Any] = {"weights": [[index(name), round(w, 4)] for name, w in place.weights.items()]}
            if place.across is not None:
                *names, long = place.across
                out["across"] = [*(index(str(name)) for name in names), round(self.scale * float(long), 4)]
            return out

        return [
            {
                "ends": [plain(body.start), plain(body.end)],
                "side": plain(body.side),
                "radii": [round(radius, 4) for radius in body.radii],
                "deep": body.deep,
                "tone": body.tone,
                "joints": joints,
            }
            for body, joints in zip(self.bodies, self.joints, strict=True)
        ]


@dataclass(frozen=True)
class _Table:
    """Places as arrays: a matrix of weights, and the rows that have a vector across."""

    weights: Float[Array, "P J"]
    rows: Int[Array, " R"]
    lines: Int[Array, "R 4"]
    lengths: Float[Array, "R 1"]

    @classmethod
    def of(cls, places: Sequence[Place], skeleton: Skeleton, scale: float) -> "_Table":
        weights = np.zeros((len(places), len(skeleton)))
        for row, place in enumerate(places):
            for name, weight in place.weights.items():
                weights[row, skeleton.index(name)] = weight
        crossed = [(row, place.across) for row, place in enumerate(places) if place.across is not None]
        lines = np.array([[skeleton.index(name) for name in across[:4]] for _, across in crossed], int)
        lengths = np.array([scale * across[4] for _, across in crossed], float)
        rows = np.array([row for row, _ in crossed], int)
        return cls(weights, rows, lines.reshape(-1, 4), lengths.reshape(-1, 1))

    def __call__(self, joints_m: Float[Array, "J 3"]) -> Float[Array, "P 3"]:
        out = self.weights @ joints_m
        if len(self.rows):
            a, b, c, d = np.moveaxis(joints_m[self.lines], 1, 0)
            way = _cross(b - a, d - c)
            out[self.rows] += self.lengths * way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-9)
        return np.asarray(out)


def _cross(a: Float[Array, "n 3"], b: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
    """``np.cross``, which is slow on few rows."""
    return np.asarray(a[:, [1, 2, 0]] * b[:, [2, 0, 1]] - a[:, [2, 0, 1]] * b[:, [1, 2, 0]])


def size_of(sequence: PoseSequence) -> float:
    """Return the factor of all widths: the median length of a leg over ``LEG_M``; 1 if none is seen."""
    joints, index = sequence.joints_m, sequence.skeleton.index
    if joints is None:
        return 1.0
    lines = [(index(s + a), index(s + b)) for s in "LR" for a, b in (("Hip", "Knee"), ("Knee", "Ankle"))]
    lengths = np.array([np.linalg.norm(joints[:, b] - joints[:, a], axis=-1) for a, b in lines])
    seen = np.isfinite(lengths).all(0)
    return float(np.median(lengths[:, seen], axis=1).sum()) / 2 / LEG_M if seen.any() else 1.0
