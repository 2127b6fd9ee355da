"""A mannequin around a rig: rounded bodies, each of which moves with one bone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from prml.rig.rig import Rig
from prml.rotations import unit

Array = np.ndarray
_AROUND, _CAP = 16, 4  # points around a body, rings of each of its caps
_LEG_M = 0.85  # thigh and shin of the person that the widths below are for


@dataclass(frozen=True)
class Mesh:
    """Triangles in the rest pose, relative to the hips.

    Attributes:
        points_m: (V, 3) metres.
        normals: (V, 3) unit vectors outwards.
        bones: (V,) index of the bone that a point moves with.
        triangles: (F, 3) indices of points, counter-clockwise from outside.
    """

    points_m: Float[Array, "V 3"]
    normals: Float[Array, "V 3"]
    bones: Int[Array, " V"]
    triangles: Int[Array, "F 3"]


def mannequin(rig: Rig) -> Mesh:
    """Return a mannequin of the size of a rig in its rest pose; the face shows where a head looks."""
    bodies = list(_Bodies(rig).all())
    counts = np.cumsum([0] + [len(points) for _, points, _ in bodies])
    grid = _triangles()
    return Mesh(
        np.concatenate([points for _, points, _ in bodies]),
        np.concatenate([normals for _, _, normals in bodies]),
        np.repeat([bone for bone, _, _ in bodies], np.diff(counts)),
        np.concatenate([grid + start for start in counts[:-1]]),
    )


def rounded(
    start: Float[Array, "3"], end: Float[Array, "3"], wide: float, deep: float, side: Float[Array, "3"]
) -> tuple[Float[Array, "V 3"], Float[Array, "V 3"]]:
    """Return points and normals of a capsule with an elliptic section and rounded ends that reach past its ends.

    Args:
        start: centre of one cap.
        end: of the other.
        wide: half width along ``side``.
        deep: half width across it; the caps are as high as the smaller one.
        side: a direction that is not along the capsule.
    """
    way = end - start
    along = unit(way) if np.linalg.norm(way) > 1e-6 else unit(np.cross(side, [0.3, 0.5, 0.8]))
    side = unit(side - (side @ along) * along)
    high = min(wide, deep)
    lift = np.concatenate([np.linspace(-np.pi / 2, 0, _CAP + 1), np.linspace(0, np.pi / 2, _CAP + 1)])[:, None]
    turn = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)[None]
    a, b, c = np.cos(lift) * np.cos(turn), np.cos(lift) * np.sin(turn), np.sin(lift) * np.ones_like(turn)
    axes = np.stack([side, np.cross(along, side), along])
    points = np.stack([wide * a, deep * b, high * c], -1) @ axes
    points[: _CAP + 1] += start
    points[_CAP + 1 :] += end
    normals = unit(np.stack([a / wide, b / deep, c / high], -1) @ axes)
    return points.reshape(-1, 3), normals.reshape(-1, 3)


def _triangles() -> Int[Array, "F 3"]:
    rings = 2 * (_CAP + 1)
    ring, column = np.meshgrid(np.arange(rings - 1), np.arange(_AROUND), indexing="ij")
    a, b = ring * _AROUND + column, ring * _AROUND + (column + 1) % _AROUND
    c, d = a + _AROUND, b + _AROUND
    first, second = np.stack([a, b, d], -1), np.stack([a, d, c], -1)
    # the rings at the poles are points: one of the two triangles of a square there has no area
    return np.concatenate([first[1:].reshape(-1, 3), second[:-1].reshape(-1, 3)])


Body = tuple[int, Float[Array, "V 3"], Float[Array, "V 3"]]  # bone, points, normals
Triple = tuple[float, float, float]


class _Bodies:
    """The bodies of a rig; widths are in metres for a person whose legs are 0.85 m long."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.head = dict(zip(rig.names, rig.heads_m, strict=True))
        starts = dict(zip(rig.parents, rig.heads_m, strict=True))  # of a bone's last child
        self.tail = {name: starts[k] for k, name in enumerate(rig.names) if k in starts}
        self.tail |= {name: self.head[name] + end for name, end in rig.ends_m.items()}
        bones = [side + part for side in ("Left", "Right") for part in ("UpLeg", "Leg")]
        legs_m = float(sum(np.linalg.norm(self.tail[bone] - self.head[bone]) for bone in bones))
        self.scale = max(legs_m / 2 / _LEG_M, 0.01)  # joints that coincide make no body, but no error either

    def all(self) -> Iterator[Body]:
        yield from self._trunk()
        for sign, side in ((1.0, "Left"), (-1.0, "Right")):
            yield from self._arm(side, sign)
            yield from self._leg(side)

    def _body(self, bone: str, start: Array, end: Array, wide: float, deep: float, side: Triple = (1, 0, 0)) -> Body:
        scale = self.scale
        return (self.rig.index(bone), *rounded(start, end, scale * wide, scale * deep, np.array(side, float)))

    def _along(
        self, bone: str, wide: float, deep: float, share: tuple[float, float] = (0, 1), side: Triple = (1, 0, 0)
    ) -> Body:
        """A body from one share of a bone's length to another."""
        start, way = self.head[bone], self.tail[bone] - self.head[bone]
        return self._body(bone, start + share[0] * way, start + share[1] * way, wide, deep, side)

    def _point(self, joint: str, bone: str, otherwise: Triple) -> Float[Array, "3"]:
        """Place of a joint that is fixed to a bone; the usual place if the rig has none."""
        if joint in self.rig.points:
            return np.asarray(self.head[bone] + self.rig.points[joint][1])
        return np.asarray(self.head[bone] + self.scale * np.array(otherwise))

    def _trunk(self) -> Iterator[Body]:
        hips = self.head["LeftUpLeg"], self.head["RightUpLeg"]
        yield self._body("Hips", 0.6 * hips[0], 0.6 * hips[1], 0.09, 0.10, (0, 0, 1))
        yield self._along("Spine", 0.125, 0.085, (0.1, 0.9))
        yield self._along("Spine1", 0.145, 0.095, (0.15, 0.7))
        yield self._along("Neck", 0.05, 0.05, (0, 0.9))
        neck, top = self.head["Head"], self.tail["Head"]
        nose = self._point("NoseTip", "Head", (0, 0.03, 0.115))
        middle = (neck + top) / 2 + 0.15 * (nose - neck) * [0, 0, 1]
        yield self._body("Head", middle - 0.3 * (top - neck), middle + 0.3 * (top - neck), 0.075, 0.095)
        yield self._body("Head", nose - 0.3 * (nose - middle), nose, 0.016, 0.016)

    def _arm(self, side: str, sign: float) -> Iterator[Body]:
        yield self._along(f"{side}Shoulder", 0.05, 0.05, (0.25, 1), (0, 0, 1))
        yield self._along(f"{side}Arm", 0.045, 0.045, side=(0, 0, 1))
        yield self._along(f"{side}ForeArm", 0.036, 0.036, side=(0, 0, 1))
        yield self._along(f"{side}Hand", 0.042, 0.016, (0.2, 1.9), (0, 0, 1))
        thumb = self._point(f"{side[0]}Thumb", f"{side}Hand", (sign * 0.075, -0.015, 0.048))
        wrist = self.head[f"{side}Hand"]
        yield self._body(f"{side}Hand", wrist + 0.3 * (thumb - wrist), wrist + 1.25 * (thumb - wrist), 0.013, 0.013)

    def _leg(self, side: str) -> Iterator[Body]:
        yield self._along(f"{side}UpLeg", 0.07, 0.07)
        yield self._along(f"{side}Leg", 0.048, 0.052)
        ankle, ball, foot = self.head[f"{side}Foot"], self.head[f"{side}ToeBase"], f"{side}Foot"
        heel = self._point(f"{side[0]}Heel", foot, (0, -0.07, -0.055))
        up = np.array([0, 0.015, 0]) * self.scale
        yield self._body(foot, heel + up, ball + up, 0.04, 0.035)
        yield self._body(foot, ankle, ankle + 0.75 * (ball - ankle) + up, 0.038, 0.032)
        yield self._along(f"{side}ToeBase", 0.042, 0.02, (0, 0.9))
