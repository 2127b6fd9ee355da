"""Scan a pickle without building anything: one pass over its opcodes, with a limit on everything.

A pickle of a few hundred bytes can nest a million tuples (hashing them overflows the stack), request a memo of
gigabytes, copy a block of bytes a thousand times, or fill a dictionary with colliding keys. :func:`scan` simulates the
stack and memo of the unpickler with small stand-ins, and rejects all of that before any object is created.
"""

import pickletools
import struct
from collections.abc import Callable, Collection, Iterable
from mmap import mmap
from typing import Any

from prml.errors import PrmlError
from prml.io.pickle_values import (
    COUNTED,
    FREE,
    NO_KEY,
    ODD,
    PLAIN,
    TEXT,
    Atom,
    Thing,
    as_key,
    copy_size,
    is_tuple,
    make_tuple,
)

Data = bytes | mmap
MAX_DEPTH = 100  # containers within containers
MAX_ODD_KEYS = 5000  # keys with hashes that a file can choose: fractions, long numbers, tuples
MAX_NUMBER_BYTES = 1000
GROWTH = 8, 2**20  # limit on what calls copy: a multiple of the pickle's size, plus this many bytes
_SHORT = 256  # longest text that is kept; names are shorter
_MEMO = 1000  # memo indices allowed in any pickle

# opcode -> bytes of its argument; -1: up to the end of the line; lower: preceded by its size (see pickletools)
_ARGUMENT = {ord(op.code): op.arg.n if op.arg else 0 for op in pickletools.opcodes}
_NAME = {ord(op.code): op.name for op in pickletools.opcodes}
_SIZES = {pickletools.TAKEN_FROM_ARGUMENT1: "<B", pickletools.TAKEN_FROM_ARGUMENT4: "<i"}
_SIZES |= {pickletools.TAKEN_FROM_ARGUMENT4U: "<I", pickletools.TAKEN_FROM_ARGUMENT8U: "<Q"}


class _Scan:
    """Simulates the stack and memo of the unpickler with stand-ins."""

    def __init__(self, data: Data, start: int, admit: Callable[[str, str], object] | None) -> None:
        self.data, self.at, self.start = data, start, start
        self.admit, self.foreign = admit, admit is None
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.odd_keys = self.copied = 0

    def run(self) -> None:
        """Scan to the end; the most frequent opcodes are handled inline, the others by ``_STEPS``."""
        data, steps, stop, at = self.data, _STEPS, len(self.data), self.at
        stack, memo, read_4 = self.stack, self.memo, struct.Struct("<I").unpack_from
        while at < stop:
            code = data[at]
            at += 1
            if code == 0x8C:  # SHORT_BINUNICODE
                end = at + 1 + data[at]
                stack.append(data[at + 1 : end])
                at = end
            elif code == 0x94:  # MEMOIZE
                memo[len(memo)] = stack[-1]
            elif code == 0x58:  # BINUNICODE
                end = at + 4 + read_4(data, at)[0]
                stack.append(data[at + 4 : end] if end - at <= _SHORT else Atom(end - at - 4))
                at = end
            elif code == 0x68:  # BINGET
                stack.append(memo[data[at]])
                at += 1
            elif code == 0x6A:  # LONG_BINGET
                stack.append(memo[read_4(data, at)[0]])
                at += 4
            elif code == 0x71:  # BINPUT
                memo[data[at]] = stack[-1]
                at += 1
            elif code == 0x72:  # LONG_BINPUT
                memo[self.place(read_4(data, at)[0])] = stack[-1]
                at += 4
            elif code == 0x4B:  # BININT1
                stack.append(data[at])
                at += 1
            elif code == 0x28:  # MARK
                self.marks.append(len(stack))
            elif code == 0x2E:  # STOP
                stack.pop()
                self.at = at
                return
            else:
                step = steps.get(code)
                if step is None and code not in _NAME:
                    raise ValueError(f"the byte {code} is not a pickle opcode")
                if step is None:
                    raise self.refused(_NAME[code])
                self.at = at
                step(self, code)
                at = self.at
        raise EOFError("it ends early")

    def refused(self, what: str) -> PrmlError:
        return PrmlError(f"refused to unpickle {what}; expected numpy arrays and plain containers")

    # ---------------------------------------------------------------------------------- arguments
    def argument(self, code: int) -> tuple[int, int]:
        """Return where the argument of an opcode begins and ends, and move past it."""
        length, begin = _ARGUMENT[code], self.at
        if length == pickletools.UP_TO_NEWLINE:
            end = self.data.find(b"\n", begin)
            if end < 0:
                raise EOFError("it ends early")
            self.at = end + 1
            return begin, end
        if length < 0:
            form = _SIZES[length]
            (size,) = struct.unpack_from(form, self.data, begin)
            begin += struct.calcsize(form)
            length = size
        if not 0 <= length <= len(self.data) - begin:
            raise EOFError(f"it states {length} bytes, but {len(self.data) - begin} are left")
        self.at = begin + length
        return begin, self.at

    def pop_mark(self) -> list[Any]:
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    # ---------------------------------------------------------------------------------- values
    def plain(self, code: int) -> None:
        self.argument(code)
        self.stack.append(PLAIN)

    def fraction(self, code: int) -> None:
        begin, end = self.argument(code)
        self._check_number(end - begin)
        self.stack.append(ODD)

    def small(self, code: int) -> None:
        begin, end = self.argument(code)
        self.stack.append(int.from_bytes(self.data[begin:end], "little", signed=end - begin == 4))

    def number(self, code: int) -> None:
        """Handle INT and LONG (text) and LONG1 and LONG4 (bytes)."""
        begin, end = self.argument(code)
        self._check_number(end - begin)
        held = self.data[begin:end]
        binary = _ARGUMENT[code] != pickletools.UP_TO_NEWLINE
        self.stack.append(int.from_bytes(held, "little", signed=True) if binary else int(held.rstrip(b"L") or 0))

    def _check_number(self, length: int) -> None:
        if length > MAX_NUMBER_BYTES:
            raise self.refused(f"a number of {length} digits or bytes")

    def text(self, code: int) -> None:
        begin, end = self.argument(code)
        self.stack.append(self.data[begin:end] if end - begin <= _SHORT else Atom(end - begin))

    def blob(self, code: int) -> None:
        begin, end = self.argument(code)
        self.stack.append(Atom(end - begin))

    # ---------------------------------------------------------------------------------- containers
    def empty(self, code: int) -> None:
        self.stack.append(make_tuple([]) if code == 0x29 else Thing(_EMPTY[code]))

    def hold(self, container: Thing, items: Iterable[Any]) -> None:
        """Record that a container holds these values, which must not change from now on."""
        for item in items:
            if isinstance(item, Thing) and item is not container:
                item.held = True
                if item.depth >= container.depth:
                    container.depth = item.depth + 1
        if container.depth > MAX_DEPTH:
            raise self.refused(f"containers more than {MAX_DEPTH} deep")

    def extend(self, container: Any, items: list[Any]) -> None:
        """Add items to a list or a set."""
        self._check_open(container, ("list", "set"))
        container.count += len(items)
        if set(map(type, items)) <= TEXT:
            container.pairs = container.pairs and not items
        else:
            self._look(container, items)
        if container.kind == "set":
            self.take_keys(container.odd_keys, container.bad_keys)
            container.odd_keys = 0
        if container.first is None and items:
            container.first = items[0]

    def _look(self, container: Thing, items: list[Any]) -> None:
        self.hold(container, items)
        for item in items:
            key = as_key(item)
            container.odd_keys += key == COUNTED
            container.bad_keys = container.bad_keys or key == NO_KEY
            pair = isinstance(item, Thing) and item.kind in ("list", "tuple") and item.count == 2
            container.pairs = container.pairs and pair and as_key(item.first) == FREE

    def _check_open(self, container: Any, kinds: Collection[str]) -> None:
        if not isinstance(container, Thing) or container.kind not in kinds:
            raise self.refused("items of something that is not a container")
        if container.held:
            raise self.refused("a container that changes after another one holds it")

    def take_keys(self, odd: int, bad: bool) -> None:
        """Count keys of a dictionary or items of a set."""
        if bad:
            raise self.refused("a key other than a text, a number or a short tuple of these")
        self.odd_keys += odd
        if self.odd_keys > MAX_ODD_KEYS:
            raise self.refused(f"more than {MAX_ODD_KEYS} keys that are fractions, long numbers or tuples")

    def fill(self, container: Any, items: list[Any]) -> None:
        """Add keys and values to a dictionary."""
        self._check_open(container, ("dict", "other") if self.foreign else ("dict",))
        container.count += len(items) // 2
        keys = Thing("keys")
        if not set(map(type, items[::2])) <= TEXT:
            self._look(keys, items[::2])
        self.take_keys(keys.odd_keys, keys.bad_keys)
        self.hold(container, items)

    def append(self, code: int) -> None:
        items = [self.stack.pop()] if code == 0x61 else self.pop_mark()
        self.extend(self.stack[-1], items)

    def set_items(self, code: int) -> None:
        if code == 0x73:  # SETITEM
            value, key = self.stack.pop(), self.stack.pop()
            items = [key, value]
        else:
            items = self.pop_mark()
        self.fill(self.stack[-1], items)

    def from_mark(self, code: int) -> None:
        """Handle LIST, DICT, TUPLE and FROZENSET: a container of everything since the mark."""
        items, kind = self.pop_mark(), _FROM_MARK[code]
        made = make_tuple(items) if kind == "tuple" else Thing(kind)
        if kind == "tuple":
            self.hold(made, items)
        elif kind == "dict":
            self.fill(made, items)
        else:
            self.extend(made, items)
        self.stack.append(made)

    def short_tuple(self, code: int) -> None:
        count = code - 0x84  # TUPLE1, TUPLE2, TUPLE3
        items = self.stack[-count:]
        if len(items) < count:
            raise IndexError("its stack is empty")
        made = make_tuple(items)
        self.hold(made, items)
        self.stack[-count:] = [made]

    # ---------------------------------------------------------------------------------- stack and memo
    def drop(self, code: int) -> None:
        if code == 0x31 or (self.marks and self.marks[-1] == len(self.stack)):  # POP_MARK, POP of a mark
            self.pop_mark()
        else:
            self.stack.pop()

    def repeat(self, code: int) -> None:
        self.stack.append(self.stack[-1])

    def _index(self, code: int) -> int:
        begin, end = self.argument(code)
        held = self.data[begin:end]
        self._check_number(end - begin)
        return int(held) if _ARGUMENT[code] == pickletools.UP_TO_NEWLINE else int.from_bytes(held, "little")

    def get(self, code: int) -> None:
        self.stack.append(self.memo[self._index(code)])

    def put(self, code: int) -> None:
        self.memo[self.place(self._index(code))] = self.stack[-1]

    def place(self, index: int) -> int:
        """Check a memo index, since the unpickler allocates a memo that large."""
        if not 0 <= index <= max(_MEMO, len(self.data) - self.start):
            raise self.refused(f"a memo of {index} places")
        return index

    # ---------------------------------------------------------------------------------- names and calls
    def name(self, code: int) -> None:
        if code == 0x63:  # GLOBAL
            parts = []
            for _ in range(2):
                begin, end = self.argument(code)
                parts.append(str(self.data[begin : min(end, begin + _SHORT)], "latin1"))
        else:
            name, module = self.stack.pop(), self.stack.pop()
            parts = [str(part, "latin1") if isinstance(part, bytes) else "?" for part in (module, name)]
        if self.admit is not None:
            self.admit(*parts)
        self.stack.append(Thing("name", ".".join(parts)))

    def call(self, code: int) -> None:
        """Handle REDUCE and NEWOBJ: the called name determines the kind of result."""
        arguments, callee = self.stack.pop(), self.stack.pop()
        if not isinstance(callee, Thing) or callee.kind != "name":
            raise self.refused("a call of something that is not callable")
        if not is_tuple(arguments):
            raise self.refused(f"a call of {callee.name} without a tuple of arguments")
        self.copy(arguments)
        kind = _MADE.get(callee.name.rpartition(".")[2], "other")
        made = Thing(kind)
        made.depth = arguments.depth
        if kind in ("set", "dict"):
            self._keys_of_arguments(arguments, kind)
        self.stack.append(Atom(sum(map(copy_size, arguments.items or []))) if kind == "bytes" else made)

    def copy(self, given: Thing) -> None:
        """Count the bytes that a call or a state may copy."""
        self.copied += 64 + sum(map(copy_size, given.items)) if given.items is not None else 8 * given.count
        factor, more = GROWTH
        if self.copied > factor * (len(self.data) - self.start) + more:
            raise self.refused(f"calls that copy more than {factor} times the file")

    def _keys_of_arguments(self, arguments: Thing, kind: str) -> None:
        for given in arguments.items or []:
            whole = isinstance(given, Thing) and given.kind in ("list", "tuple", "set", "dict", "name")
            if not whole:
                raise self.refused(f"a {kind} made from something that is not a container")
            if given.kind == "dict" or given.kind == "name" or not given.count:
                continue
            if kind == "dict" and not given.pairs:
                raise self.refused("a dictionary that is not made from pairs of key and value")
            if kind == "set":
                of_tuple = [as_key(part) for part in given.items or []]
                self.take_keys(given.odd_keys + of_tuple.count(COUNTED), given.bad_keys or NO_KEY in of_tuple)

    def build(self, code: int) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if not isinstance(made, Thing) or made.held or (not self.foreign and made.kind not in ("array", "dtype")):
            raise self.refused("a state of something that is not an array")
        if is_tuple(state):
            self.copy(state)
        self.hold(made, [state])

    def foreign_reference(self, code: int) -> None:
        """Handle PERSID and BINPERSID, which refer to torch storages."""
        if not self.foreign:
            raise PrmlError("refused to unpickle a reference to outside data (a persistent id); expected plain data")
        if code == 0x51:
            self.stack.pop()
        else:
            self.argument(code)
        self.stack.append(Thing("other"))

    def new_object(self, code: int) -> None:
        if not self.foreign:
            raise self.refused("NEWOBJ")
        self.call(code)

    def skip(self, code: int) -> None:
        """Handle PROTO and FRAME."""
        begin, end = self.argument(code)
        if code == 0x95 and int.from_bytes(self.data[begin:end], "little") > len(self.data) - end:
            raise EOFError("a frame is longer than the file")


_EMPTY = {0x5D: "list", 0x7D: "dict", 0x8F: "set"}
_FROM_MARK = {0x6C: "list", 0x64: "dict", 0x74: "tuple", 0x91: "set"}
# last part of the called name -> kind of result
_MADE = {"OrderedDict": "dict", "set": "set", "frozenset": "set", "dict": "dict", "defaultdict": "dict"}
_MADE |= {"_reconstruct": "array", "_frombuffer": "array", "dtype": "dtype", "scalar": "scalar", "complex": "scalar"}
_MADE |= {"encode": "bytes", "bytes": "bytes"}


def _steps() -> dict[int, Callable[[_Scan, int], None]]:
    groups: dict[Callable[[_Scan, int], None], str] = {
        _Scan.plain: "NONE NEWTRUE NEWFALSE",
        _Scan.fraction: "FLOAT BINFLOAT",
        _Scan.small: "BININT BININT2",
        _Scan.number: "INT LONG LONG1 LONG4",
        _Scan.text: "STRING SHORT_BINSTRING BINSTRING UNICODE BINUNICODE8",
        _Scan.blob: "SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8",
        _Scan.empty: "EMPTY_LIST EMPTY_TUPLE EMPTY_DICT EMPTY_SET",
        _Scan.append: "APPEND APPENDS ADDITEMS",
        _Scan.set_items: "SETITEM SETITEMS",
        _Scan.from_mark: "LIST DICT TUPLE FROZENSET",
        _Scan.short_tuple: "TUPLE1 TUPLE2 TUPLE3",
        _Scan.drop: "POP POP_MARK",
        _Scan.repeat: "DUP",
        _Scan.get: "GET",
        _Scan.put: "PUT",
        _Scan.name: "GLOBAL STACK_GLOBAL",
        _Scan.call: "REDUCE",
        _Scan.build: "BUILD",
        _Scan.foreign_reference: "PERSID BINPERSID",
        _Scan.new_object: "NEWOBJ",
        _Scan.skip: "PROTO FRAME",
    }
    codes = {op.name: ord(op.code) for op in pickletools.opcodes}
    return {codes[name]: step for step, names in groups.items() for name in names.split()}


_STEPS = _steps()


def scan(data: Data, start: int = 0, *, admit: Callable[[str, str], object] | None) -> int:
    """Scan a pickle to its end without building anything.

    Args:
        data: contains the pickle.
        start: offset of the pickle.
        admit: called with the module and name of everything that the pickle refers to; raises to refuse it. None for
            torch checkpoints, where torch's restricted unpickler does this; references to outside data, new objects
            and their state are then allowed.

    Returns:
        Offset of the end of the pickle.

    Raises:
        PrmlError: it exceeds a limit of this module, or uses an opcode that data do not need.
        Exception: it is truncated or malformed; callers guard against that.
    """
    found = _Scan(data, start, admit)
    found.run()
    return found.at
