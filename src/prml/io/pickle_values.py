"""Stand-ins for the values of a pickle (:mod:`prml.io.pickle_scan`): sizes, depths, and use as a key."""

from typing import Any

MAX_INT_KEY = 2**60  # larger numbers can be made to collide
MAX_TUPLE_KEY = 16


class Atom:
    """A value without items: its size in bytes, and whether a file can choose its hash."""

    __slots__ = ("odd", "size")

    def __init__(self, size: int = 8, odd: bool = False) -> None:
        self.size, self.odd = size, odd


PLAIN, ODD = Atom(), Atom(odd=True)
TEXT = {bytes}  # type that represents a short text


class Thing:
    """A container, or the result of a call."""

    __slots__ = ("bad_keys", "count", "depth", "first", "held", "items", "kind", "name", "odd_keys", "pairs")

    def __init__(self, kind: str, name: str = "") -> None:
        self.kind, self.name = kind, name
        self.count, self.depth, self.held = 0, 1, False
        self.items: list[Any] | None = None  # of a short tuple
        self.first: Any = None
        self.odd_keys, self.bad_keys, self.pairs = 0, False, True  # if its items become keys, or pairs of key and value


FREE, COUNTED, NO_KEY = range(3)


def as_key(item: Any) -> int:
    """Classify a value as a key: free, counted or not allowed."""
    if isinstance(item, bytes):
        return FREE
    if isinstance(item, int):
        return FREE if -MAX_INT_KEY <= item <= MAX_INT_KEY else COUNTED
    if isinstance(item, Atom):
        return COUNTED if item.odd else FREE
    if item.kind == "scalar":
        return COUNTED
    flat = item.kind == "tuple" and item.items is not None and not any(is_tuple(part) for part in item.items)
    return COUNTED if flat and all(as_key(part) != NO_KEY for part in item.items) else NO_KEY


def is_tuple(item: Any) -> bool:
    """Whether a value is a tuple."""
    return isinstance(item, Thing) and item.kind == "tuple"


def copy_size(item: Any) -> int:
    """Return the bytes that a shallow copy of a value takes."""
    if isinstance(item, Thing):
        return 8 * item.count
    return len(item) if isinstance(item, bytes) else item.size if isinstance(item, Atom) else 8


def make_tuple(items: list[Any]) -> Thing:
    """Return the stand-in for a tuple of these values; their depth is not considered."""
    made = Thing("tuple")
    made.count = len(items)
    made.items = items if len(items) <= MAX_TUPLE_KEY else None
    made.first = items[0] if items else None
    return made
