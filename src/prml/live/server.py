"""A page and a WebSocket on this machine: the frames of a live run, for a browser and for programs."""

import asyncio
import json
import threading
from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np

from prml.errors import PrmlError
from prml.io.files import reason_of
from prml.live.frame import LiveFrame, LiveRun
from prml.live.records import header, line, record
from prml.view.page.live import live_page
from prml.view.raster import shrink
from prml.view.thumbnails import QUALITY, Thumbnails

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

Array = np.ndarray
HOST, PORT = "127.0.0.1", 8765
MAX_BEHIND = 500_000  # bytes that a client has not read yet; more, and it misses frames
_START_S = 10.0


class Server:
    """Serves ``/`` (the page) and ``/live`` (a WebSocket with one JSON record per message, as :mod:`records`).

    ``/live?pictures`` adds a small JPEG, in base64, to every record. Only this machine can connect, and only pages of
    this server, or programs that are no browser.

    Args:
        port: None for 8765, or any free one if that is taken.

    Raises:
        PrmlError: the extra ``live`` is not installed.
    """

    def __init__(self, port: int | None = None) -> None:
        try:
            import websockets.asyncio.server  # noqa: F401
        except ImportError:
            raise PrmlError(
                "the window and the WebSocket need the package websockets: pip install 'prml-pose[live]'; "
                "or pass window=False"
            ) from None
        self._wanted, self.port, self.clients = port, 0, 0
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._open: dict[ServerConnection, bool] = {}  # -> whether it wants pictures
        self._page = self._header = b""
        self._end = "Ended"

    @property
    def address(self) -> str:
        """URL of the page."""
        return f"http://{HOST}:{self.port}/"

    def start(self, run: LiveRun) -> None:
        """Listen; raise PrmlError if the port is taken."""
        self._page = live_page(f"{run.source} live", run.skeleton, run.camera)
        self._header = line(header(run)).encode()
        self._thread = threading.Thread(target=self._work, name="prml-live-server", daemon=True)
        self._thread.start()
        self._started.wait(_START_S)
        if self._error is not None:
            raise PrmlError(f"port {self._wanted} cannot be used ({reason_of(_os_error(self._error))}); give port=...")
        if not self.port:
            raise PrmlError(f"the page was not there within {_START_S:g} s; close other programs and try again")

    def _work(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._error = error
        finally:
            self._started.set()
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        for port in [self._wanted] if self._wanted else [PORT, 0]:
            try:
                await self._listen(port)
                return
            except OSError:
                if self._wanted or port == 0:
                    raise

    async def _listen(self, port: int) -> None:
        from websockets.asyncio.server import serve

        async with serve(
            self._talk, HOST, port, process_request=self._answer, compression=None, max_size=4096, ping_timeout=None
        ) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            self._hosts = {f"{name}:{self.port}" for name in (HOST, "localhost")}
            self._started.set()
            await self._stop.wait()
            for client in list(self._open):
                await client.send(json.dumps({"end": self._end}))

    def _answer(self, connection: "ServerConnection", request: "Request") -> "Response | None":
        """Answer a request for the page; None lets a WebSocket be opened."""
        from websockets.datastructures import Headers
        from websockets.http11 import Response

        def respond(status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> Response:
            fields = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
            fields |= {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
            return Response(status, "", Headers(fields), body)

        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if host not in self._hosts or (origin is not None and origin.removeprefix("http://") not in self._hosts):
            return respond(403, b"only pages of this address are served\n")
        path = urlsplit(request.path).path
        if path == "/live":
            return None
        if path == "/":
            return respond(200, self._page, "text/html; charset=utf-8")
        return respond(404, b"there is / and the WebSocket /live\n")

    async def _talk(self, client: "ServerConnection") -> None:
        request = client.request
        pictures = request is not None and urlsplit(request.path).query == "pictures"
        await client.send(self._header.decode())
        self._open[client] = pictures
        self.clients = len(self._open)
        try:
            await client.wait_closed()
        finally:
            self._open.pop(client, None)
            self.clients = len(self._open)

    def send(self, frame: LiveFrame) -> None:
        """Pass a frame to all who are connected; those who do not read in time miss it."""
        if self.clients and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._publish, frame)

    def _publish(self, frame: LiveFrame) -> None:
        from websockets.asyncio.server import broadcast

        values = record(frame)
        ready = [c for c in self._open if c.transport.get_write_buffer_size() < MAX_BEHIND]
        plain = [client for client in ready if not self._open[client]]
        drawn = [client for client in ready if self._open[client]]
        if plain:
            broadcast(plain, json.dumps(values))
        if drawn:
            broadcast(drawn, json.dumps(values | {"picture": _jpeg(frame.picture)}))

    def close(self) -> str:
        """Tell the clients, and end."""
        thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(5.0)
        return ""


def _os_error(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(str(error))


def _jpeg(picture: Array | None) -> str | None:
    """Return a small JPEG in base64."""
    if picture is None:
        return None
    from PIL import Image

    height, width = picture.shape[:2]
    buffer = BytesIO()
    Image.fromarray(shrink(picture, *Thumbnails.shape(width, height))).save(buffer, "JPEG", quality=QUALITY)
    return b64encode(buffer.getvalue()).decode()
