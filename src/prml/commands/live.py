"""``prml live``: a camera, a stream or a file, lifted as it comes."""

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from prml.live.settings import LiveSettings
from prml.options import option

if TYPE_CHECKING:
    from rich.console import Console

    from prml.live.frame import LiveRun, Sink
    from prml.live.run import LiveSummary
    from prml.live.server import Server


@dataclass(frozen=True)
class Options(LiveSettings):
    """Lift what a camera sees while it sees it: a page in the browser, JSON lines, a WebSocket, VMC for avatars.

    Attributes:
        source: video file, or URL of a stream (rtsp, http, https, udp, tcp, rtmp, srt); none: a camera.
        camera: number of the camera (default: 0).
        realtime: play a file at its own pace, and drop frames that are not worked on in time.
        open: open the page in a browser.
    """

    source: str | None = option(None, positional=True)
    _: KW_ONLY
    camera: int | None = option(None, minimum=0)
    realtime: bool = False
    open: bool = False


def run(options: Options) -> int:
    """Run until the source ends or Ctrl-C is pressed; what was written is said at the end."""
    from prml.commands._console import plain_console
    from prml.commands._parser import part_of
    from prml.commands._signals import tidy_end
    from prml.errors import PrmlError
    from prml.live.run import LostSourceError, live, open_feed

    console = plain_console(stderr=True)  # standard output is for JSON lines
    if not (options.json or options.window or options.vmc):
        raise PrmlError("nothing would be written; give json=..., vmc=..., or leave window=False out")
    with tidy_end():
        feed = open_feed(options.source, options.camera, options.realtime)
        sinks, server = _sinks(options)

        def started(about: "LiveRun") -> None:
            _tell_start(console, about, server, options)

        try:
            summary = live(feed, sinks, part_of(options, LiveSettings), started)
        except LostSourceError as error:
            _tell_end(console, error.summary)
            raise
    _tell_end(console, summary)
    return 0


def _sinks(options: Options) -> "tuple[list[Sink], Server | None]":
    """Open what frames go to, those that may be refused first."""
    from prml.live.records import JsonLines
    from prml.live.server import Server
    from prml.live.vmc import Vmc

    server = Server(options.port) if options.window else None
    vmc = Vmc(options.vmc) if options.vmc else None
    lines = JsonLines(options.json, options.overwrite) if options.json else None
    return [sink for sink in (lines, vmc, server) if sink is not None], server


def _tell_start(console: "Console", about: "LiveRun", server: "Server | None", options: Options) -> None:
    size = f"{about.camera.width} x {about.camera.height}"
    console.print(f"{about.source}: {size} at {about.fps:g} frames/s; Ctrl-C ends", soft_wrap=True)
    if server is None:
        return
    console.print(f"page {server.address}, WebSocket {server.address.replace('http', 'ws', 1)}live", soft_wrap=True)
    if options.open:
        import webbrowser

        webbrowser.open(server.address)


def _tell_end(console: "Console", summary: "LiveSummary") -> None:
    told = f"{summary.frames} frames in {summary.seconds:.1f} s ({summary.rate:.1f} per second)"
    told += f", {summary.dropped} dropped" if summary.dropped else ""
    told += f"; {summary.people} with a person"
    console.print(told, soft_wrap=True)
    if summary.delays_s:
        median, worst = summary.delay_ms(50), summary.delay_ms(99)
        console.print(f"{median:.0f} ms behind the picture (99 %: {worst:.0f} ms)", soft_wrap=True)
    for line in summary.written:
        console.print(line, soft_wrap=True)
