"""Settings of ``prml live``. This module does not import numpy."""

from dataclasses import dataclass

from prml.options import option
from prml.weights import DEFAULT


@dataclass(frozen=True, kw_only=True)
class LiveSettings:
    """How to follow and lift a person live.

    Attributes:
        weights: bundled name or a .safetensors file with its card.
        latency: later frames that a pose waits for: more are more accurate and later (docs/live.md has the curve).
        detector: 2D detector: mediapipe, or one added by an installed package.
        model: model of the detector; for mediapipe full, lite, or the path of a .task file (default: full).
        fov: assumed field of view over the longer image side, degrees (default: 55).
        flip: average with the result for the mirrored input: twice the work of lifting.
        smooth: smooth with the One-Euro filter.
        cutoff: its cut-off at rest, Hz; lower is calmer and later.
        slope: how much the cut-off rises with the speed, Hz per m/s; higher follows fast motion sooner.
        json: write a JSON line per frame to this file, or to standard output (-).
        window: serve a page that shows the person, and a WebSocket, on this machine.
        port: of the page and the WebSocket (default: 8765, or another one if it is taken).
        vmc: send the pose to avatars, as VMC over UDP, to HOST:PORT such as 127.0.0.1:39539.
        seconds: end after so many seconds (default: when the source ends, or at Ctrl-C).
        overwrite: overwrite the file of JSON lines.
    """

    weights: str = option(DEFAULT, local=True)
    latency: int = option(2, minimum=0, maximum=60)
    detector: str = "mediapipe"
    model: str | None = option(None, local=True)
    fov: float | None = option(None, minimum=5, maximum=170, metavar="DEGREES")
    flip: bool = False
    smooth: bool = True
    cutoff: float = option(1.5, minimum=0.01, maximum=100)
    slope: float = option(4.0, minimum=0, maximum=1000)
    json: str | None = option(None, local=True, metavar="FILE")
    window: bool = True
    port: int | None = option(None, minimum=1, maximum=65535)
    vmc: str | None = option(None, metavar="HOST:PORT")
    seconds: float | None = option(None, minimum=0.1)
    overwrite: bool = False
