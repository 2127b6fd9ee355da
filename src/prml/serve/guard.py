"""Who may ask: the token, the host that was named, the page that asks; and the headers of every answer."""

import base64
import binascii
import hmac
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "media-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def problem(status: int, message: str, **headers: str) -> JSONResponse:
    """Return the answer to what cannot be done."""
    return JSONResponse({"error": message}, status, headers)


class Guard:
    """Lets requests through that carry the token, name this server and do not come from the page of another one.

    Browsers send what they know about a server also when another page makes them ask it. Therefore a request that
    changes something has to come from a page of this server, or from no page; and a server on the loopback, which
    may have no token, answers only to names of the loopback, since any name can be made to mean it.

    Args:
        app: what is guarded.
        token: the token; None if none is needed.
        loopback: whether the server listens on the loopback only.
    """

    def __init__(self, app: ASGIApp, token: str | None, loopback: bool) -> None:
        self.app, self.token, self.loopback = app, token, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that may not pass, or let it pass."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refused(Headers(scope=scope), scope["method"])
        await (refused or self.app)(scope, receive, with_headers)

    def _refused(self, headers: Headers, method: str) -> JSONResponse | None:
        host = headers.get("host", "")
        if self.loopback and _name(f"//{host}") not in _LOOPBACK:
            return problem(421, "this server answers to localhost and 127.0.0.1 only")
        if self.token is not None and not hmac.compare_digest(_token(headers).encode(), self.token.encode()):
            asked = {"WWW-Authenticate": 'Basic realm="PrML: any user name, the token as password", charset="UTF-8"'}
            return problem(401, "send the server's token as the password, or as Authorization: Bearer TOKEN", **asked)
        origin = headers.get("origin")
        if method not in SAFE and origin is not None and _split(origin) != host.lower():
            return problem(403, "another page may not change what is on this server")
        return None


def _token(headers: Headers) -> str:
    """Return the token of a request, as a bearer or as the password of any user; empty if there is none."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _split(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _name(url: str) -> Any:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
