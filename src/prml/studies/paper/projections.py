"""The 2D of each network's 3D beside truth and input (the paper's Figures 2 and 9), with the scores of Table 16."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from prml.errors import PrmlError
from prml.evaluation.metrics import pckh, reprojection_error
from prml.evaluation.scoring import Tally
from prml.report.figures import headline, new_figure
from prml.report.poses import draw_bones, draw_errors, frame_of, show_frame
from prml.skeleton import H36M17
from prml.studies.paper.catalogue import Figure
from prml.studies.paper.figure_setting import Drawn, FigureSetting, Numbers, hashes
from prml.studies.paper.filmed import film

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

    from prml.evaluation.protocols.base import EvaluationProtocol
    from prml.lifting.lifter import Lifter

Array = np.ndarray
INPUT, TRUTH = "input 2D", "ground truth"
_HIGHEST = 0.5  # head lengths, where the colours end: PCKh's threshold


@dataclass(frozen=True)
class Picked:
    """A frame that is drawn.

    Attributes:
        name: of its sequence.
        time_s: its time.
        reference_px: what errors are measured from: the truth, or the input where there is none.
        points_px: label -> (17, 2) input and projections.
        image: the picture; None for an empty canvas.
    """

    name: str
    time_s: float
    reference_px: Float[Array, "17 2"]
    points_px: Mapping[str, Float[Array, "17 2"]]
    image: UInt8[Array, "H W 3"] | None = None

    def errors_px(self, label: str) -> Float[Array, " 17"]:
        """Distances from the reference, in pixels."""
        errors: Float[Array, " 17"] = np.linalg.norm(self.points_px[label] - self.reference_px, axis=-1)
        return errors

    @property
    def head_px(self) -> float:
        """Length of the reference's head, from thorax to head."""
        ends = self.reference_px[[H36M17.index("Head"), H36M17.index("Thorax")]]
        return float(np.linalg.norm(ends[0] - ends[1]))


@dataclass
class Gathered:
    """Frames that are drawn, and scores over all frames that were read.

    Attributes:
        reference: what errors are measured from.
        picked: the frames.
        tallies: label -> sums of "pckh" and "reprojection" over frames.
        groups: of the tallies, of whose means the mean is taken.
    """

    reference: str
    picked: list[Picked] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)

    def add(self, label: str, group: str, points: Float[Array, "T 17 2"], reference: Float[Array, "T 17 2"]) -> None:
        """Add the frames of a sequence to the scores of a label."""
        pair = torch.from_numpy(points.astype(np.float64)), torch.from_numpy(reference.astype(np.float64))
        values = {"pckh": pckh(*pair), "reprojection": reprojection_error(*pair)}
        self.tallies.setdefault(label, Tally()).add([group], values)
        self.groups.add(group)

    def score(self, label: str, metric: str) -> float:
        """Return the mean of "pckh" (per cent) or "reprojection" (pixels)."""
        means = [self.tallies[label].mean(group, metric) for group in self.groups]
        return float(np.mean([float(mean) for mean in means if mean is not None]))


def draw(figure: Figure, setting: FigureSetting) -> Drawn:
    """Draw frames of data with a truth, or of videos.

    Raises:
        PrmlError: weights or data cannot be used, or the data do not say where the truth is in the image.
    """
    lifters = setting.lifters(figure)
    gathered = _from_videos(figure, setting, lifters) if setting.videos else _from_data(figure, setting, lifters)
    if not gathered.picked:
        raise PrmlError("no frame with a complete 2D pose to draw")
    labels = (INPUT, *lifters)
    rows = [
        (number, picked.name, picked.time_s, label, joint, *map(float, picked.points_px[label][j]), float(errors[j]))
        for number, picked in enumerate(gathered.picked)
        for label in labels
        for errors in [picked.errors_px(label)]
        for j, joint in enumerate(H36M17.joints)
    ]
    shown = labels if gathered.reference == TRUTH else labels[1:]
    scores = [(label, gathered.score(label, "pckh"), gathered.score(label, "reprojection")) for label in shown]
    numbers = {
        "": Numbers(("row", "sequence", "time_s", "what", "joint", "x_px", "y_px", "error_px"), rows),
        "-scores": Numbers(("what", "pckh_percent", "mean_px"), scores),
    }
    told = tuple(f"{label}: PCKh@0.5 {p:.1f} %, {px:.1f} px from the {gathered.reference}" for label, p, px in scores)
    if setting.videos:
        source = (
            ", ".join(path.name for path in setting.videos)
            + "; no ground truth, errors are distances from the input 2D"
        )
    else:
        share = setting.share(figure)
        every = f", one sequence of {share}" if share > 1 else ""
        source = f"{setting.source(setting.rules(figure))}{every}; frames drawn at random, seed {setting.seed}"
    drawing = _figure(gathered, shown, scores, f"{figure.title}\n{source}")
    return Drawn(drawing, numbers, told, hashes(lifters))


# ---------------------------------------------------------------------- from data with a truth
def _from_data(figure: Figure, setting: FigureSetting, lifters: "Mapping[str, Lifter]") -> Gathered:
    from prml.evaluation.predictor import predictor_of

    rules = setting.rules(figure)
    rules = rules.with_(metrics=tuple(dict.fromkeys((*rules.metrics, "pckh", "reprojection"))))
    predictors = {label: predictor_of(lifter.with_options(flip=rules.flip), rules) for label, lifter in lifters.items()}
    gathered, rng = Gathered(TRUTH), np.random.default_rng(setting.seed)
    count, drawn = setting.count(figure), list[tuple[float, int, Picked]]()
    setting.say(f"{figure.name}: lifting under {rules.name}")
    for group, name, times, reference, points in _projections(rules, predictors, setting, setting.share(figure)):
        for label, values in points.items():
            gathered.add(label, group, values, reference)
        whole = np.logical_and.reduce([np.isfinite(v).all((1, 2)) for v in (reference, *points.values())])
        draws = np.where(whole, rng.random(len(times)), np.inf)
        for row in np.argsort(draws)[:count]:
            if np.isfinite(draws[row]):
                at = {label: values[row] for label, values in points.items()}
                drawn.append((float(draws[row]), len(drawn), Picked(name, float(times[row]), reference[row], at)))
        drawn = nsmallest(count, drawn, key=lambda one: one[:2])
    gathered.picked = [picked for _, _, picked in drawn]
    return gathered


def _projections(
    rules: "EvaluationProtocol", predictors: Mapping[str, Any], setting: FigureSetting, every: int
) -> Iterator[tuple[str, str, Array, Array, dict[str, Array]]]:
    """Yield for every cut of a sequence: its group in scores, its name, times, the truth in pixels, what is compared.

    Raises:
        PrmlError: the data do not say where the truth is in the image.
    """
    from prml.evaluation.run import compare, predictions, prepared

    for number, sequence in enumerate(rules.sequences(setting.data, setting.limit)):
        if number % every:
            continue
        ready = prepared(sequence, rules)
        by_action = rules.averaging.over == "actions" and rules.actions is not None
        group = rules.actions.canonical(sequence.action) if by_action and rules.actions else "all"
        cuts = [predictions(ready, predictor, rules, None) for predictor in predictors.values()]
        for parts in zip(*cuts, strict=False):  # networks of other windows may have other cuts
            part = parts[0][0]
            if any(len(other[0]) != len(part) for other in parts):
                raise PrmlError("these networks are scored in windows of different lengths; draw them one by one")
            found: dict[str, Array] = {INPUT: np.asarray(part.keypoints_px)}
            reference: Array | None = None
            for label, (own, seen, prediction, _) in zip(predictors, parts, strict=True):
                scored = compare(own, seen, prediction, rules)
                if scored.prediction_px is None or scored.target_px is None:
                    raise PrmlError(
                        f"{rules.name} does not say where the truth is in the image; choose another protocol"
                    )
                found[label], reference = scored.prediction_px.numpy(), scored.target_px.numpy()
            if reference is not None:
                chosen = rules.frames.scored(part)
                rows: Any = slice(None) if chosen is None else chosen
                kept = {label: values[rows] for label, values in found.items()}
                yield group, sequence.name, part.times_s[rows], reference[rows], kept


# ---------------------------------------------------------------------- from videos
def _from_videos(figure: Figure, setting: FigureSetting, lifters: "Mapping[str, Lifter]") -> Gathered:
    from prml.filters.root import Placement

    gathered, rng = Gathered(INPUT), np.random.default_rng(setting.seed)
    count = setting.count(figure)
    for path in setting.videos:
        setting.say(f"{figure.name}: detecting and lifting {path.name}")
        filmed = film(path, lifters)
        usable = np.flatnonzero(filmed.usable)
        if not len(usable):
            raise PrmlError(f"{path} has no frame with a complete person")
        keypoints = np.asarray(filmed.seen.keypoints_px)
        points = {label: Placement.of(one).project(np.asarray(one.joints_m)) for label, one in filmed.lifted.items()}
        for label, values in points.items():
            gathered.add(label, "all", values[usable], keypoints[usable])
        frames = sorted(int(f) for f in rng.choice(usable, min(count, len(usable)), replace=False))
        images = filmed.images(frames)
        for frame in frames:
            at = {INPUT: keypoints[frame], **{label: values[frame] for label, values in points.items()}}
            time = float(filmed.seen.times_s[frame])
            gathered.picked.append(Picked(path.name, time, keypoints[frame], at, images.get(frame)))
    return gathered


# ---------------------------------------------------------------------- what is drawn
def _figure(
    gathered: Gathered, labels: Sequence[str], scores: Sequence[tuple[str, float, float]], title: str
) -> "Drawing":
    picked, columns = gathered.picked, (gathered.reference, *labels)
    figure = new_figure(2.15 * len(columns) + 0.9, 2.55 * len(picked) + 1.35 + 0.22 * len(scores))
    heights = [2.55] * len(picked) + [0.35 + 0.22 * len(scores)]
    grid = figure.add_gridspec(len(picked) + 1, len(columns), height_ratios=heights)
    panels = np.array([[figure.add_subplot(grid[r, c]) for c in range(len(columns))] for r in range(len(picked))])
    bar = None
    for row, one in zip(panels, picked, strict=True):
        bar = _row(row, one, labels, gathered.reference)
    for axes, label in zip(panels[0], columns, strict=True):
        axes.set_title(label, fontsize=9)
    if bar is not None:
        told = f"distance from the {gathered.reference} (head lengths)"
        scale = figure.colorbar(bar, ax=panels[:, -1].tolist(), shrink=0.8, pad=0.03, extend="max")
        scale.set_label(told, fontsize=8)
        scale.ax.tick_params(labelsize=8)
    _table(figure.add_subplot(grid[-1, :]), gathered.reference, scores)
    headline(figure, title)
    return figure


def _row(panels: Sequence[Any], one: Picked, labels: Sequence[str], reference: str) -> Any:
    """Draw one frame; return what the colour bar takes."""
    window = frame_of([one.reference_px, *one.points_px.values()], 0.86)
    for axes in panels:
        show_frame(axes, window, one.image)
    draw_bones(panels[0], one.reference_px, H36M17)
    panels[0].set_ylabel(f"{_short(one.name)}\n{one.time_s:.2f} s", fontsize=7.5)
    bar = None
    for axes, label in zip(panels[1:], labels, strict=True):
        draw_bones(axes, one.reference_px, H36M17, "#b5b5b5", linewidth=3.2, zorder=2)
        draw_bones(axes, one.points_px[label], H36M17, "#333333", linewidth=1.1)
        errors = one.errors_px(label)
        bar = draw_errors(axes, one.points_px[label], errors / one.head_px, _HIGHEST)
        axes.set_xlabel(f"{errors.mean():.1f} px", fontsize=8)
    return bar


def _short(name: str, length: int = 26) -> str:
    return name if len(name) <= length else f"...{name[3 - length :]}"


def _table(axes: Any, reference: str, scores: Sequence[tuple[str, float, float]]) -> None:
    """Write the scores over all frames as a table."""
    axes.set_axis_off()
    cells = [[label, f"{p:.1f}", f"{px:.2f}"] for label, p, px in scores]
    heads = ["over all frames", "PCKh@0.5 (%)", f"mean distance from the {reference} (px)"]
    table = axes.table(cells, colLabels=heads, loc="center", edges="horizontal", colWidths=[0.3, 0.18, 0.32])
    table.auto_set_font_size(False)
    table.set_fontsize(8)
