"""Print text verbatim, and tables without cutting off numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prml.errors import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

FILE_WIDTH = 140  # columns when the output is not a terminal


def plain_console(**options: Any) -> "Console":
    """Return a console that prints text verbatim: [word] in a path is not markup, and :name: is not an emoji.

    Terminal control characters and characters that the output cannot encode are escaped.

    Args:
        options: options of rich's Console.
    """
    from rich.console import Console

    class PlainConsole(Console):
        def render_str(self, text: str, **how: Any) -> "Text":
            shown = printable(text, keep="\n\t").encode(self.encoding, "backslashreplace").decode(self.encoding)
            return super().render_str(shown, **how)

        def on_broken_pipe(self) -> None:
            """Raise BrokenPipeError when the reader is gone, where rich would exit with code 1."""
            raise BrokenPipeError

    return PlainConsole(markup=False, emoji=False, highlight=False, **options)


def plain(text: str) -> "Text":
    """Return verbatim text where rich would parse markup, such as a status line or the name of a task."""
    from rich.text import Text

    return Text(printable(text))


def print_tables(console: "Console", tables: Sequence["Table"]) -> None:
    """Print tables; they may be wider than the terminal if numbers need it, and are wide in files and pipes.

    There, they have no blank lines around them and no blanks at the end of a line.
    """
    from rich.measure import Measurement

    for table in tables:
        needed = Measurement.get(console, console.options.update(width=500), table)
        width = console.width if console.is_terminal else FILE_WIDTH
        wide = plain_console(file=console.file, width=max(width, needed.minimum))
        if console.is_terminal:
            wide.print(table)
            continue
        with wide.capture() as drawn:
            wide.print(table)
        lines = "\n".join(line.rstrip() for line in drawn.get().splitlines())
        console.print(lines.strip("\n"), soft_wrap=True)
