"""Draw a figure of the paper: one function for each kind, whatever the number."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from prml.provenance import commit, versions
from prml.report.figures import new_figure, to_bytes
from prml.studies.paper.catalogue import Figure
from prml.studies.paper.figure_setting import Drawn, FigureSetting

SCHEMA = "prml.paper-figure/1"
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


def record(figure: Figure, drawn: Drawn, setting: FigureSetting) -> str:
    """Return what a figure was drawn from, and what was found beside the points themselves, as JSON."""
    rules = None if figure.kind in ("diagram", "strip") or setting.videos else setting.rules(figure)
    content = {
        "schema": SCHEMA,
        "figure": figure.name,
        "title": figure.title,
        "weights": drawn.weights,
        "protocol": "" if rules is None else rules.id,
        "data": {} if rules is None else rules.source.stamp(setting.data),
        "videos": [path.name for path in setting.videos],
        "frames": setting.count(figure) if "frames" in figure.options else None,
        "every": setting.share(figure),
        "seed": setting.seed,
        "quick": setting.quick,
        "found": {
            end.lstrip("-"): [dict(zip(numbers.columns, row, strict=True)) for row in numbers.rows]
            for end, numbers in drawn.numbers.items()
            if end
        },
        "told": drawn.told,
        "commit": commit(),
        "versions": versions(),
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def files_of(figure: Figure, drawn: Drawn, setting: FigureSetting) -> dict[str, bytes | str]:
    """Return the files of a figure by name: PNG, SVG, the numbers behind it as CSV, and a record as JSON."""
    pictures = {f"{figure.name}.{kind}": to_bytes(drawn.drawing, kind) for kind in ("png", "svg")}
    numbers = {f"{figure.name}{end}.csv": rows.to_csv() for end, rows in drawn.numbers.items()}
    return {**pictures, **numbers, f"{figure.name}.json": record(figure, drawn, setting)}


def main_files(figure: Figure, out: Path) -> list[Path]:
    """Return the files that every figure writes, to be checked before the work."""
    return [out / f"{figure.name}.{suffix}" for suffix in ("png", "svg", "csv", "json")]
