"""Printing words as they are, and tables whose numbers are never cut off."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

FILE_WIDTH = 140  # columns when the output is no terminal


def plain_console(**options: Any) -> "Console":
    """A console that prints what it is given: no [word] of a path is taken for a style, no :name: for a picture.

    Args:
        options: of rich's Console.
    """
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, **options)


def print_tables(console: "Console", tables: Sequence["Table"]) -> None:
    """Print tables, wider than the terminal where their numbers need it, and wide into files and pipes."""
    from rich.measure import Measurement

    for table in tables:
        needed = Measurement.get(console, console.options.update(width=500), table)
        width = console.width if console.is_terminal else FILE_WIDTH
        plain_console(file=console.file, width=max(width, needed.minimum)).print(table)
