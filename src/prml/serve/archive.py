"""A ZIP file that is made while it is sent."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

_PIECE = 1 << 18


class _Pieces(io.RawIOBase):
    """What has been written since it was last taken."""

    def __init__(self) -> None:
        self.held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(memoryview(data))  # type: ignore[arg-type]
        self.held += piece
        return len(piece)

    def take(self) -> bytes:
        """Return and forget it."""
        piece = bytes(self.held)
        self.held.clear()
        return piece


def archive(found: Mapping[str, Path]) -> Iterator[bytes]:
    """Yield the bytes of a ZIP file with these files, uncompressed; a file that is gone meanwhile is left out."""
    sink = _Pieces()
    with zipfile.ZipFile(sink, "w", allowZip64=True) as into:
        for name, path in found.items():
            try:
                given = path.open("rb")
            except OSError:
                continue
            with given, into.open(zipfile.ZipInfo.from_file(path, name), "w") as file:
                while piece := given.read(_PIECE):
                    file.write(piece)
                    yield sink.take()
    yield sink.take()
