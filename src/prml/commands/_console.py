"""Printing text as it is, and tables whose numbers are never cut off."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prml.errors import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

FILE_WIDTH = 140  # columns when the output is not a terminal


def plain_console(**options: Any) -> "Console":
    """A console that prints what it is given: no [word] of a path is taken for a style, no :name: for a picture.

    What a terminal would obey is escaped, and so are characters that the output cannot encode.

    Args:
        options: of rich's Console.
    """
    from rich.console import Console

    class PlainConsole(Console):
        def render_str(self, text: str, **how: Any) -> "Text":
            shown = printable(text, keep="\n\t").encode(self.encoding, "backslashreplace").decode(self.encoding)
            return super().render_str(shown, **how)

        def on_broken_pipe(self) -> None:
            """Whoever read has gone; rich would exit with code 1."""
            raise BrokenPipeError

    return PlainConsole(markup=False, emoji=False, highlight=False, **options)


def plain(text: str) -> "Text":
    """Text as it is, for what rich would read as markup: a status line, a task's name."""
    from rich.text import Text

    return Text(printable(text))


def print_tables(console: "Console", tables: Sequence["Table"]) -> None:
    """Print tables, wider than the terminal where their numbers need it, and wide into files and pipes."""
    from rich.measure import Measurement

    for table in tables:
        needed = Measurement.get(console, console.options.update(width=500), table)
        width = console.width if console.is_terminal else FILE_WIDTH
        plain_console(file=console.file, width=max(width, needed.minimum)).print(table)
