"""Joint angles over time as a picture: a panel per angle, left and right in one, with deviations and footfalls."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)


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
    from PIL import Image, ImageChops, ImageDraw, ImageFont

    found = JointAngles.of(sequence)
    listed = panels(found.names)
    rows = -(-len(listed) // COLUMNS)
    left, top, right, bottom = MARGIN
    step = PANEL[0] + left + right, PANEL[1] + top + bottom
    size = COLUMNS * step[0] * _SHARP, rows * step[1] * _SHARP
    drawn = []
    for number, (title, columns) in enumerate(listed):
        corner = (number % COLUMNS) * step[0] + left, (number // COLUMNS) * step[1] + top
        box = tuple(_SHARP * value for value in (*corner, corner[0] + PANEL[0], corner[1] + PANEL[1]))
        lines = {side: found.degrees[:, k] for side, k in columns.items()}
        spread = {} if found.std_deg is None else {side: found.std_deg[:, k] for side, k in columns.items()}
        drawn.append(_Panel(title, (box[0], box[1], box[2], box[3]), sequence.times_s, lines, spread))
    picture = Image.new("RGB", size, _PAPER)
    for side in COLOURS:  # bands let each other through
        layer = Image.new("RGB", size, _PAPER)
        for panel in drawn:
            panel.bands(ImageDraw.Draw(layer), side)
        picture = ImageChops.multiply(picture, layer)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(11 * _SHARP)
    for panel in drawn:
        panel.draw(draw, font, sequence.contacts)
    return _png(picture)


def _png(picture: "Image.Image") -> bytes:
    from PIL import Image

    small = picture.resize((picture.width // _SHARP, picture.height // _SHARP), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.quantize(128).save(out, "PNG", optimize=True)
    return out.getvalue()


@dataclass(frozen=True)
class _Panel:
    """One panel: ``lines`` and ``spread`` are angles and deviations in degrees, by side; ``box`` is in drawn pixels."""

    title: str
    box: tuple[int, int, int, int]
    times_s: Float[Array, " T"]
    lines: dict[str, Float[Array, " T"]]
    spread: dict[str, Float[Array, " T"]]

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest angle shown."""
        every = np.concatenate(list(self.lines.values()))
        every = every[np.isfinite(every)]
        low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, _MIN_SPAN_DEG)
        room = max(0.08 * (high - low), (_MIN_SPAN_DEG - (high - low)) / 2)
        return low - room, high + room

    def bands(self, draw: "ImageDraw.ImageDraw", side: str) -> None:
        """Draw the deviations of a side."""
        if side not in self.spread:
            return
        line, spread, (low, high) = self.lines[side], np.nan_to_num(self.spread[side]), self.limits
        for run in runs(np.asarray(np.isfinite(line))):
            if run.stop - run.start > 1:
                upper = self._at(self.times_s[run], np.clip(line[run] + spread[run], low, high))
                lower = self._at(self.times_s[run], np.clip(line[run] - spread[run], low, high))
                draw.polygon([*upper, *lower[::-1]], fill=_pale(COLOURS[side], _FADED))

    def draw(self, draw: "ImageDraw.ImageDraw", font: Any, contacts: Bool[Array, "T 4"] | None) -> None:
        """Draw grid, lines, footfalls and title."""
        self._grid(draw, font)
        dot = 3 * _SHARP
        for side, line in self.lines.items():
            for run in runs(np.asarray(np.isfinite(line))):
                at = self._at(self.times_s[run], line[run])
                x, y = at[0]
                if len(at) > 1:
                    draw.line(at, fill=COLOURS[side], width=_SHARP + 1, joint="curve")
                else:
                    draw.ellipse([x - dot, y - dot, x + dot, y + dot], fill=COLOURS[side])
        self._feet(draw, contacts)
        head = self.box[1] - 17 * _SHARP
        draw.text((self.box[0], head), f"{self.title} (degrees)", fill=_INK, font=font)
        for place, side in enumerate(side for side in self.lines if side != "middle"):
            draw.text((self.box[2] - (70 - 36 * place) * _SHARP, head), side, fill=COLOURS[side], font=font)
        draw.rectangle(self.box, outline=_FRAME)

    def _feet(self, draw: "ImageDraw.ImageDraw", contacts: Bool[Array, "T 4"] | None) -> None:
        """Draw bars where a foot stands, left above right."""
        for row, side in enumerate(() if contacts is None else ("left", "right")):
            y = self.box[3] - (10 - 4 * row) * _SHARP
            for run in runs(np.asarray(np.asarray(contacts)[:, 2 * row : 2 * row + 2].any(1))):
                a, b = self._x(self.times_s[[run.start, run.stop - 1]])
                draw.rectangle([a, y, max(b, a + 1), y + 2 * _SHARP], fill=_pale(COLOURS[side], 0.4))

    def _grid(self, draw: "ImageDraw.ImageDraw", font: Any) -> None:
        low, high = self.limits
        tick = next((t for t in _TICKS if (high - low) / t <= 5), _TICKS[-1])
        for value in np.arange(np.ceil(low / tick), high / tick) * tick + 0.0:
            ((_, y),) = self._at(self.times_s[:1], np.array([value]))
            draw.line([self.box[0], y, self.box[2], y], fill=_GRID, width=_SHARP)
            draw.text((self.box[0] - 6 * _SHARP, y), f"{value:.0f}", fill=_INK, font=font, anchor="rm")
        duration = float(self.times_s[-1] - self.times_s[0])
        second = next((s for s in _SECONDS if duration / s <= 6), _SECONDS[-1])
        for value in np.arange(np.ceil(self.times_s[0] / second), self.times_s[-1] / second + 1e-9) * second:
            (x,) = self._x(np.array([value]))
            draw.line([x, self.box[3], x, self.box[3] + 3 * _SHARP], fill=_FRAME, width=_SHARP)
            draw.text((x, self.box[3] + 11 * _SHARP), f"{value:g} s", fill=_INK, font=font, anchor="mm")

    def _x(self, times_s: Float[Array, " n"]) -> list[float]:
        duration = max(float(self.times_s[-1] - self.times_s[0]), 1e-9)
        return list(self.box[0] + (times_s - self.times_s[0]) / duration * (self.box[2] - self.box[0]))

    def _at(self, times_s: Float[Array, " n"], values: Float[Array, " n"]) -> list[tuple[float, float]]:
        low, high = self.limits
        y = self.box[3] - (values - low) / (high - low) * (self.box[3] - self.box[1])
        return list(zip(self._x(times_s), y.tolist(), strict=True))


def _pale(colour: Colour, share: float) -> Colour:
    r, g, b = (round(c + (255 - c) * share) for c in colour)
    return r, g, b
