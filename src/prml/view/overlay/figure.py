"""Draw a pose: the 2D skeleton on an image, and the 3D figure on a floor from a fixed viewpoint."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from prml.skeleton import Skeleton
from prml.view.raster import Image, Point, capsule, disc, soft_capsule
from prml.view.stage import LEFT, RIGHT, Colour, Stage, lines, sides, thin

Array = np.ndarray
BACKGROUND: Colour = (24, 27, 33)
GRID: Colour = (82, 90, 106)
BODY: Colour = (214, 219, 228)
_COLOURS = {1: LEFT, -1: RIGHT, 0: BODY}
_GRID_STEP_M = 0.5
_LIMB_M, _JOINT_M, _HEAD_M = 0.022, 0.027, 0.075  # drawn radii
_SHADOW_M = 0.045  # half a limb's radius, as a shadow is drawn at half resolution
_THIN = 0.55  # of feet, hands and face, as a share of those of limbs


def draw_keypoints(
    image: Image,
    skeleton: Skeleton,
    points: Float[Array, "J 2"],
    opacity: Float[Array, " J"] | None = None,
    *,
    thickness: float | None = None,
) -> None:
    """Draw the 2D skeleton into an image, left in blue, right in orange.

    Args:
        image: (H, W, 3) RGB, modified in place.
        skeleton: joint set.
        points: (J, 2) pixels of this image; NaN joints and their bones are left out.
        opacity: (J,) opacity of every joint, 0 to 1; a bone is as faint as its fainter end.
        thickness: limb radius in pixels; by default proportional to the image height.
    """
    radius = thickness or max(image.shape[0] / 240, 1.2)
    strength: list[float] = [1.0] * len(points) if opacity is None else opacity.tolist()
    side, places, rim = sides(skeleton), as_points(points), radius * 0.45
    radii = [radius * (_THIN if small else 1.0) for small in thin(skeleton)]
    for parent, child in lines(skeleton):
        faint, colour = min(strength[parent], strength[child]), _COLOURS[side[child]]
        wide = (radii[child], radii[child])
        capsule(image, places[parent], places[child], wide, colour, opacity=faint, outline=rim)
    for place, faint, wide_joint in zip(places, strength, radii, strict=True):
        disc(image, place, wide_joint * 1.35, BODY, opacity=faint, outline=rim)


def as_points(pixels: Float[Array, "n 2"]) -> list[Point]:
    """Convert rows to pairs of Python numbers, for speed: the rasteriser is called dozens of times per frame."""
    return [(float(x), float(y)) for x, y in pixels.tolist()]


@dataclass(frozen=True)
class FigurePanel:
    """An observer's fixed view of the stage.

    Attributes:
        stage: the scene.
        skeleton: joint set.
        width, height: pixels.
        yaw_deg: angle of the observer around the person, from the camera towards the right of the image.
        pitch_deg: elevation of the observer above the horizon.
    """

    stage: Stage
    skeleton: Skeleton
    width: int
    height: int
    yaw_deg: float = 35.0
    pitch_deg: float = 10.0

    @cached_property
    def _axes(self) -> Float[Array, "3 3"]:
        """(3, 3) rotation from the view frame to the observer's: x right, y up, z towards the observer."""
        a, b = np.radians(self.yaw_deg), np.radians(self.pitch_deg)
        turn = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
        tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
        return np.asarray(tilt @ turn)

    @cached_property
    def _distance_m(self) -> float:
        return 3.2 * max(self.stage.radius_m, (self.stage.top_m - self.stage.floor_m) / 2) + 1.0

    @cached_property
    def _fit(self) -> tuple[float, float, float]:
        """Scale and offsets (pixels) that fit the outline of the motion into the panel."""
        around = self._outline()
        levels = [around + [0, self.stage.floor_m, 0], around + [0, self.stage.top_m + 0.08, 0]]
        plane = self._on_plane(np.concatenate(levels))[0]
        low, high = plane.min(0), plane.max(0)
        scale = float(min(self.width * 0.92 / (high[0] - low[0]), self.height * 0.84 / (high[1] - low[1])))
        middle = (low + high) / 2 * scale
        return scale, self.width / 2 - float(middle[0]), self.height / 2 - float(middle[1])

    def _outline(self) -> Float[Array, "n 3"]:
        """Return places at height 0 around all that moves: the rim of the cylinder that it fills."""
        return np.asarray(ring(self.stage.radius_m) + self.stage.centre_m * [1, 0, 1])

    def _on_plane(self, points_view_m: Float[Array, "*n 3"]) -> tuple[Float[Array, "*n 2"], Float[Array, "*n"]]:
        """Return perspective plane coordinates (y down) and distance from the observer in metres."""
        seen = (points_view_m - self.stage.centre_m) @ self._axes.T
        depth = np.maximum(self._distance_m - seen[..., 2], 0.05)
        return seen[..., :2] * [1, -1] / depth[..., None], depth

    def project(self, points_view_m: Float[Array, "*n 3"]) -> tuple[Float[Array, "*n 2"], Float[Array, "*n"]]:
        """Return panel pixels of points in the view frame, and pixels per metre at their depth."""
        scale, x, y = self._fit
        plane, depth = self._on_plane(points_view_m)
        return plane * scale + [x, y], scale / depth

    @cached_property
    def background(self) -> Image:
        """(height, width, 3) what is behind the figure."""
        return self.empty()

    def empty(self) -> Image:
        """Return (height, width, 3) the empty scene: a round floor with lines half a metre apart, fading outwards."""
        image = np.empty((self.height, self.width, 3), np.uint8)
        image[:] = BACKGROUND
        reach = _GRID_STEP_M * np.ceil((self.stage.radius_m + 0.6) / _GRID_STEP_M)
        base = np.array([self.stage.centre_m[0], self.stage.floor_m, self.stage.centre_m[2]])
        for offset in np.arange(-reach, reach + 1e-6, _GRID_STEP_M):
            half = np.sqrt(max(reach**2 - offset**2, 0.0))
            stations = np.linspace(-half, half, 25)
            for axis in (0, 2):
                line = np.zeros((25, 3))
                line[:, axis], line[:, 2 - axis] = stations, offset
                self._grid_line(image, line + base, np.hypot(stations, offset) / reach)
        return image

    def _grid_line(self, image: Image, line: Float[Array, "n 3"], fade: Float[Array, " n"]) -> None:
        pixels = as_points(self.project(line)[0])
        for i in range(len(pixels) - 1):
            opacity = float(np.clip(1.15 - (fade[i] + fade[i + 1]) / 2, 0, 1))
            capsule(image, pixels[i], pixels[i + 1], (0.6, 0.6), GRID, opacity=opacity)

    def draw(
        self, joints_m: Float[Array, "J 3"] | None, opacity: Float[Array, " J"] | None = None, frame: int | None = None
    ) -> Image:
        """Draw the figure as (height, width, 3) RGB; the empty scene for None or NaN.

        Args:
            joints_m: metres in the sequence's frame.
            opacity: (J,) opacity of every joint, 0 to 1; a limb is as faint as its fainter end.
            frame: number of the frame, for panels that show more of it than joints.
        """
        image = self.background.copy()
        self.add(image, joints_m, opacity)
        return image

    def add(
        self,
        image: Image,
        joints_m: Float[Array, "J 3"] | None,
        opacity: Float[Array, " J"] | None = None,
        offset_m: Float[Array, "3"] | None = None,
    ) -> None:
        """Draw one more figure into an image, ``offset_m`` (view frame) away from where its joints are.

        Nothing is drawn for None or NaN; else as :meth:`draw`.
        """
        if joints_m is None or not np.isfinite(joints_m).all():
            return
        joints = joints_m @ self.stage.R_view.T + (0 if offset_m is None else offset_m)
        strength: list[float] = [1.0] * len(joints) if opacity is None else opacity.tolist()
        bones = np.array(lines(self.skeleton)).T
        self._shadow(image, joints[bones], np.full(bones.shape[1], _SHADOW_M), sum(strength) / len(strength))
        pixels, scales = self.project(joints)
        places, per_metre, side = as_points(pixels), scales.tolist(), sides(self.skeleton)
        middle = float(scales.mean())
        for parent, child in sorted(lines(self.skeleton), key=lambda bone: per_metre[bone[0]] + per_metre[bone[1]]):
            near = (per_metre[parent] + per_metre[child]) / 2 / middle  # far limbs are drawn first, and darker
            bright = round(8 * min(max((near - 0.8) * 2.5, 0), 1)) / 8  # in steps, so that equal discs are cached
            colour = deepen(_COLOURS[side[child]], 0.72 + 0.28 * bright)
            ends = (places[parent], places[child])
            faint = min(strength[parent], strength[child])
            self._limb(image, ends, (per_metre[parent], per_metre[child]), child, colour, faint)

    def _limb(
        self,
        image: Image,
        ends: tuple[Point, Point],
        per_metre: tuple[float, float],
        child: int,
        colour: Colour,
        opacity: float,
    ) -> None:
        p, q = ends
        share = _THIN if thin(self.skeleton)[child] else 1.0
        wide = (share * _LIMB_M * per_metre[0], share * _LIMB_M * per_metre[1])
        capsule(image, p, q, wide, colour, opacity=opacity, outline=1.0, shading=0.55)
        ball = share * _JOINT_M * per_metre[1]
        if self.skeleton.joints[child] == "Head":  # a larger ball between the two head joints
            q, ball = ((p[0] + q[0]) / 2, (p[1] + q[1]) / 2), _HEAD_M * per_metre[1]
        disc(image, q, ball, colour, opacity=opacity, outline=1.0, shading=0.55)

    def _shadow(
        self, image: Image, ends_view_m: Float[Array, "2 N 3"], radii_m: Float[Array, " N"], opacity: float
    ) -> None:
        """Darken the floor directly below limbs."""
        flat = ends_view_m.copy()
        flat[..., 1] = self.stage.floor_m
        pixels, per_metre = self.project(flat)
        half = pixels / 2  # at half resolution, since the shadow is soft
        wide = radii_m * per_metre.mean(0)
        margin = float(wide.max()) + 1
        low = np.maximum(np.floor(half.min((0, 1)) - margin), 0).astype(int)
        high = np.minimum(np.ceil(half.max((0, 1)) + margin), [self.width // 2, self.height // 2]).astype(int)
        if (high <= low).any():
            return
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.float32)
        starts, stops = (as_points(half[end] - low) for end in (0, 1))
        for start, stop, radius in zip(starts, stops, wide.tolist(), strict=True):
            soft_capsule(mask, start, stop, radius)
        region = image[2 * low[1] : 2 * high[1], 2 * low[0] : 2 * high[0]]
        region[...] = region * (1 - np.repeat(np.repeat(mask, 2, 0), 2, 1)[..., None] * np.float32(0.6 * opacity))


def ring(radius_m: float) -> Float[Array, "24 3"]:
    """Return places of a level circle around the origin, y up."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([np.cos(angles), np.zeros(24), np.sin(angles)], -1) * radius_m


def deepen(colour: Colour, factor: float) -> Colour:
    """Mix a colour with the background; a factor of 1 leaves it as it is."""
    r, g, b = (int(c * factor + k * (1 - factor)) for c, k in zip(colour, BACKGROUND, strict=True))
    return r, g, b
