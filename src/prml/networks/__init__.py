"""Pure tensor-to-tensor networks. ``build`` makes one by name, ``from_published`` one with its authors' own weights."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PLACES = {
    "build": "registry",
    "entry": "registry",
    "names": "registry",
    "Network": "base",
    "NetworkEntry": "catalogue",
    "from_published": "published.convert",
    "published_keys": "published.convert",
}
__all__ = ["Network", "NetworkEntry", "build", "entry", "from_published", "names", "published_keys"]

if TYPE_CHECKING:
    from prml.networks.base import Network
    from prml.networks.catalogue import NetworkEntry
    from prml.networks.published.convert import from_published, published_keys
    from prml.networks.registry import build, entry, names


def __getattr__(name: str) -> Any:
    """Import on first use, so that naming this package costs nothing."""
    if name not in _PLACES:
        raise AttributeError(f"module 'prml.networks' has no attribute {name!r}")
    return getattr(import_module(f"prml.networks.{_PLACES[name]}"), name)
