"""The paper's Figure 3: mean absolute error along the camera's axes, over all frames and in the hard actions."""

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from prml.errors import PrmlError
from prml.evaluation.result import Result
from prml.report.figures import COLOURS, headline, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def axis_figure(results: Sequence[Result], title: str = "") -> "Figure":
    """Draw one panel per axis, one group of bars per set of frames, one bar per result.

    Args:
        results: with errors per axis.
        title: over all panels.

    Raises:
        PrmlError: a result without errors per axis, or matplotlib is not installed.
    """
    if without := [r.label for r in results if not r.per_axis]:
        raise PrmlError(f"{without[0]} has no errors per axis; score it again with 'prml evaluate'")
    groups = list(dict.fromkeys(group for r in results for group in r.per_axis))
    figure = new_figure(2.2 + 1.6 * len(groups), 2.6)
    highest = max(value for r in results for row in r.per_axis.values() for value in row.values())
    width = 0.8 / len(results)
    for number, axis in enumerate("xyz"):
        axes = figure.add_subplot(1, 3, number + 1)
        for i, result in enumerate(results):
            at = [g + (i - (len(results) - 1) / 2) * width for g in range(len(groups))]
            values = [result.per_axis.get(group, {}).get(axis, 0.0) for group in groups]
            axes.bar(at, values, width, color=COLOURS[i % len(COLOURS)], label=_name(result, results))
        style(axes, f"along {axis}", "", "mm" if not number else "", grid="y")
        axes.set_ylim(0, 1.1 * highest or 1.0)
        axes.set_xticks(range(len(groups)), [fill(g, 18) for g in groups], rotation=30 if len(groups) > 2 else 0)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(results), fontsize=8)
    if title:
        headline(figure, title)
    return figure


def _name(result: Result, results: Sequence[Result]) -> str:
    """The label of a result, with its protocol where the results have several."""
    several = len({r.protocol["id"] for r in results}) > 1
    return f"{result.label}, {result.protocol['id']}" if several else result.label
