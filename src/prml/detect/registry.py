"""Registry of detectors.

A detector is a module with a ``DETECTOR`` and one line in ``_SHIPPED``. Other packages add one with an entry point in
the group ``prml.detectors`` (see :mod:`prml.plugins`), for use as ``prml lift --detector NAME``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from prml.detect.base import Detector
from prml.errors import PrmlError
from prml.plugins import plugin, plugin_names
from prml.skeleton import Skeleton

GROUP = "prml.detectors"
DEFAULT = "mediapipe"
_SHIPPED = {"mediapipe": "prml.detect.mediapipe"}


@dataclass(frozen=True)
class DetectorKind:
    """Creates detectors of one kind.

    Attributes:
        name: the value of ``detector=``.
        description: one line.
        skeleton: joint set of the detections. Following a person needs LShoulder, RShoulder, LHip and RHip; lifting
            needs a conversion to H36M17.
        open: ``open(model)`` returns a detector; ``model`` is one of ``models``, a path, or None for the first of
            ``models``. Raises PrmlError for any other. Imports that take long belong here.
        models: names of known models.
        large: the model for ``quality=best``; None if the user has to give one, as ``large_hint`` says.
        large_hint: where to get it.
    """

    name: str
    description: str
    skeleton: Skeleton
    open: Callable[[str | None], Detector]
    models: tuple[str, ...] = ()
    large: str | None = None
    large_hint: str = ""


def detector_names() -> tuple[str, ...]:
    """Return the names of all detectors, ours first, then those of other packages, without importing any."""
    return (*_SHIPPED, *(name for name in plugin_names(GROUP) if name not in _SHIPPED))


def get_detector(name: str = DEFAULT) -> DetectorKind:
    """Return a kind of detector by name.

    Raises:
        PrmlError: the name is unknown (the message lists the known ones), or another package's detector cannot be
            imported.
    """
    if name in _SHIPPED:
        found: DetectorKind | None = import_module(_SHIPPED[name]).DETECTOR
    else:
        found = plugin(GROUP, name, DetectorKind)
    if found is None:
        raise PrmlError(f"unknown detector {name!r}; expected one of {', '.join(detector_names())}")
    return found
