"""A cache that is being built: a hidden folder beside the place of the cache, which a later run continues.

Only maps take long; they are appended frame by frame, so the sizes of their files say how far a stopped run came.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from torch import Tensor

from prml.errors import PrmlError
from prml.image_features.cache import INDEX, dtype_of
from prml.io.locks import try_lock

Array = np.ndarray
_SETTINGS = "settings.json"  # what the draft is made with; also its lock


class Draft:
    """A draft that this process holds; made by :meth:`open`.

    Args:
        folder: of the draft.
        out: of the cache.
        settings: everything that the cache depends on.
        shapes: (c, h, w) of the maps.
    """

    def __init__(self, folder: Path, out: Path, settings: Mapping[str, Any], shapes: Sequence[tuple[int, ...]]) -> None:
        self.folder, self.out = folder, out
        self.half = bool(settings["options"]["half"])
        names = ("map", "mirrored") if settings["options"]["mirrored"] else ("map",)
        frame = dtype_of(self.half).itemsize
        self._bytes = {f"{name}{i}.bin": int(np.prod(s)) * frame for name in names for i, s in enumerate(shapes)}
        self._files: dict[str, IO[bytes]] = {}
        self._stack, self._lock = ExitStack(), ExitStack()

    @classmethod
    @contextmanager
    def open(cls, out: Path, settings: Mapping[str, Any], shapes: Sequence[tuple[int, ...]]) -> Iterator["Draft"]:
        """Hold the draft of a cache, with what a stopped run of the same settings left.

        The draft stays if the disk is full or the user stops the run, and goes if the input cannot be used.

        Raises:
            PrmlError: another process holds it.
        """
        folder = out.parent / f".{out.name}.part"
        folder.mkdir(exist_ok=True)
        lock = ExitStack()
        with lock:
            descriptor = os.open(folder / _SETTINGS, os.O_RDWR | os.O_CREAT)
            lock.callback(os.close, descriptor)
            if not try_lock(descriptor):
                raise PrmlError(f"{out} is being built by another process; wait for it, or choose another folder")
            draft = cls(folder, out, settings, shapes)
            draft._lock = lock
            draft._match(settings)
            try:
                with draft._stack:
                    yield draft
            except PrmlError:
                shutil.rmtree(folder, ignore_errors=True)
                raise

    def _match(self, settings: Mapping[str, Any]) -> None:
        """Drop what was made with other settings."""
        path, wanted = self.folder / _SETTINGS, json.dumps(settings, indent=1)
        if path.read_text(encoding="utf-8") == wanted:
            return
        for old in (*self.folder.glob("*.bin"), *self.folder.glob("*.npy"), self.folder / INDEX):
            old.unlink(missing_ok=True)
        path.write_text(wanted, encoding="utf-8")

    def resume(self, frames: Sequence[int], batch: int) -> int:
        """Open the files of maps behind their last whole batch, and return how many frames they hold.

        Args:
            frames: of every clip; batches do not reach over clips.
            batch: frames of a batch: they are computed together, so the result is that of a run that was not stopped.
        """
        paths = {name: self.folder / name for name in self._bytes}
        sizes = [p.stat().st_size // self._bytes[name] if p.is_file() else 0 for name, p in paths.items()]
        kept, at, there = 0, 0, min(sizes)
        for count in frames:
            inside = min(count, max(0, there - at))
            kept += inside if inside == count else inside - inside % batch
            at += count
            if inside < count:
                break
        for name, path in paths.items():
            file = self._stack.enter_context(path.open("r+b" if path.is_file() else "wb"))
            file.truncate(kept * self._bytes[name])
            file.seek(0, os.SEEK_END)
            self._files[name] = file
        return kept

    def append(self, maps: Sequence[Tensor], mirrored: Sequence[Tensor] | None) -> None:
        """Write the maps of the next frames; PrmlError for values that the number format does not hold."""
        for name, levels in (("map", maps), ("mirrored", mirrored or ())):
            for i, level in enumerate(levels):
                kept = level.half() if self.half else level
                if not bool(kept.isfinite().all()):
                    raise PrmlError(
                        "the backbone's features do not fit float16, or are not numbers; keep float32 (half=False)"
                    )
                self._files[f"{name}{i}.bin"].write(np.ascontiguousarray(kept.cpu().numpy()).tobytes())

    def finish(self, arrays: Mapping[str, Array], index: Mapping[str, Any]) -> None:
        """Write what is small."""
        for name, array in arrays.items():
            np.save(self.folder / f"{name}.npy", array, allow_pickle=False)
        (self.folder / INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")

    def publish(self) -> None:
        """Put the draft in the place of the cache."""
        self._stack.close()
        self._lock.close()
        (self.folder / _SETTINGS).unlink()
        with tempfile.TemporaryDirectory(prefix=f".{self.out.name}.", dir=self.out.parent) as old:
            if self.out.exists():
                self.out.rename(Path(old) / "old")
            self.folder.rename(self.out)
