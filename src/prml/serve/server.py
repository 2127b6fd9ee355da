"""Run the server until it is told to stop."""

import socket
from collections.abc import Callable
from pathlib import Path

from prml.errors import PrmlError
from prml.io.files import reason_of
from prml.options import check
from prml.pipeline.outputs.exports import export_names
from prml.pipeline.source import Source
from prml.pipeline.weights import check_weights
from prml.serve.jobs import open_jobs
from prml.serve.settings import ServeSettings

_IDLE_S = 20  # of a connection
_MAX_CONNECTIONS = 100


def serve(out: Path, settings: ServeSettings, token: str | None, say: Callable[[str], None]) -> None:
    """Serve a folder until SIGINT or SIGTERM; then no process is left and every unfinished job is queued on disk.

    Args:
        out: folder for uploads, results and the manifest.
        settings: limits and settings.
        token: what every request must carry; may be None on the loopback.
        say: called with the address of the page.

    Raises:
        PrmlError: a package is missing, a setting cannot be used, the folder is in use, or the port is.
    """
    check(settings)
    token = settings.check_token(token)
    export_names(settings.export)
    try:
        import uvicorn

        from prml.serve.app import make_app
        from prml.serve.runner import Runner
    except ImportError as error:
        raise PrmlError(f"'prml serve' needs {error.name}: pip install 'prml-pose[serve]'") from None
    _check_lift(settings)
    with open_jobs(out, settings.lift_settings()) as jobs, _listening(settings) as listening:
        app = make_app(jobs, settings, Runner(jobs, settings), token)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_IDLE_S,
            timeout_graceful_shutdown=3,
            limit_concurrency=_MAX_CONNECTIONS,
        )
        host, port = listening.getsockname()[:2]
        say(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
        uvicorn.Server(config).run(sockets=[listening])


def _check_lift(settings: ServeSettings) -> None:
    """Raise PrmlError if no video could be lifted with these settings."""
    from prml.detect.registry import get_detector

    video = Path("any.mp4")
    check_weights(Source(video, "video", video), settings.lift_settings())
    get_detector(settings.detector)


def _listening(settings: ServeSettings) -> socket.socket:
    """Return a socket that listens; raise PrmlError if the address cannot be used."""
    try:
        [found, *_] = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        opened = socket.socket(found[0], socket.SOCK_STREAM)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(found[4])
            opened.listen(128)
        except BaseException:
            opened.close()
            raise
    except OSError as error:
        raise PrmlError(
            f"cannot listen on host={settings.host} port={settings.port}: {reason_of(error)}; choose another port=..."
        ) from None
    return opened
