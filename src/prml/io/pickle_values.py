"""Stand-ins for what a pickle would build (:mod:`prml.io.pickle_scan`): sizes, depths, and what may be a key."""

from typing import Any

MAX_INT_KEY = 2**60  # larger ones can have one hash
MAX_TUPLE_KEY = 16


class Atom:
    """A value that holds nothing: its size in bytes, and whether a file can choose its hash."""

    __slots__ = ("odd", "size")

    def __init__(self, size: int = 8, odd: bool = False) -> None:
        self.size, self.odd = size, odd


PLAIN, ODD = Atom(), Atom(odd=True)
TEXT = {bytes}  # how a short text is held


class Thing:
    """A container, or what a call gives."""

    __slots__ = ("bad_keys", "count", "depth", "first", "held", "items", "kind", "name", "odd_keys", "pairs")

    def __init__(self, kind: str, name: str = "") -> None:
        self.kind, self.name = kind, name
        self.count, self.depth, self.held = 0, 1, False
        self.items: list[Any] | None = None  # of a short tuple
        self.first: Any = None
        self.odd_keys, self.bad_keys, self.pairs = 0, False, True  # were its items keys, or pairs of key and value


FREE, COUNTED, NO_KEY = range(3)


def as_key(item: Any) -> int:
    """How a value does as a key."""
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
    """Bytes that a copy of a value takes, without those of its items."""
    if isinstance(item, Thing):
        return 8 * item.count
    return len(item) if isinstance(item, bytes) else item.size if isinstance(item, Atom) else 8


def make_tuple(items: list[Any]) -> Thing:
    """The stand-in of a tuple of these values; their depth is not looked at."""
    made = Thing("tuple")
    made.count = len(items)
    made.items = items if len(items) <= MAX_TUPLE_KEY else None
    made.first = items[0] if items else None
    return made
