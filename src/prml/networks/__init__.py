"""Pure tensor-to-tensor networks; ``build`` is the only door, ``from_published`` the one for authors' own weights."""

from typing import TYPE_CHECKING, Any

__all__ = ["build", "entry", "from_published", "names", "published_keys"]

if TYPE_CHECKING:
    from prml.networks.registry import build, entry, from_published, names, published_keys


def __getattr__(name: str) -> Any:
    """Import the registry on first use, so that naming this package costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'prml.networks' has no attribute {name!r}")
    from prml.networks import registry

    return getattr(registry, name)
