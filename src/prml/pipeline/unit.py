"""The unit of bulk work: a callable that lifts one input into a folder. It knows no engine, so any can run it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

from prml.errors import PrmlError
from prml.io.files import existing
from prml.io.remote import RemoteFolder, is_remote
from prml.networks import registry
from prml.options import check
from prml.pipeline.lift import lift
from prml.pipeline.manifest import identity_of
from prml.pipeline.settings import LiftSettings
from prml.pipeline.source import WHAT, Source, input_path
from prml.pipeline.weights import check_weights, open_lifter
from prml.progress import StageProgress

if TYPE_CHECKING:
    from prml.lifting.lifter import Lifter

_TOLD = ("status", "frames", "fps", "residual_px", "warnings")


class LiftVideo:
    """Lifts one input per call; the weights are loaded once.

    An actor of Ray Data, a Spark task or a plain process makes one of these and calls it with row after row. A row is a
    mapping with ``path``, and optionally ``folder``, the name of the results folder inside ``out`` (default: the
    input's name without its ending), and ``title``, the input's name on pages.

    Args:
        out: folder that receives one results folder per input; or an address that fsspec can write to, such as
            ``s3://bucket/folder``, where an input that is done with the same settings is not lifted again.
        settings: fields of :class:`LiftSettings`; ``jobs`` is 1 unless given, as an engine runs several of these.

    Raises:
        PrmlError: a setting cannot be used.
    """

    def __init__(self, out: str | Path, **settings: Any) -> None:
        self.remote = RemoteFolder(str(out)) if is_remote(out) else None
        self.out, self.settings = Path(out), LiftSettings(**{"jobs": 1, **settings})
        check(self.settings)
        self._lifter: Lifter | None = None

    def __call__(
        self, row: Mapping[str, Any], progress: StageProgress | None = None, overwrite: bool | None = None
    ) -> dict[str, Any]:
        """Lift one input and return what its manifest row says, as plain values.

        Args:
            row: see the class.
            progress: as for :func:`prml.lift`.
            overwrite: replaces the setting.

        Returns:
            ``path``, ``folder``, ``status`` ("done" or "failed"), ``error``, ``frames``, ``fps``, ``seconds``,
            ``residual_px`` and ``warnings``. An input that cannot be used fails its row; nothing is raised for it.
        """
        started, path = perf_counter(), str(row["path"])
        folder = str(row.get("folder") or Path(path).stem)
        told: dict[str, Any] = {"path": path, "folder": folder, "status": "failed", "error": ""}
        told |= {"frames": 0, "fps": 0.0, "residual_px": None, "warnings": []}
        settings = self.settings if overwrite is None else replace(self.settings, overwrite=overwrite)
        try:
            if Path(folder).name != folder or not folder.strip("."):
                raise PrmlError(f"folder is the name of a results folder, got {folder!r}")
            tell = progress or (lambda *_: None)
            if self.remote is None:
                told |= self._lift(row, self.out / folder, settings, tell)
            else:
                told |= self._lift_to(self.remote, row, folder, settings, tell)
        except PrmlError as error:
            told["error"] = str(error)
        except Exception as error:  # a fault of ours, or of a library: the other inputs go on
            told["error"] = f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return {**told, "seconds": round(perf_counter() - started, 3)}

    def _lift_to(
        self, remote: RemoteFolder, row: Mapping[str, Any], name: str, settings: LiftSettings, progress: StageProgress
    ) -> dict[str, Any]:
        """Lift into a temporary folder, then move the files to the address, unless they are there already."""
        known = identity_of(existing(input_path(row["path"]), WHAT), settings)
        before = remote.row(name)
        if before is not None and before.get("identity") == known and not settings.overwrite:
            return {key: before[key] for key in _TOLD if key in before}
        with TemporaryDirectory(prefix="prml-") as made:
            told = self._lift(row, Path(made) / name, settings, progress)
            files = {path.name: path for path in sorted((Path(made) / name).iterdir()) if path.is_file()}
            progress("upload", 0, len(files))
            remote.put(name, files, {"input": str(row["path"]), "identity": known, **told})
        return told

    def _lift(
        self, row: Mapping[str, Any], folder: Path, settings: LiftSettings, progress: StageProgress
    ) -> dict[str, Any]:
        path, title = str(row["path"]), row.get("title")
        source = Source.of(input_path(path), settings)
        lifter = self._opened(source, settings)
        result = lift(path, folder, progress=progress, lifter=lifter, title=title and str(title), **vars(settings))
        residual = float(result.residual_px)
        return {
            "status": "done",
            "frames": len(result.sequence),
            "fps": float(result.sequence.fps),
            "residual_px": round(residual, 3) if residual == residual else None,
            "warnings": list(result.warnings),
        }

    def _opened(self, source: Source, settings: LiftSettings) -> "Lifter | None":
        """Return the lifter, kept from call to call unless it reads the images of one video; None to redraw."""
        if source.kind == "poses":
            return None
        card = check_weights(source, settings)
        if registry.entry(card.network, may_import=False).image_features:
            return open_lifter(source, settings)
        if self._lifter is None:
            self._lifter = open_lifter(source, settings)
        return self._lifter
