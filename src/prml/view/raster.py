"""A small anti-aliased rasteriser on numpy images: limbs, discs, text. Draws in place, within each shape's box."""

from functools import lru_cache
from math import isfinite

import numpy as np
from jaxtyping import Float, UInt8

from prml.view.stage import Colour

Array = np.ndarray
Image = UInt8[Array, "_height _width 3"]  # two in one signature may differ in size
Point = tuple[float, float]
_LIGHT = (-0.45, -0.75)  # direction of the light in the image plane


def _box(p: Point, q: Point, margin: float, height: int, width: int) -> tuple[int, int, int, int] | None:
    """Return the pixel box (x0, x1, y0, y1) around two points, clipped to the image; None if empty or NaN."""
    (px, py), (qx, qy) = p, q
    if not isfinite(px + py + qx + qy):
        return None
    x0, y0 = max(int(min(px, qx) - margin), 0), max(int(min(py, qy) - margin), 0)
    x1, y1 = min(int(max(px, qx) + margin) + 2, width), min(int(max(py, qy) + margin) + 2, height)
    return (x0, x1, y0, y1) if x0 < x1 and y0 < y1 else None


def _offsets(
    box: tuple[int, int, int, int], p: Point, q: Point, channels: int
) -> tuple[Float[Array, "#h #w"], Float[Array, "#h #w"], Float[Array, "h w"] | float]:
    """Return, per pixel centre, the offset (x, y) from the nearest point of segment p-q and its position in [0, 1].

    Every pixel is repeated ``channels`` times, as in the memory of an image: numpy is several times slower when
    broadcasting a mask over a last axis of 3 than in the same arithmetic on long rows.
    """
    x0, x1, y0, y1 = box
    x = (np.arange(x0, x1, dtype=np.float32) + (0.5 - p[0]))[None, :].repeat(channels, 1)
    y = (np.arange(y0, y1, dtype=np.float32) + (0.5 - p[1]))[:, None]
    ax, ay = q[0] - p[0], q[1] - p[1]
    length2 = ax * ax + ay * ay
    if length2 < 1e-9:
        return x, y, 0.0
    along = x * (ax / length2) + y * (ay / length2)
    np.minimum(np.maximum(along, 0, out=along), 1, out=along)
    return x - along * ax, y - along * ay, along


def capsule(
    image: Image,
    p: Point,
    q: Point,
    radii: tuple[float, float],
    colour: Colour,
    *,
    opacity: float = 1.0,
    outline: float = 0.0,
    shading: float = 0.0,
) -> None:
    """Draw a rounded limb from p to q (pixels) with radii ``radii`` at its ends; a disc if p equals q.

    Args:
        image: modified in place.
        p: one end in pixels, origin top-left. Nothing is drawn if it is NaN.
        q: the other end.
        radii: radii in pixels at p and q.
        colour: RGB.
        opacity: 0 to 1.
        outline: width in pixels of a dark rim.
        shading: darkening of the side away from the light, from 0 (flat) to 1.
    """
    box = _box(p, q, max(radii) + outline + 1, *image.shape[:2])
    if box is None:
        return
    x0, x1, y0, y1 = box
    region = image[y0:y1, x0:x1]
    keep, ink = _paint(box, p, q, radii, colour, opacity, outline, shading)
    mixed = region.reshape(y1 - y0, -1) * keep
    mixed += ink
    region[...] = mixed.reshape(region.shape)


def disc(
    image: Image,
    centre: Point,
    radius: float,
    colour: Colour,
    *,
    opacity: float = 1.0,
    outline: float = 0.0,
    shading: float = 0.0,
) -> None:
    """Draw a disc like :func:`capsule`, from cached stamps: to a quarter of a pixel, in 16 steps of opacity."""
    if not isfinite(centre[0] + centre[1]):
        return
    steps = (round(centre[0] * 4), round(centre[1] * 4), max(round(radius * 4), 1))
    keep, ink, reach = _stamp(steps[0] % 4, steps[1] % 4, steps[2], colour, round(opacity * 16), outline, shading)
    left, top = steps[0] // 4 - reach, steps[1] // 4 - reach
    x0, y0 = max(left, 0), max(top, 0)
    region = image[y0 : max(top + 2 * reach + 1, 0), x0 : max(left + 2 * reach + 1, 0)]
    if not region.size:
        return
    cut = (slice(y0 - top, y0 - top + region.shape[0]), slice(x0 - left, x0 - left + region.shape[1]))
    mixed = region * keep[cut]
    mixed += ink[cut]
    region[...] = mixed


@lru_cache(maxsize=2048)
def _stamp(
    x: int, y: int, radius: int, colour: Colour, opacity: int, outline: float, shading: float
) -> tuple[Float[Array, "n n 3"], Float[Array, "n n 3"], int]:
    """Return the share of the image that a disc keeps, the ink it adds, and the half size of both in pixels."""
    reach = int(radius / 4 + outline) + 2
    size = 2 * reach + 1
    centre = (reach + x / 4, reach + y / 4)
    keep, ink = _paint((0, size, 0, size), centre, centre, (radius / 4,) * 2, colour, opacity / 16, outline, shading)
    return keep.reshape(size, size, 3), ink.reshape(size, size, 3), reach


def _paint(
    box: tuple[int, int, int, int],
    p: Point,
    q: Point,
    radii: tuple[float, float],
    colour: Colour,
    opacity: float,
    outline: float,
    shading: float,
) -> tuple[Float[Array, "h w"], Float[Array, "h w"]]:
    """Return, for a limb in a pixel box, the share of the image that is kept and the ink to add (see ``_offsets``)."""
    dx, dy, along = _offsets(box, p, q, 3)
    radius = radii[0] + along * (radii[1] - radii[0])
    inside = radius - np.sqrt(dx * dx + dy * dy)
    tone = _unit(inside + 0.5)
    alpha = _unit(inside + (outline + 0.5)) * opacity if outline else tone * opacity
    if shading:
        lit = (dx * _LIGHT[0] + dy * _LIGHT[1]) * (shading / max(*radii, 1.0))
        tone *= 1 + np.minimum(np.maximum(lit, -shading), 0.1 * shading)
    tone *= np.array(colour * (box[1] - box[0]), np.float32) * opacity
    tone += 0.5  # for rounding
    np.minimum(tone, 255 * alpha + 0.5, out=tone)
    return 1 - alpha, tone


def _unit(values: Float[Array, "h w"]) -> Float[Array, "h w"]:
    """Clip to [0, 1] (``np.clip`` is slower on arrays this small)."""
    low: Array = np.maximum(values, 0)
    return np.asarray(np.minimum(low, 1, out=low))


def soft_capsule(mask: Float[Array, "h w"], p: Point, q: Point, radius: float) -> None:
    """Draw one limb of a shadow: raise ``mask`` to 1 on segment p-q (pixels), falling smoothly to 0 at ``radius``."""
    box = _box(p, q, radius, *mask.shape)
    if box is None:
        return
    dx, dy, _ = _offsets(box, p, q, 1)
    x0, x1, y0, y1 = box
    region = mask[y0:y1, x0:x1]
    np.maximum(region, 1 - (dx * dx + dy * dy) * (1 / (radius * radius)), out=region)


@lru_cache(maxsize=512)
def _glyphs(text: str, size: int) -> Float[Array, "h w"]:
    """Return the coverage mask of a line of text in Pillow's default font."""
    from PIL import Image as PillowImage
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(size)
    box = font.getbbox(text)
    canvas = PillowImage.new("L", (max(int(box[2]) + 1, 1), int(size * 1.4)), 0)
    ImageDraw.Draw(canvas).text((0, 0), text, fill=255, font=font)
    return np.asarray(canvas, np.float32) / 255


def _changing(text: str, size: int) -> Float[Array, "h w"]:
    """Like ``_glyphs``, assembled from cached single letters, for a line that changes in every frame."""
    letters, at, pieces = [_letter(letter, size) for letter in text], 0.0, []
    for mask, advance in letters:
        pieces.append((round(at), mask))
        at += advance
    line = np.zeros((int(size * 1.4), max(left + mask.shape[1] for left, mask in pieces)), np.float32)
    for left, mask in pieces:
        np.maximum(line[:, left : left + mask.shape[1]], mask, out=line[:, left : left + mask.shape[1]])
    return line


@lru_cache(maxsize=256)
def _letter(letter: str, size: int) -> tuple[Float[Array, "h w"], float]:
    """Return the coverage mask of a letter and its advance in pixels."""
    from PIL import ImageFont

    return _glyphs(letter, size), float(ImageFont.load_default(size).getlength(letter))


def text(
    image: Image,
    x: int,
    y: int,
    line: str,
    size: int,
    colour: Colour,
    *,
    align: str = "left",
    shadow: bool = False,
    changing: bool = False,
) -> None:
    """Draw a line of text with its top-left (``align="right"``: top-right) corner at x, y, clipped to the image.

    ``shadow`` adds a dark halo for text on video; ``changing`` is for a line that differs in every frame.
    """
    mask = (_changing if changing and line else _glyphs)(line, size)
    x = x - mask.shape[1] if align == "right" else x
    steps = [(1, 1, (0, 0, 0), 0.8), (-1, 0, (0, 0, 0), 0.5), (0, 0, colour, 1.0)] if shadow else [(0, 0, colour, 1.0)]
    for dx, dy, ink, strength in steps:
        x0, y0 = max(x + dx, 0), max(y + dy, 0)
        region = image[y0 : y + dy + mask.shape[0], x0 : x + dx + mask.shape[1]]
        if not region.size:
            continue
        part = mask[y0 - y - dy :, x0 - x - dx :][: region.shape[0], : region.shape[1], None] * np.float32(strength)
        region[...] = region * (1 - part) + part * np.asarray(ink, np.float32) + np.float32(0.5)


def shrink(image: Image, width: int, height: int) -> Image:
    """Scale an RGB image to width x height pixels (both even) with libswscale.

    Converts to yuv420p, the format of the video, which is 1.5 times as fast as scaling RGB.
    """
    if image.shape[:2] == (height, width):
        return image
    import av

    frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="rgb24")
    small = frame.reformat(width, height, format="yuv420p", interpolation="FAST_BILINEAR")
    return np.asarray(small.to_ndarray(format="rgb24"))
