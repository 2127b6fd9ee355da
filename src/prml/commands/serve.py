"""``prml serve``: a page on which one drops a video and gets its pose."""

import os
from dataclasses import dataclass
from pathlib import Path

from prml.commands._parser import part_of
from prml.serve.settings import TOKEN_VARIABLE, ServeSettings


@dataclass(frozen=True, kw_only=True)
class Options(ServeSettings):
    """Serve a page on which one drops a video, sees how far it is, and gets the viewer and all files.

    Only this machine can reach it unless --host says otherwise. Uploads and results are kept in one folder, and what
    was not finished goes on when the server is started there again. Ctrl-C stops it.

    Attributes:
        out: folder for uploads and results.
    """

    out: Path = Path("prml_serve")


def run(options: Options) -> int:
    """Serve until Ctrl-C."""
    from prml.commands._console import plain_console
    from prml.commands._signals import tidy_end
    from prml.serve.server import serve

    console = plain_console()

    def say(address: str) -> None:
        console.print(f"{address} takes videos; results are kept in {options.out} (Ctrl-C stops it)", soft_wrap=True)

    with tidy_end():
        serve(options.out, part_of(options, ServeSettings), os.environ.get(TOKEN_VARIABLE), say)
    return 0
