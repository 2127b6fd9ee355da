"""Take an upload piece by piece, and look at it in a process that may be killed."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from prml.errors import PrmlError
from prml.io.sandbox import Limits, run_isolated
from prml.media.read import probe
from prml.serve.jobs import Facts
from prml.serve.settings import ServeSettings
from prml.serve.texts import public

LOOK = Limits(memory_mib=1024, time_s=30.0)
PAUSE_S = 60.0  # without a piece of an upload, before it is given up
MIN_FREE_MB = 200.0  # that an upload leaves on the disk
_PIECE = 1 << 20


class UploadError(PrmlError):
    """An upload that is not taken.

    Args:
        status: status code of the answer.
        message: one line.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check_size(stated: int | None, folder: Path, settings: ServeSettings) -> None:
    """Raise UploadError if an upload of this many bytes is too large, or the disk is too full for it."""
    if stated is not None and stated > settings.max_mb * 1e6:
        raise UploadError(413, f"the file has {stated / 1e6:.4g} MB, this server takes {settings.max_mb:g} MB at most")
    if shutil.disk_usage(folder).free < (stated or 0) + MIN_FREE_MB * 1e6:
        raise UploadError(507, "the server's disk is full; try again later")


async def receive(pieces: AsyncIterator[bytes], draft: Path, settings: ServeSettings) -> int:
    """Write an upload to a new file and return its size; the file is removed if anything goes wrong.

    Raises:
        UploadError: it is empty, too large or too slow, or the disk is full.
    """
    size, held = 0, bytearray()
    try:
        with draft.open("xb") as file:
            while (piece := await _next(pieces)) is not None:
                size += len(piece)
                if size > settings.max_mb * 1e6:
                    check_size(size, draft.parent, settings)
                held += piece
                if len(held) >= _PIECE:
                    await asyncio.to_thread(file.write, bytes(held))
                    held.clear()
            await asyncio.to_thread(file.write, bytes(held))
        if not size:
            raise UploadError(400, "the upload is empty; send the bytes of a video")
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UploadError(507, "the upload cannot be kept, the server's disk is full; try again later") from error
    except BaseException:  # the browser has gone, for instance
        draft.unlink(missing_ok=True)
        raise
    return size


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    try:
        return await asyncio.wait_for(anext(pieces), PAUSE_S)
    except StopAsyncIteration:
        return None
    except TimeoutError:
        raise UploadError(408, f"nothing of the file has come for {PAUSE_S:g} s; upload it again") from None


def look(draft: Path, name: str, size: int, settings: ServeSettings) -> Facts:
    """Return what an uploaded file says about its video.

    Raises:
        UploadError: it is not a video, or longer than the server allows.
    """
    try:
        told = run_isolated(facts_of, str(draft), what=name, limits=LOOK)
        facts = Facts(size, **told)
    except PrmlError as error:
        raise UploadError(422, public(str(error), {f"{draft} is": "it is", str(draft): "it"})) from None
    if facts.duration_s is not None and facts.duration_s > settings.max_length:
        raise UploadError(
            422, f"{name} is {facts.duration_s:.5g} s long, this server takes {settings.max_length:g} s at most; cut it"
        )
    return facts


def facts_of(path: str) -> dict[str, Any]:
    """Return the facts of a video but for its size in bytes; runs in the child process. Raises PrmlError."""
    info = probe(path)
    return {"width": info.width, "height": info.height, "fps": info.fps, "duration_s": info.duration_s}
