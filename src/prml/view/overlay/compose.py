"""Compose one overlay image: the video with the 2D skeleton on the left, the 3D figure on the right, and captions."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.view.mannequin import shape_note
from prml.view.overlay.figure import BODY, FigurePanel, draw_keypoints
from prml.view.overlay.room import RoomPanel
from prml.view.places import NOTE, offsets, stage_of
from prml.view.raster import Image, disc, shrink, text
from prml.view.room import Footprints, in_room
from prml.view.stage import LEFT, RIGHT, Colour, path_note
from prml.view.trust import Trust

Array = np.ndarray
_DIM: Colour = (150, 158, 172)
_WARN: Colour = (240, 200, 80)


def even(value: float) -> int:
    """Round to the nearest even number, at least 2, as yuv420p video needs."""
    return max(2 * round(value / 2), 2)


@dataclass(frozen=True)
class Layout:
    """Sizes of the two panels in pixels, all even.

    Attributes:
        video_width: of the left panel.
        figure_width: of the right panel.
        height: of both.
    """

    video_width: int
    figure_width: int
    height: int

    @classmethod
    def of(cls, image_width: int, image_height: int, height: int | None = None) -> "Layout":
        """Place panels side by side, 540 high for a wide video, 720 for an upright one; lower for a panorama.

        Raises PrmlError if ``height`` is outside 64 to 2160.
        """
        if height is not None and not 64 <= height <= 2160:
            raise PrmlError(f"overlay height must lie between 64 and 2160 pixels, got {height}")
        upright = image_height > image_width
        wish = height or (720 if upright else 540)
        tall = even(min(wish, 2.4 * wish * image_height / image_width))
        wide = even(tall * image_width / image_height)
        return cls(wide, even(tall * (0.75 if upright else 1.0)), tall)

    @property
    def width(self) -> int:
        """Width of both panels together."""
        return self.video_width + self.figure_width


@dataclass(frozen=True)
class Composer:
    """Draws overlay images of one sequence.

    Attributes:
        sequence: with ``joints_m``, ``keypoints_px`` and ``camera`` (keypoints refer to its size).
        layout: panel sizes.
        yaw_deg, pitch_deg: position of the observer of the 3D figure (see FigurePanel).
        up: direction opposite to gravity in the sequence's frame; by default the camera's -y.
        others: further people of the same video, drawn as well; captions are about ``sequence``.
    """

    sequence: PoseSequence
    layout: Layout
    yaw_deg: float = 35.0
    pitch_deg: float = 10.0
    up: Float[Array, "3"] | None = None
    others: tuple[PoseSequence, ...] = ()

    @cached_property
    def _others(self) -> tuple["Composer", ...]:
        return tuple(replace(self, sequence=other, others=()) for other in self.others)

    @cached_property
    def _offsets(self) -> list[Float[Array, "T 3"]]:
        return offsets([self.sequence, *self.others], self.up)

    @cached_property
    def panel(self) -> FigurePanel:
        """The right panel."""
        view = (self.layout.figure_width, self.layout.height, self.yaw_deg, self.pitch_deg)
        stage = stage_of([self.sequence, *self.others], self.up)
        alone = in_room(self.sequence) and not self.others
        room = RoomPanel.of(self.sequence, stage, *view) if alone else None
        return room or FigurePanel(stage, self.sequence.skeleton, *view)

    @cached_property
    def _captioned(self) -> FigurePanel:
        """The right panel with constant captions drawn into its background."""
        image = self.panel.background.copy()
        small = _text_size(self.layout.height)
        y, x = round(small * 0.8), round(small * 0.8)
        for label, colour in (("left", LEFT), ("right", RIGHT)):
            centre = (x + small * 0.35, y + small * 0.62)
            disc(image, centre, small * 0.34, colour)
            text(image, round(x + small), y, label, small, BODY)
            x += round(small * 3.6)
        notes = [NOTE if self.others else path_note(self.sequence)]
        if isinstance(self.panel, RoomPanel) and (shape := shape_note(self.sequence.skeleton)):
            notes.append(shape)
        if in_room(self.sequence) and len(Footprints.of(self.sequence)):
            notes.append("rings: feet on the ground; line: the pelvis' path")
        if self._trust.faint[self._trust.person].any():
            notes.append("faint: not seen in this frame")
        for line, note in enumerate(notes):
            text(image, round(small * 0.8), round(self.layout.height - (1.9 + 1.3 * line) * small), note, small, _DIM)
        return _with_background(self.panel, image)

    @cached_property
    def _trust(self) -> Trust:
        return Trust.of(self.sequence)

    @cached_property
    def _opacity(self) -> Float[Array, "T J"]:
        return self._trust.opacity

    @cached_property
    def _opacity_2d(self) -> Float[Array, "T J"]:
        """Opacity in 2D, which is also reduced where the detector's confidence is low."""
        confidence = self.sequence.confidence
        if confidence is None:
            return self._opacity
        sure = 0.25 + 0.75 * np.clip(np.nan_to_num(confidence), 0, 1)
        return self._opacity * np.where(self._trust.inferred, 1.0, sure)

    def __call__(self, index: int, image: Image | None = None, time_s: float | None = None) -> Image:
        """Return frame ``index`` as (height, width, 3) RGB; ``image`` is that frame of the video, black if None.

        Raises PrmlError if the frame is outside the sequence.
        """
        sequence, layout = self.sequence, self.layout
        if not 0 <= index < len(sequence):
            raise PrmlError(f"frame {index} lies outside the sequence of {len(sequence)} frames; lift the same video")
        out = np.empty((layout.height, layout.width, 3), np.uint8)
        left, right = out[:, : layout.video_width], out[:, layout.video_width :]
        left[...] = 0 if image is None else shrink(image, layout.video_width, layout.height)
        people = (self, *self._others)
        for number, one in enumerate(people, 1):
            one._draw_2d(left, index)
            if self.others:
                one._draw_number(left, index, number)
        right[...] = self._figures(people, index)
        self._annotate(left, right, index, float(sequence.times_s[index]) if time_s is None else time_s)
        return out

    def _figures(self, people: tuple["Composer", ...], index: int) -> Image:
        if len(people) == 1:
            return self._captioned.draw(self._joints(index), self._opacity[index], index)
        picture = self._captioned.background.copy()
        for one, offset in sorted(zip(people, self._offsets, strict=True), key=lambda pair: pair[1][index, 2]):
            self._captioned.add(picture, one._joints(index), one._opacity[index], offset[index])
        return picture

    def _joints(self, index: int) -> Float[Array, "J 3"] | None:
        joints = self.sequence.joints_m
        return None if joints is None or not self._trust.person[index] else joints[index]

    def _draw_number(self, image: Image, index: int, number: int) -> None:
        """Write a person's number over the head."""
        points, size = self.sequence.keypoints_px, self.sequence.image_size
        if points is None or size is None or not np.isfinite(points[index]).all():
            return
        small = _text_size(self.layout.height)
        place = points[index].min(axis=0) * (image.shape[1] / size[0], image.shape[0] / size[1])
        middle = float(points[index, :, 0].mean()) * image.shape[1] / size[0]
        text(
            image,
            round(middle - small * 0.3),
            round(float(place[1]) - 1.6 * small),
            str(number),
            small,
            BODY,
            shadow=True,
        )

    def _draw_2d(self, image: Image, index: int) -> None:
        points, size = self.sequence.keypoints_px, self.sequence.image_size
        if points is None or size is None:
            return
        scale = np.array([image.shape[1] / size[0], image.shape[0] / size[1]])
        draw_keypoints(image, self.sequence.skeleton, points[index] * scale, self._opacity_2d[index])

    def _annotate(self, left: Image, right: Image, index: int, time_s: float) -> None:
        small = _text_size(self.layout.height)
        edge = round(small * 0.8)
        now = f"{time_s:.2f} s   frame {index}"
        text(right, right.shape[1] - edge, edge, now, small, BODY, align="right", changing=True)
        if note := frame_note(self._trust, index):
            text(left, edge, edge, note, small, _WARN, shadow=True)


def frame_note(trust: Trust, index: int) -> str:
    """Return a note about a frame, or an empty text."""
    if not trust.person[index]:
        return "no person found"
    if not trust.measured[index]:
        return "filled in: not measured here"
    if trust.invented[index]:
        return "most joints are inferred: not seen here"
    return "implausible pose" if trust.implausible[index] else ""


def _with_background(panel: FigurePanel, image: Image) -> FigurePanel:
    """Return the same panel with another background."""
    other = replace(panel)
    other.__dict__["background"] = image
    return other


def _text_size(height: int) -> int:
    return max(round(height / 36), 8)
