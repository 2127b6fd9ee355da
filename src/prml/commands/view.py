"""``prml view FOLDER``: rebuild the page of a result."""

from dataclasses import dataclass
from pathlib import Path

from prml.options import option


@dataclass(frozen=True)
class Options:
    """Write viewer.html of a result folder from its poses, without detecting or lifting.

    Attributes:
        folder: folder written by 'prml lift'.
        video: video or image folder to show behind the 2D joints (default: the lifted video, if it is in the folder,
            beside it or in the current folder).
        overlay: also write overlay.mp4; needs the video.
        overwrite: overwrite viewer.html and overlay.mp4; otherwise only the path of an existing page is printed.
        open: open the page in a browser.
    """

    folder: Path = option(positional=True)
    video: str | None = option(None, local=True)
    overlay: bool = False
    overwrite: bool = False
    open: bool = False


def run(options: Options) -> int:
    """Write the page unless it exists, and print its path."""
    from prml.commands._console import plain_console

    console, page = plain_console(), options.folder / "viewer.html"
    if options.overwrite or options.overlay or options.video is not None or not page.is_file():
        from prml.commands._messages import notes
        from prml.commands._signals import tidy_end
        from prml.pipeline.view import view

        with tidy_end():
            view(
                options.folder,
                video=options.video,
                overlay=options.overlay,
                overwrite=options.overwrite,
                warn=notes(console, options),
            )
        console.print(f"wrote {page}", soft_wrap=True)
    else:
        console.print(f"{page} exists; pass --overwrite to write it again", soft_wrap=True)
    if options.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    return 0
