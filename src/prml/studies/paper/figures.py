"""Draw a figure of the paper: one function for each kind, whatever the number."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from prml.report.figures import new_figure, to_bytes
from prml.studies.paper.catalogue import Figure
from prml.studies.paper.figure_setting import Drawn, FigureSetting

KINDS = {
    "diagram": "prml.studies.paper.diagrams",
    "projection": "prml.studies.paper.projections",
    "axes": "prml.studies.paper.axes",
    "robustness": "prml.studies.paper.noise",
    "embedding": "prml.studies.paper.embedding",
    "strip": "prml.studies.paper.strip",
}


def draw(figure: Figure, setting: FigureSetting) -> Drawn:
    """Draw a figure.

    Raises:
        PrmlError: weights, data or a video cannot be used, or matplotlib or scikit-learn is not installed.
    """
    new_figure(1.0, 1.0)  # before the work
    found: Callable[[Figure, FigureSetting], Drawn] = import_module(KINDS[figure.kind]).draw
    return found(figure, setting)


def files_of(figure: Figure, drawn: Drawn) -> dict[str, bytes | str]:
    """Return the files of a figure by name: PNG, SVG, and the numbers behind it as CSV."""
    pictures: dict[str, bytes | str] = {
        f"{figure.name}.{kind}": to_bytes(drawn.drawing, kind) for kind in ("png", "svg")
    }
    return pictures | {f"{figure.name}{end}.csv": numbers.to_csv() for end, numbers in drawn.numbers.items()}


def main_files(figure: Figure, out: Path) -> list[Path]:
    """Return the files that every figure writes, to be checked before the work."""
    return [out / f"{figure.name}.{suffix}" for suffix in ("png", "svg", "csv")]
