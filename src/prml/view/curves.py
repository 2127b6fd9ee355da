"""Joint angles over time as a picture: a panel per angle, left and right in one, with deviations and footfalls."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from prml.filters.joint_angles import JointAngles
from prml.sequence import PoseSequence
from prml.spans import runs

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

Array = np.ndarray
Colour = tuple[int, int, int]
COLUMNS, PANEL, MARGIN, GAP = 3, (400, 150), (46, 26, 12, 26), 6  # pixels; margins: left, top, right, bottom
COLOURS: dict[str, Colour] = {"left": (27, 108, 168), "right": (209, 73, 91), "middle": (74, 74, 74)}
_INK, _PAPER, _GRID, _FRAME = (60, 60, 60), (255, 255, 255), (228, 228, 228), (150, 150, 150)
_SHARP = 2  # drawn this many times as large, then reduced
_FADED = 0.82  # how pale the band of a deviation is
_MIN_SPAN_DEG = 20.0
_TICKS = (5, 10, 15, 30, 45, 60, 90)


def panels(names: tuple[str, ...]) -> list[tuple[str, dict[str, int]]]:
    """Return the title and the columns of every panel: left and right in one where there are both."""
    found: dict[str, dict[str, int]] = {}
    for column, name in enumerate(names):
        stem, _, side = name.rpartition("_")
        paired = {f"{stem}_left", f"{stem}_right"} <= set(names)
        found.setdefault(stem if paired else name, {})[side if paired else "middle"] = column
    return [(stem.replace("_", " ").capitalize(), columns) for stem, columns in found.items()]


def draw_angles(sequence: PoseSequence) -> bytes:
    """Draw the joint angles of a person as PNG.

    Lines are angles in degrees, bands one standard deviation where the network states it; bars along the lower edge
    show where the feet stand. Frames without an angle are gaps.

    Raises:
        PrmlError: there are no 3D joints on H36M17 or BODY28.
    """
    from PIL import Image, ImageDraw, ImageFont

    found = JointAngles.of(sequence)
    listed = panels(found.names)
    rows = -(-len(listed) // COLUMNS)
    left, top, right, bottom = MARGIN
    step = PANEL[0] + left + right, PANEL[1] + top + bottom
    picture = Image.new("RGB", (COLUMNS * step[0] * _SHARP, rows * step[1] * _SHARP), _PAPER)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(11 * _SHARP)
    for number, (title, columns) in enumerate(listed):
        corner = (number % COLUMNS) * step[0] + left, (number // COLUMNS) * step[1] + top
        box = tuple(_SHARP * value for value in (*corner, corner[0] + PANEL[0], corner[1] + PANEL[1]))
        panel = _Axes(draw, (box[0], box[1], box[2], box[3]), sequence.times_s, font)
        panel.draw(title, {side: found.degrees[:, k] for side, k in columns.items()}, _spread(found, columns))
        panel.feet(sequence.contacts)
    return _png(picture)


def _spread(found: JointAngles, columns: dict[str, int]) -> dict[str, Float[Array, " T"]]:
    return {} if found.std_deg is None else {side: found.std_deg[:, k] for side, k in columns.items()}


def _png(picture: "Image.Image") -> bytes:
    from PIL import Image

    small = picture.resize((picture.width // _SHARP, picture.height // _SHARP), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.quantize(64).save(out, "PNG", optimize=True)
    return out.getvalue()


@dataclass
class _Axes:
    """One panel."""

    draw_on: "ImageDraw.ImageDraw"
    box: tuple[int, int, int, int]
    times_s: Float[Array, " T"]
    font: object

    def draw(self, title: str, values: dict[str, Float[Array, " T"]], spread: dict[str, Float[Array, " T"]]) -> None:
        """Draw grid, bands, lines and title."""
        every = np.concatenate(list(values.values()))
        every = every[np.isfinite(every)]
        low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, _MIN_SPAN_DEG)
        room = max(0.08 * (high - low), (_MIN_SPAN_DEG - (high - low)) / 2)
        low, high = low - room, high + room
        self._grid(low, high)
        for side, line in values.items():
            for run in runs(np.asarray(np.isfinite(line))):
                at = self._at(self.times_s[run], line[run], low, high)
                colour = COLOURS[side]
                if side in spread and len(at) > 1:
                    self._band(run, line, np.nan_to_num(spread[side]), low, high, colour)
                if len(at) > 1:
                    self.draw_on.line(at, fill=colour, width=_SHARP + 1, joint="curve")
                else:
                    x, y = at[0]
                    self.draw_on.ellipse([x - _SHARP, y - _SHARP, x + _SHARP, y + _SHARP], fill=colour)
        self._text((self.box[0], self.box[1] - 17 * _SHARP), f"{title} (degrees)", _INK)
        x = self.box[2]
        for side in reversed(values):
            if side != "middle":
                x -= 34 * _SHARP
                self._text((x, self.box[1] - 17 * _SHARP), side, COLOURS[side])
        self.draw_on.rectangle(self.box, outline=_FRAME)

    def feet(self, contacts: Bool[Array, "T 4"] | None) -> None:
        """Draw bars where a foot stands, left above right."""
        if contacts is None:
            return
        for row, side in enumerate(("left", "right")):
            y = self.box[3] - (10 - 4 * row) * _SHARP
            for run in runs(contacts[:, 2 * row : 2 * row + 2].any(1)):
                a, b = self._x(self.times_s[[run.start, run.stop - 1]])
                self.draw_on.rectangle([a, y, max(b, a + 1), y + 2 * _SHARP], fill=_pale(COLOURS[side], 0.4))

    def _grid(self, low: float, high: float) -> None:
        tick = next((t for t in _TICKS if (high - low) / t <= 5), _TICKS[-1])
        for value in np.arange(np.ceil(low / tick) * tick, high, tick):
            ((_, y),) = self._at(self.times_s[:1], np.array([value]), low, high)
            self.draw_on.line([self.box[0], y, self.box[2], y], fill=_GRID, width=_SHARP)
            self._text((self.box[0] - 36 * _SHARP, y - 7 * _SHARP), f"{value:.0f}", _INK)
        duration = float(self.times_s[-1] - self.times_s[0])
        second = next((s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300) if duration / s <= 6), 1800)
        for value in np.arange(np.ceil(self.times_s[0] / second) * second, self.times_s[-1] + 1e-9, second):
            (x,) = self._x(np.array([value]))
            self.draw_on.line([x, self.box[3], x, self.box[3] + 3 * _SHARP], fill=_FRAME, width=_SHARP)
            self._text((x - 8 * _SHARP, self.box[3] + 4 * _SHARP), f"{value:g} s", _INK)

    def _band(self, run: slice, line: Array, spread: Array, low: float, high: float, colour: Colour) -> None:
        upper = self._at(self.times_s[run], np.clip(line[run] + spread[run], low, high), low, high)
        lower = self._at(self.times_s[run], np.clip(line[run] - spread[run], low, high), low, high)
        self.draw_on.polygon([*upper, *lower[::-1]], fill=_pale(colour, _FADED))

    def _x(self, times_s: Float[Array, " n"]) -> list[float]:
        duration = max(float(self.times_s[-1] - self.times_s[0]), 1e-9)
        return list(self.box[0] + (times_s - self.times_s[0]) / duration * (self.box[2] - self.box[0]))

    def _at(self, times_s: Array, values: Array, low: float, high: float) -> list[tuple[float, float]]:
        y = self.box[3] - (values - low) / (high - low) * (self.box[3] - self.box[1])
        return list(zip(self._x(times_s), y.tolist(), strict=True))

    def _text(self, at: tuple[float, float], text: str, colour: Colour) -> None:
        self.draw_on.text(at, text, fill=colour, font=self.font)  # type: ignore[arg-type]


def _pale(colour: Colour, share: float) -> Colour:
    r, g, b = (round(c + (255 - c) * share) for c in colour)
    return r, g, b
