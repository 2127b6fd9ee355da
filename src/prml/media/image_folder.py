"""Read a folder of images as a video, or a single image as a video of one frame.

Reads JPEG, PNG, BMP, WebP and TIFF files with their usual suffixes; the format is recognised by content. Hidden files
(such as ``._f1.jpg`` from macOS) and subfolders are skipped. Images of more than 50 million pixels are rejected.

Grey images deeper than 8 bits are scaled to 0..255 with one white level for the whole folder: the smallest of 8, 10,
12, 14, 16 or more bits that holds the largest value in up to eight of its images, since 12-bit cameras write 16-bit
files without saying so. For floating-point values up to 1, white is 1. NaN is black.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from prml.errors import PrmlError
from prml.io.files import reason_of
from prml.media.frames import VideoFrame, VideoInfo, check_pixels
from prml.sequence import check_fps

if TYPE_CHECKING:
    from PIL import Image

Array = np.ndarray
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
DEFAULT_FOLDER_FPS = 30.0
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")  # Pillow reads others too, and would start Ghostscript for EPS
_BITS = (8, 10, 12, 14, 16)
_SAMPLE = 8  # images used to choose the white level
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # TIFF 6.0, section 8


def holds_images(path: Path) -> bool:
    """Whether a path is a folder or has an image suffix."""
    return path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES


def probe_images(path: Path, fps: float | None) -> VideoInfo:
    """See :func:`prml.media.read.probe`."""
    rate = check_fps(DEFAULT_FOLDER_FPS if fps is None else fps, "fps")
    images = _images(path)
    first = _load(images[0], _white(images[:1]))
    return VideoInfo(path, first.width, first.height, len(images), rate, len(images) / rate, 0, "images")


def read_images(info: VideoInfo, width: int, height: int, part: range, every: int) -> Iterator[VideoFrame]:
    """See :func:`prml.media.read.read_frames`."""
    images = _images(info.path)
    white = _white(images)
    for index, path in enumerate(images[part.start : part.stop], part.start):
        if index % every:
            yield VideoFrame(index, index / info.fps, np.empty((0, 0, 3), np.uint8))
            continue
        image = _load(path, white)
        if image.size != (info.width, info.height):
            raise PrmlError(
                f"all images of a folder must have the same size: {path.name} is {image.width} x {image.height}, "
                f"the first {info.width} x {info.height}"
            )
        if image.size != (width, height):
            image = image.resize((width, height))
        yield VideoFrame(index, index / info.fps, np.asarray(image))


def _natural(path: Path) -> tuple[Any, ...]:
    """Sort key that puts frame10 after frame9."""
    parts: list[tuple[int, Any]] = []
    digits = ""
    for letter in path.name + "\0":
        if letter.isdecimal():
            digits += letter
            continue
        if digits:
            parts.append((0, int(digits)))
            digits = ""
        parts.append((1, letter))
    return tuple(parts)


def _images(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    wanted = (p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith("."))
    images = sorted((p for p in wanted if p.is_file()), key=_natural)
    if not images:
        raise PrmlError(f"no images in {path}; expected {', '.join(IMAGE_SUFFIXES)} files")
    return images


@contextmanager
def _opened(path: Path) -> Iterator["Image.Image"]:
    """Open an image within the size limit; any error that Pillow raises in the block becomes a PrmlError."""
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=FORMATS) as image:
            check_pixels(*image.size, path)  # Pillow's own limit is higher
            yield image
    except PrmlError:
        raise
    except Exception as error:  # Pillow's readers raise almost anything on damaged files
        named = "cannot identify" in str(error)
        reason = f"it is none of {', '.join(FORMATS)}, or damaged" if named else reason_of(error)
        raise PrmlError(f"{path} is not an image that can be read ({reason}); repair or remove it") from None


def _load(path: Path, white: float) -> "Image.Image":
    """Load an upright RGB image."""
    from PIL import ImageOps

    with _opened(path) as image:
        shown = _grey(image, white) if _is_deep(image) else image
        return ImageOps.exif_transpose(shown).convert("RGB")


def _is_deep(image: "Image.Image") -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _values(image: "Image.Image") -> Array:
    return np.nan_to_num(np.asarray(image, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _white(images: list[Path]) -> float:
    """Return the white level of images deeper than 8 bits."""
    largest, integers = 0.0, True
    for index in sorted({round(i) for i in np.linspace(0, len(images) - 1, _SAMPLE)}):
        with _opened(images[index]) as image:
            if _is_deep(image):
                largest = max(largest, float(_values(image).max()))
                integers = integers and image.mode != "F"
    if not integers and largest <= 1:
        return 1.0
    bits = next((b for b in _BITS if largest < 2**b), 32)
    return float(2**bits - 1)


def _grey(image: "Image.Image", white: float) -> "Image.Image":
    """Convert a deeper image to 8 bits; keep its EXIF orientation."""
    from PIL import Image

    share = np.clip(_values(image) / white, 0.0, 1.0)
    tags = getattr(image, "tag_v2", {})
    if image.mode != "F" and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # Pillow inverts 8-bit images only
        share = 1.0 - share
    grey: UInt8[Array, "H W"] = np.rint(255 * share).astype(np.uint8)
    shallow = Image.fromarray(grey)
    shallow.info["exif"] = image.getexif().tobytes()
    return shallow
