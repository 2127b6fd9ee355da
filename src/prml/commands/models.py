"""``prml models``: list the networks with their counted costs and those printed in the paper."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

from prml.options import option


@dataclass
class Options:
    """List the networks with parameters, multiply-adds, window and cost per pose.

    Attributes:
        names: only these networks (default: all).
        json: print JSON instead of a table.
    """

    names: list[str] = option(factory=list, positional=True)
    _: KW_ONLY
    json: bool = False


def run(options: Options) -> int:
    """Print the table or JSON; raise PrmlError for an unknown name."""
    from prml.commands._console import plain, plain_console

    with plain_console(stderr=True).status("") as status:
        rows = model_rows(tuple(options.names), progress=lambda text: status.update(plain(text)))
    if options.json:
        import json

        plain_console().print_json(json.dumps(rows))
    else:
        _print(rows)
    return 0


def model_rows(
    names: tuple[str, ...] = (), progress: Callable[[str], None] = lambda text: None
) -> list[dict[str, Any]]:
    """Return one record per network, with the counted cost and that printed in the PrML paper (None if not printed).

    Args:
        names: the networks; all if empty.
        progress: called with what is being done, since importing torch and counting take seconds.

    Raises:
        PrmlError: a name is unknown.
    """
    progress("importing torch")
    from prml.networks import registry
    from prml.networks.cost import cost_of

    rows = []
    for record in [registry.entry(name) for name in names or registry.names()]:
        progress(f"counting {record.name}")
        cost = cost_of(record.name)
        rows.append(
            {
                "name": record.name,
                "window": record.window,
                "output": record.output,
                "parameters": cost.parameters,
                "linear_macs": cost.linear_macs,
                "full_macs": cost.full_macs,
                "linear_macs_per_frame": cost.linear_macs_per_frame,
                "paper": {
                    "parameters_m": record.paper_parameters_m,
                    "macs_g": record.paper_macs_g,
                    "macs_per_frame_m": record.paper_macs_per_frame_m,
                },
                "reference": record.paper,
                "year": record.year,
                "venue": record.venue,
                "notes": record.notes,
            }
        )
    return rows


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from prml.commands._console import plain_console, print_tables

    table = Table(box=None, pad_edge=False, title="multiply-adds of one window; in brackets those in the PrML paper")
    table.add_column("network")
    for title in ("window", "parameters", "linear", "all products", "linear per frame"):
        table.add_column(title, justify="right")

    def printed(value: float | None, unit: str) -> str:
        return "" if value is None else f" ({value:g} {unit})"

    for row in rows:
        paper = row["paper"]
        table.add_row(
            row["name"],
            str(row["window"]),
            f"{row['parameters'] / 1e6:.2f} M" + printed(paper["parameters_m"], "M"),
            f"{row['linear_macs'] / 1e9:.2f} G" + printed(paper["macs_g"], "G"),
            f"{row['full_macs'] / 1e9:.2f} G",
            f"{row['linear_macs_per_frame'] / 1e6:.1f} M" + printed(paper["macs_per_frame_m"], "M"),
        )
    print_tables(plain_console(), [table])
