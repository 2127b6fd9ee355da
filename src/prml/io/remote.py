"""Results in a bucket, or wherever fsspec can write: ``s3://bucket/folder``, ``gs://...``, ``az://...``, ``sftp://...``.

A bucket has no locks and cannot rename a folder. So a results folder there is whole if it holds ``row.json``, which is
written last and removed first.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prml.errors import PrmlError
from prml.io.guard import one_line

ROW = "row.json"
SCHEMA = "prml.row/1"
_BUCKETS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "r2"}
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://.")


def is_remote(out: object) -> bool:
    """Whether a folder for results is named by an address such as ``s3://bucket/folder``."""
    return isinstance(out, str) and _URL.match(out) is not None


class RemoteFolder:
    """A folder at an address.

    Args:
        address: see the module.

    Raises:
        PrmlError: fsspec, or the package that it needs for the address, is missing.
    """

    def __init__(self, address: str) -> None:
        self.shown = re.sub(r"//[^/@]*@", "//", address).rstrip("/")  # a password may be in it
        try:
            import fsspec
        except ImportError:
            raise PrmlError(f"results in {self.shown} need fsspec: pip install 'prml-pose[bucket]'") from None
        try:
            self._files, self._root = fsspec.core.url_to_fs(address)
        except Exception as error:  # each protocol has its own
            raise PrmlError(f"cannot use {self.shown}: {one_line(error, 200)}; check the address") from error

    def row(self, folder: str) -> dict[str, Any] | None:
        """Return what was written about a results folder; None if there is none, or it is not whole."""
        try:
            told = json.loads(self._files.cat_file(self._at(folder, ROW)))
        except (FileNotFoundError, ValueError):
            return None
        except Exception as error:
            raise self._refused(error, "read") from error
        return told if isinstance(told, dict) and told.get("schema") == SCHEMA else None

    def put(self, folder: str, files: Mapping[str, Path], row: Mapping[str, Any]) -> None:
        """Write a results folder, and last its row; files of an earlier result are replaced or removed.

        Raises:
            PrmlError: the place refuses; the folder is then not whole.
        """
        before = self.row(folder) or {}
        try:
            if before:
                self._files.rm_file(self._at(folder, ROW))
            if not self._has_no_folders:
                self._files.makedirs(self._at(folder), exist_ok=True)
            for name, path in files.items():
                self._files.put_file(str(path), self._at(folder, name))
            for name in {str(name) for name in before.get("files", [])} - set(files):
                if re.fullmatch(r"[\w.-]+", name) and self._files.exists(self._at(folder, name)):
                    self._files.rm_file(self._at(folder, name))
            record = {"schema": SCHEMA, **row, "files": sorted(files)}
            self._files.pipe_file(self._at(folder, ROW), (json.dumps(record) + "\n").encode())
        except Exception as error:
            raise self._refused(error, "write") from error

    @property
    def _has_no_folders(self) -> bool:
        """Whether it is a bucket, where making a folder would make a bucket that is missing, misspelled perhaps."""
        names = self._files.protocol
        return not _BUCKETS.isdisjoint({names} if isinstance(names, str) else names)

    def _at(self, *names: str) -> str:
        return "/".join([self._root.rstrip("/"), *names])

    def _refused(self, error: Exception, what: str) -> PrmlError:
        reason = one_line(error, 200)
        return PrmlError(f"cannot {what} {self.shown}: {reason}; check the address and the right to {what} there")
