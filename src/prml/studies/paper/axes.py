"""Errors along the camera's axes (the paper's Figure 3): over all frames and in three hard actions."""

from dataclasses import replace

from prml.evaluation.result import Result
from prml.report.axis_figure import axis_figure
from prml.studies.paper.catalogue import Figure
from prml.studies.paper.figure_setting import Drawn, FigureSetting, Numbers, hashes

HARD = 3


def draw(figure: Figure, setting: FigureSetting) -> Drawn:
    """Score every network and draw its errors along x, y and z.

    Raises:
        PrmlError: weights do not fit the protocol, or data cannot be read.
    """
    from prml.evaluation.score import Conditions, score_lifter

    rules = setting.rules(figure)
    conditions = Conditions(rules, every=setting.share(figure), limit=setting.limit, data=setting.data)
    scored: dict[str, Result] = {}
    lifters = setting.lifters(figure)
    for label, lifter in lifters.items():
        setting.say(f"{figure.name}: scoring {label} under {rules.name}")
        scored[label] = score_lifter(lifter, conditions)
    results = with_hard_actions(list(scored.values()))
    rows = [
        (label, group, axis, value)
        for label, result in zip(scored, results, strict=True)
        for group, errors in result.per_axis.items()
        for axis, value in errors.items()
    ]
    told = tuple(
        f"{label}: {', '.join(f'{axis} {value:.1f} mm' for axis, value in result.per_axis['all'].items())}"
        for label, result in zip(scored, results, strict=True)
    )
    share = f", one sequence of {conditions.every}" if conditions.every > 1 else ""
    title = f"Mean absolute error along the camera's axes ({setting.source(rules)}{share})"
    if results[0].per_axis.keys() - scored[next(iter(scored))].per_axis.keys():
        title += f"\nhard actions: the {HARD} with the largest MPJPE of {next(iter(scored))}"
    named = [
        replace(result, weights={**result.weights, "name": label})
        for label, result in zip(scored, results, strict=True)
    ]
    numbers = Numbers(("network", "frames", "axis", "error_mm"), rows)
    return Drawn(axis_figure(named, title), {"": numbers}, told, hashes(lifters))


def with_hard_actions(results: list[Result]) -> list[Result]:
    """Return results with errors per axis of three hard actions: the protocol's, else those hardest for the first.

    Human3.6M's are those of Zeng et al. (2021), as in the paper. Other data have no such list.
    """
    first = results[0]
    if len(first.per_axis) > 1 or len(first.per_action) < 2:
        return results
    hard = sorted(first.per_action, key=lambda action: -first.per_action[action]["mpjpe"])[:HARD]
    return [
        replace(r, per_axis={**r.per_axis, **{a: {x: r.per_action[a][x] for x in "xyz"} for a in hard}})
        for r in results
    ]
