"""Draw a motion in its room: a mannequin over its path and its footprints, from a fixed viewpoint."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from prml.sequence import CONTACTS, PoseSequence
from prml.view.mannequin import Mannequin
from prml.view.overlay.figure import BODY, FigurePanel, as_points, deepen, ring
from prml.view.raster import Image, capsule
from prml.view.room import FOOTPRINT_M, Footprints, path_on_floor
from prml.view.stage import LEFT, RIGHT, Colour, Stage

Array = np.ndarray
PATH: Colour = (150, 158, 172)
_COLOURS: dict[str, Colour] = {"left": LEFT, "right": RIGHT, "middle": BODY, "dark": (46, 52, 64)}
_RING = np.stack([np.cos(np.linspace(0, 2 * np.pi, 13)), np.sin(np.linspace(0, 2 * np.pi, 13)), np.zeros(13)], -1)
_THICK_M, _SHADOW = 0.037, 0.75  # bodies that throw a shadow; its radius at half resolution as a share of theirs
_SAMPLES = 500  # places of the path that the panel is fitted to
_KEPT = 8  # empty rooms with the footprints of a moment


@dataclass(frozen=True, kw_only=True)
class RoomPanel(FigurePanel):
    """An observer's fixed view of a room.

    Attributes:
        mannequin: bodies around the joints.
        footprints: where feet stood.
        path: the pelvis' path on the floor in pieces, world metres.
    """

    mannequin: Mannequin
    footprints: Footprints
    path: tuple[Float[Array, "n 3"], ...]

    @classmethod
    def of(
        cls, sequence: PoseSequence, stage: Stage, width: int, height: int, yaw_deg: float, pitch_deg: float
    ) -> "RoomPanel | None":
        """The panel of a motion; None if its skeleton has no mannequin."""
        figure = Mannequin.of(sequence)
        if figure is None:
            return None
        return cls(
            stage,
            sequence.skeleton,
            width,
            height,
            yaw_deg,
            pitch_deg,
            mannequin=figure,
            footprints=Footprints.of(sequence),
            path=tuple(path_on_floor(sequence)),
        )

    def _outline(self) -> Float[Array, "n 3"]:
        """Return places at height 0 around the person along the whole path."""
        if not self.path:
            return super()._outline()
        path = np.concatenate(self.path) @ self.stage.R_view.T
        some = path[:: 1 + len(path) // _SAMPLES] * [1, 0, 1]
        return np.asarray(some[:, None] + ring(self.stage.reach_m)).reshape(-1, 3)

    @cached_property
    def background(self) -> Image:
        """(height, width, 3) the empty room: its floor, the path, and all footprints, faint."""
        image = self.empty()
        for piece in self.path:
            pixels = as_points(self.project(piece @ self.stage.R_view.T)[0])
            for p, q in zip(pixels, pixels[1:] or pixels, strict=False):
                capsule(image, p, q, (1.1, 1.1), PATH, opacity=0.75)
        for number in range(len(self.footprints)):
            self._print(image, number, 0.55, 0.8)
        return image

    def draw(
        self, joints_m: Float[Array, "J 3"] | None, opacity: Float[Array, " J"] | None = None, frame: int | None = None
    ) -> Image:
        """Draw the mannequin, and what it stands on in a frame, as (height, width, 3) RGB; the room for None or NaN."""
        standing = () if frame is None else self.footprints.at(frame)
        image = self._stood_on(standing).copy()
        if joints_m is None or not np.isfinite(joints_m).all():
            return image
        joints = joints_m @ self.stage.R_view.T
        strength: list[float] = [1.0] * len(joints) if opacity is None else opacity.tolist()
        ends, thick = self.mannequin.ends(joints), self._thick
        self._shadow(image, ends[:, thick], _SHADOW * self.mannequin.radii_m[thick, 0], sum(strength) / len(strength))
        self._bodies(image, joints, ends, strength)
        return image

    @cached_property
    def _rooms(self) -> dict[tuple[int, ...], Image]:
        return {}

    def _stood_on(self, standing: tuple[int, ...]) -> Image:
        """Return the empty room in which some footprints are bright; feet stand for many frames."""
        if not standing:
            return self.background
        if standing not in self._rooms:
            while len(self._rooms) >= _KEPT:
                del self._rooms[next(iter(self._rooms))]
            image = self.background.copy()
            for number in standing:
                self._print(image, number, 1.0, 1.8)
            self._rooms[standing] = image
        return self._rooms[standing]

    def _print(self, image: Image, number: int, opacity: float, wide: float) -> None:
        """Draw a footprint: a ring on the floor in the colour of its side."""
        side = CONTACTS[int(self.footprints.columns[number])][0]
        around = self.footprints.places_m[number] + FOOTPRINT_M * self.mannequin.scale * _RING
        pixels = as_points(self.project(around @ self.stage.R_view.T)[0])
        colour = _COLOURS["left" if side == "L" else "right"]
        for p, q in pairwise(pixels):
            capsule(image, p, q, (wide, wide), colour, opacity=opacity)

    @cached_property
    def _thick(self) -> Bool[Array, " N"]:
        """(N,) bodies that throw a shadow."""
        return np.asarray(self.mannequin.radii_m[:, 0] > _THICK_M * self.mannequin.scale)

    def _bodies(
        self, image: Image, joints_view_m: Float[Array, "J 3"], ends: Float[Array, "2 N 3"], strength: list[float]
    ) -> None:
        """Draw the bodies from far to near, each as wide as its section is from here."""
        pixels, per_metre = self.project(ends)
        wide = self._half_widths(joints_view_m, pixels) * per_metre
        starts, stops = as_points(pixels[0]), as_points(pixels[1])
        near = per_metre.mean(0)
        bright = np.round(8 * np.clip((near / near.mean() - 0.8) * 2.5, 0, 1)) / 8
        for n in np.argsort(near).tolist():
            body = self.mannequin.bodies[n]
            colour = deepen(_COLOURS[body.tone], 0.72 + 0.28 * float(bright[n]))
            faint = min(strength[j] for j in self.mannequin.joints[n])
            radii = (float(wide[0, n]), float(wide[1, n]))
            capsule(image, starts[n], stops[n], radii, colour, opacity=faint, outline=0.8, shading=0.55)

    def _half_widths(self, joints_view_m: Float[Array, "J 3"], pixels: Float[Array, "2 N 2"]) -> Float[Array, "2 N"]:
        """Return half widths of the bodies at both ends across their axis in the picture, metres."""
        shape, round_ = self.mannequin, np.array([body.side is None for body in self.mannequin.bodies])
        way = pixels[1] - pixels[0]
        across = np.stack([-way[:, 1], way[:, 0]], -1) * [1, -1]  # a panel's y points down
        long = np.linalg.norm(across, axis=-1, keepdims=True)
        across = np.where(long > 1e-6, across / np.maximum(long, 1e-6), [1.0, 0.0])
        side = shape.sides(joints_view_m) @ self._axes.T
        share = np.minimum(np.abs(np.einsum("nc,nc->n", across, side[:, :2])), 1)
        seen = np.where(round_, 1.0, np.sqrt(share**2 + shape.deep**2 * (1 - share**2)))
        return np.asarray(shape.radii_m.T * seen)
