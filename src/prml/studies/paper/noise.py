"""Robustness to noise on the 2D input (the paper's Figure 5)."""

from prml.studies.paper.catalogue import Figure
from prml.studies.paper.figure_setting import Drawn, FigureSetting, Numbers, hashes


def draw(figure: Figure, setting: FigureSetting) -> Drawn:
    """Score every network on exact 2D, then with more and more noise.

    Raises:
        PrmlError: weights do not fit the protocol, or data cannot be read.
    """
    from prml.evaluation.predictor import macs_per_frame, predictor_of
    from prml.studies.robustness import Entrant, perturbations, sweep
    from prml.studies.robustness_report import figure as robustness_figure

    rules = setting.rules(figure)
    lifters = setting.lifters(figure)
    entrants = [
        Entrant(label, predictor_of(lifter.with_options(flip=rules.flip), rules), macs_per_frame=macs_per_frame(lifter))
        for label, lifter in lifters.items()
    ]
    found = sweep(
        entrants,
        rules,
        perturbations(["noise"]),
        data=setting.data,
        every=setting.share(figure),
        limit=setting.limit,
        progress=lambda text: setting.say(f"{figure.name}: {text}"),
    )
    rows = [(o.name, o.level, o.scores["mpjpe"], o.delta_mpjpe) for o in found.outcomes]
    last = max(o.level for o in found.outcomes)
    told = tuple(
        f"{o.name}: MPJPE grows by {o.delta_mpjpe:.1f} mm at {o.level:g} px" for o in found.outcomes if o.level == last
    )
    names = ("network", "sigma_px_of_1000", "mpjpe_mm", "growth_mm")
    share = setting.share(figure)
    note = setting.source(rules).removeprefix(rules.name) + (f", one sequence of {share}" if share > 1 else "")
    return Drawn(robustness_figure(found, note), {"": Numbers(names, rows)}, told, hashes(lifters))
