"""Detectors by name.

A detector is one module with a ``DETECTOR`` and one line of ``_SHIPPED``. An outside package adds one by an entry point
of the group ``prml.detectors`` (see :mod:`prml.plugins`); ``prml lift --detector NAME`` then lifts with it.
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
    """What makes detectors of a kind.

    Attributes:
        name: as ``detector=`` takes it.
        description: one line.
        skeleton: joint set of the detections. A person is followed by LShoulder, RShoulder, LHip and RHip; lifting
            needs a conversion to H36M17.
        open: ``open(model)`` gives a detector; ``model`` is a name of ``models``, a file's path, or None for the first
            of ``models``. Raises PrmlError for another. Whatever takes long to import is imported there.
        models: the models that it knows by name.
    """

    name: str
    description: str
    skeleton: Skeleton
    open: Callable[[str | None], Detector]
    models: tuple[str, ...] = ()


def detector_names() -> tuple[str, ...]:
    """The names of all detectors: ours, then those of outside packages. Nothing is imported."""
    return (*_SHIPPED, *(name for name in plugin_names(GROUP) if name not in _SHIPPED))


def get_detector(name: str = DEFAULT) -> DetectorKind:
    """A kind of detector by its name.

    Raises:
        PrmlError: no such name, with the known ones; or why that of an outside package cannot be imported.
    """
    if name in _SHIPPED:
        found: DetectorKind | None = import_module(_SHIPPED[name]).DETECTOR
    else:
        found = plugin(GROUP, name, DetectorKind)
    if found is None:
        raise PrmlError(f"unknown detector {name!r}; expected one of {', '.join(detector_names())}")
    return found
