"""PrML: monocular 3D human pose by progressive multi-task learning.

The public names are few; the heavy libraries behind them are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from prml._version import __version__

# public name -> module that defines it
_PUBLIC = {
    "Camera": "prml.camera",
    "PoseSequence": "prml.sequence",
    "PrmlError": "prml.errors",
    "Scene": "prml.scene",
    "Skeleton": "prml.skeleton",
    "Lifter": "prml.lifting.lifter",
    "load": "prml.lifting.lifter",
    "lift": "prml.pipeline.lift",
    "lift_many": "prml.pipeline.batch",
    "load_file": "prml.io.registry",
    "save_file": "prml.io.registry",
}

__all__ = [
    "Camera",
    "Lifter",
    "PoseSequence",
    "PrmlError",
    "Scene",
    "Skeleton",
    "__version__",
    "lift",
    "lift_many",
    "load",
    "load_file",
    "save_file",
]

if TYPE_CHECKING:
    from prml.camera import Camera
    from prml.errors import PrmlError
    from prml.io.registry import load_file, save_file
    from prml.lifting.lifter import Lifter, load
    from prml.pipeline.batch import lift_many
    from prml.pipeline.lift import lift
    from prml.scene import Scene
    from prml.sequence import PoseSequence
    from prml.skeleton import Skeleton


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562), so that ``import prml`` stays cheap."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'prml' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
