"""What the paper's tables and figures show, from ``paper.yaml`` and ``figures.yaml``. This module imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from prml.errors import PrmlError

CONFIGS = Path(__file__).parents[4] / "configs"  # of the checkout
ACTIONS = (
    "Dir.",
    "Disc.",
    "Eat",
    "Greet",
    "Phone",
    "Photo",
    "Pose",
    "Pur.",
    "Sit",
    "SitD.",
    "Smoke",
    "Wait",
    "WalkD.",
    "Walk",
    "WalkT.",
)


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        label: name as printed.
        network: registry name.
        frames: T, where the table states it.
        config: file inside ``configs/`` that trains it; empty if no training of ours makes this row.
        paper: metric, or kind of cost, -> the paper's figure.
        actions: the paper's errors per action, in the order of :data:`ACTIONS`.
        mark: column -> what describes the row there.
        needs: what is missing to run it here.
        features: backbone of the cache of image features that it trains on; empty if it needs none.
        reference: whether the others are compared with it.
        against: label of the row that it is compared with instead.
    """

    label: str
    network: str
    frames: int | None = None
    config: str = ""
    paper: Mapping[str, float] = field(default_factory=dict)
    actions: tuple[float, ...] = ()
    mark: Mapping[str, Any] = field(default_factory=dict)
    needs: str = ""
    features: str = ""
    reference: bool = False
    against: str = ""

    @property
    def key(self) -> str:
        """Label and window, unique in its table."""
        return self.label if self.frames is None else f"{self.label}, T = {self.frames}"

    @property
    def missing(self) -> str:
        """Why no training of ours makes this row; empty if one does."""
        if self.needs:
            return f"needs {self.needs}"
        if self.config:
            return ""
        return f"published figure; the authors' checkpoint: prml import {self.network} FILE, then prml evaluate"


@dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
        name: "table4".
        title: what it shows.
        protocol: rules under which its rows are scored on the paper's data.
        mocap: those under which the same rows are scored on motion capture.
        metrics: metrics that it prints.
        rows: in its order.
        columns: names of the columns that describe a row.
    """

    name: str
    title: str
    protocol: str
    mocap: str
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    columns: tuple[str, ...] = ()

    @property
    def trained(self) -> tuple[Row, ...]:
        """The rows that a training of ours makes."""
        return tuple(row for row in self.rows if not row.missing)

    def compared_with(self, row: Row) -> Row | None:
        """Return the row that a row is compared with: ``against``, else the reference; None for that itself."""
        for other in self.rows:
            if other is not row and (other.label == row.against if row.against else other.reference):
                return other if not row.reference else None
        return None


@dataclass(frozen=True)
class Figure:
    """A figure of the paper.

    Attributes:
        name: "figure5".
        title: what it shows.
        kind: which function draws it: a key of ``prml.studies.paper.figures.KINDS``.
        options: what that function draws unless the caller says otherwise, see ``figures.yaml``.
    """

    name: str
    title: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


@cache
def _record(file: str) -> dict[str, Any]:
    from prml.io.plain_yaml import parse_yaml

    record: dict[str, Any] = parse_yaml((files(__package__) / file).read_text("utf-8"), file)
    return record


@cache
def tables() -> dict[str, Table]:
    """Return the tables by name, in the paper's order."""
    return {name: _table(name, told) for name, told in _record("paper.yaml")["tables"].items()}


def _table(name: str, told: Mapping[str, Any]) -> Table:
    rows = [{**row, "label": str(row["label"])} for row in told["rows"]]
    made = tuple(Row(**{**row, "actions": tuple(row.get("actions", ()))}) for row in rows)
    metrics, columns = (tuple(told.get(key, ())) for key in ("metrics", "columns"))
    return Table(name, told["title"], told["protocol"], told["mocap"], metrics, made, columns)


@cache
def figures() -> dict[str, Figure]:
    """Return the figures by name, in the paper's order."""
    return {name: _figure(name, dict(told)) for name, told in _record("figures.yaml")["figures"].items()}


def _figure(name: str, told: dict[str, Any]) -> Figure:
    return Figure(name, told.pop("title"), told.pop("kind"), told)


def diagrams() -> dict[str, Any]:
    """Return the boxes and arrows of every diagram by its name, as they stand in ``figures.yaml``."""
    found: dict[str, Any] = _record("figures.yaml")["diagrams"]
    return found


def table(name: str) -> Table:
    """Return a table by name ("table4" or "4"); raise PrmlError if the paper has none of that name."""
    known = tables()
    found = known.get(name) or known.get(f"table{name}")
    if found is None:
        raise PrmlError(f"the paper has no {name}; its tables are table1 to table{len(known)}")
    return found


def config_path(row: Row) -> Path:
    """Return the configuration file of a row; raise PrmlError outside a checkout, which alone has ``configs/``."""
    path = CONFIGS / row.config
    if not path.is_file():
        raise PrmlError(f"no {path}: 'prml paper' trains from a checkout of the project, whose configs/ it reads")
    return path


def figure(name: str) -> Figure:
    """Return a figure by name ("figure6"); raise PrmlError if the paper has none of that name."""
    known = figures()
    if name not in known:
        raise PrmlError(f"the paper has no {name}; its figures are figure1 to figure{len(known)}")
    return known[name]
