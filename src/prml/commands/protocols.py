"""``prml protocols``: list the evaluation protocols, or print the rules of one."""

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from prml.options import option

if TYPE_CHECKING:
    from rich.table import Table

    from prml.evaluation.protocols import EvaluationProtocol


@dataclass
class Options:
    """List the evaluation protocols, or print the rules of one.

    Attributes:
        name: print the rules of this protocol.
        json: print JSON instead of text.
    """

    name: str | None = option(None, positional=True)
    _: KW_ONLY
    json: bool = False


def run(options: Options) -> int:
    """Print the names of the protocols, or the rules of one; raise PrmlError for an unknown name."""
    import json

    from prml.commands._console import plain_console
    from prml.evaluation import protocols

    name = options.name
    chosen = [protocols.get(n) for n in ([name] if name else protocols.names())]
    console = plain_console()
    if options.json:
        record = [{"id": p.id, "title": p.title, "rules": p.describe(), "notes": list(p.notes)} for p in chosen]
        console.print_json(json.dumps(record[0] if name else record, ensure_ascii=False))
    elif name:
        console.print(_rules(chosen[0]))
    else:
        console.print(_rows([(p.name, p.title) for p in chosen]))
        console.print("\n'prml protocols NAME' prints the rules; docs/protocols.md explains the differences.")
    return 0


def _rows(rows: list[tuple[str, str]]) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for row in rows:
        table.add_row(*row)
    return table


def _rules(protocol: "EvaluationProtocol") -> "Table":
    head = (protocol.name, f"version {protocol.version}: {protocol.title}")
    return _rows([head, *protocol.describe().items(), *(("note", note) for note in protocol.notes)])
