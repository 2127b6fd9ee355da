"""``prml view FOLDER``: rebuild the page of a result, or show two results in one."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prml.options import option

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console


@dataclass(frozen=True)
class Options:
    """Write viewer.html of a result folder from its poses, without detecting or lifting; or show two results in step.

    Attributes:
        folder: folder written by 'prml lift'. Two of them, A and B (or two result files), are shown on one page: side
            by side or overlaid, with the distance of every joint and the frames that differ most.
        out: page of two results (default: A_B.html after their names, in the current folder).
        video: video or image folder to show behind the 2D joints (default: the lifted video, if it is in the folder,
            beside it or in the current folder).
        overlay: also write overlay.mp4; needs the video.
        overwrite: overwrite viewer.html and overlay.mp4; otherwise only the path of an existing page is printed.
        open: open the page in a browser.
    """

    folder: list[Path] = option(positional=True)
    _: KW_ONLY
    out: Path | None = None
    video: str | None = option(None, local=True)
    overlay: bool = False
    overwrite: bool = False
    open: bool = False


def run(options: Options) -> int:
    """Write the page unless it exists, and print its path."""
    from prml.commands._console import plain_console
    from prml.commands._messages import notes
    from prml.errors import PrmlError

    console = plain_console()
    if len(options.folder) > 2:
        raise PrmlError(f"one result is drawn, or two are compared; got {len(options.folder)}")
    if len(options.folder) == 2:
        page = _two(console, options, notes(console, options))
    elif options.out is not None:
        raise PrmlError("out=... is the page of two results; that of one is viewer.html in its folder")
    else:
        page = _one(console, options, notes(console, options))
    if options.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    return 0


def _one(console: "Console", options: Options, warn: "Callable[[str], None]") -> Path:
    [folder] = options.folder
    page = folder / "viewer.html"
    if options.overwrite or options.overlay or options.video is not None or not page.is_file():
        from prml.commands._signals import tidy_end
        from prml.pipeline.view import view

        with tidy_end():
            view(folder, video=options.video, overlay=options.overlay, overwrite=options.overwrite, warn=warn)
        console.print(f"wrote {page}", soft_wrap=True)
    else:
        console.print(f"{page} exists; pass --overwrite to write it again", soft_wrap=True)
    return page


def _two(console: "Console", options: Options, warn: "Callable[[str], None]") -> Path:
    from prml.commands._signals import tidy_end
    from prml.errors import PrmlError
    from prml.pipeline.view_two import view_two

    if options.overlay:
        raise PrmlError("overlay=True draws one result; give one folder")
    a, b = options.folder
    page = options.out or Path(f"{_stem(a)}_{_stem(b)}.html")
    with tidy_end():
        found = view_two(a, b, page, video=options.video, overwrite=options.overwrite, warn=warn)
    worst, times = found.pair.largest(3), found.pair.a.times_s
    at = ", ".join(f"{times[frame]:.2f} s ({1000 * found.pair.mean_m[frame]:.0f} mm)" for frame in worst)
    console.print(f"A {found.names[0]}\nB {found.names[1]}", soft_wrap=True)
    console.print(f"{found.mean_mm:.1f} mm apart on average; most at {at}", soft_wrap=True)
    console.print(f"wrote {page}", soft_wrap=True)
    return page


def _stem(given: Path) -> str:
    """Name of the folder of a result, given as a folder or as a file."""
    full = given.resolve()
    return full.parent.name if full.is_file() else full.name
