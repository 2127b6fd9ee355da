"""Plug-ins of other packages: entry points by group, looked up when a registry does not know a name.

A package can add an export format, for instance, without a change here::

    [project.entry-points."prml.formats"]
    fbx = "my_package.fbx:FORMAT"

Groups: ``prml.formats``, ``prml.detectors``, ``prml.networks``, ``prml.datasets``, ``prml.protocols``,
``prml.metrics``.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from prml.errors import PrmlError

T = TypeVar("T")


def plugin_names(group: str) -> tuple[str, ...]:
    """Return the sorted names that other packages add to a group, without importing them."""
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def plugin(group: str, name: str, kind: type[T]) -> T | None:
    """Return the object registered under a name; None if no package adds it.

    Raises:
        PrmlError: two packages add the name, the object cannot be imported, or it is not a ``kind``.
    """
    points = [point for point in entry_points(group=group) if point.name == name]
    if not points:
        return None
    if len({point.value for point in points}) > 1:
        raise PrmlError(f"{name!r} of {group} comes from {', '.join(map(_origin, points))}; uninstall one of them")
    try:
        found = points[0].load()
    except Exception as error:  # the code of another package may raise anything on import
        raise PrmlError(f"{name!r} of {group} ({_origin(points[0])}) cannot be imported: {error}") from error
    if not isinstance(found, kind):
        raise PrmlError(
            f"{name!r} of {group} ({_origin(points[0])}): expected {kind.__name__}, got {type(found).__name__}"
        )
    return found


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name if point.dist else 'an unnamed package'}: {point.value}"
