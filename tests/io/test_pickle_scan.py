"""Limits of pickles and archives, with harmless values just over each of them."""

import collections
import io
import pickle
import pickletools
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prml.errors import PrmlError
from prml.io import npz, pickle_scan
from prml.io.npz import load_arrays, load_npz, npz_keys
from prml.io.pickle_scan import scan
from prml.io.unpickle import loads

_ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
_KEYS = st.text() | st.integers() | st.binary() | st.booleans() | st.tuples(st.text(), st.integers())
_VALUES = st.recursive(
    _ATOMS,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(_KEYS, inner)
        | st.tuples(inner, inner)
        | st.sets(_KEYS)
        | st.frozensets(_KEYS)
    ),
    max_leaves=12,
)


@given(_VALUES, st.integers(0, 5))
def test_what_programs_write_is_within_the_limits(value, protocol):
    data = pickle.dumps(value, protocol)
    *_, (_, _, at) = pickletools.genops(data)
    assert scan(data, admit=lambda *_: None) == at + 1 == len(data)


@pytest.mark.parametrize("protocol", range(6))
def test_large_and_shared_data_are_within_the_limits(protocol):
    frame = np.arange(34.0).reshape(17, 2)
    value = {
        "names": [f"s_09_act_{i}" for i in range(3000)],
        "camera": ["54138969"] * 3000,
        "frames": [frame + i for i in range(300)],
        "same": [frame] * 300,
        "of": dict.fromkeys(range(300), frame),
        "pairs": {("S9", i): frame for i in range(300)},
        "odd": collections.OrderedDict((0.5 * i, i) for i in range(300)),
        "numbers": {np.int64(i): i for i in range(300)},
        "set": {"a", "b"},
    }
    back = loads(pickle.dumps(value, protocol))
    assert back["names"] == value["names"]
    np.testing.assert_array_equal(back["frames"][7], value["frames"][7])
    assert back["odd"][149.5] == 299
    assert back["numbers"][299] == 299


def refused(data, match):
    with pytest.raises(PrmlError, match=match):
        loads(data)


# ---------------------------------------------------------------------------------- depth
@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {"a": v}], ids=["list", "tuple", "dict"])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_depth(wrap, protocol):
    value = 1
    for _ in range(pickle_scan.MAX_DEPTH):
        value = wrap(value)
    assert loads(pickle.dumps(value, protocol)) == value
    refused(pickle.dumps(wrap(value), protocol), "containers more than 100 deep")


def test_depth_of_arrays():
    value = 1
    for _ in range(pickle_scan.MAX_DEPTH):
        outer = np.empty(1, object)
        outer[0] = value
        value = outer
    refused(pickle.dumps(value), "containers more than 100 deep")


def test_depth_cannot_be_hidden_by_filling_a_container_that_is_held_already():
    refused(b"\x80\x02]q\x00]q\x01h\x00ah\x00K\x01a.", "changes after another one holds it")
    refused(b"\x80\x02]q\x00}q\x01X\x01\x00\x00\x00ah\x00sh\x00K\x01a.", "changes after another one holds it")
    own = [1]
    own.append(own)
    back = loads(pickle.dumps(own))
    assert back[1] is back


# ---------------------------------------------------------------------------------- sizes
def test_places_of_the_memo():
    for index, fits in ((1000, True), (1001, False), (2**31, False)):
        data = b"\x80\x02]r" + struct.pack("<I", index) + b"."
        if fits:
            assert loads(data) == []
        else:
            refused(data, f"a memo of {index} places")
    refused(b"]p1001\n.", "a memo of 1001 places")
    refused(b"]p-1\n.", "a memo of -1 places")


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x03B\x64\x00\x00\x00ab.",
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"ab.",
        b"\x80\x05\x96" + struct.pack("<Q", 100) + b"ab.",
        b"\x80\x02X\x64\x00\x00\x00ab.",
        b"\x80\x02T\xff\xff\xff\xffab.",
    ],
)
def test_stated_sizes_that_the_file_does_not_have(data):
    refused(data, "cannot be read|ends early")


def test_a_frame_longer_than_the_file():
    refused(b"\x80\x04\x95" + struct.pack("<Q", 100) + b"K\x01.", "a frame is longer than the file")


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_digits_of_numbers(protocol):
    least = 256 ** (pickle_scan.MAX_NUMBER_BYTES - 1) if protocol else 10 ** (pickle_scan.MAX_NUMBER_BYTES - 2)
    assert loads(pickle.dumps(least // 256, protocol)) == least // 256
    refused(pickle.dumps(least * 256**2, protocol), r"a number of 100\d digits or bytes|a number of 1\d{3} digits")


def test_calls_that_copy_the_same_bytes_again_and_again(monkeypatch):
    monkeypatch.setattr(pickle_scan, "GROWTH", (8, 0))
    text = b"X" + struct.pack("<I", 200) + b"a" * 200 + b"q\x00"
    call = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    few, many = (b"\x80\x02](" + text + n * call + b"e." for n in (5, 80))
    assert len(loads(few)) == 6
    refused(many, "calls that copy more than 8 times the file")
    block = b"\x80\x04](C\xc8" + b"a" * 200 + b"q\x00" + 80 * b"cbuiltins\ncomplex\nh\x00\x85R" + b"e."
    refused(block, "calls that copy more than 8 times the file")


# ---------------------------------------------------------------------------------- keys
_ODD = {
    "fractions": lambda i: i + 0.5,
    "long numbers": lambda i: 2**60 + 1 + i,
    "tuples": lambda i: (i, "a"),
    "numpy numbers": lambda i: np.int64(i),
}


@pytest.mark.parametrize("kind", _ODD)
@pytest.mark.parametrize(
    "make",
    [dict.fromkeys, set, frozenset, collections.OrderedDict.fromkeys],
    ids=["dict", "set", "frozenset", "ordered dict"],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_keys_whose_hashes_a_file_can_choose_are_few(monkeypatch, kind, make, protocol):
    monkeypatch.setattr(pickle_scan, "MAX_ODD_KEYS", 20)
    keys = [_ODD[kind](i) for i in range(21)]
    assert loads(pickle.dumps(make(keys[:20]), protocol)) == make(keys[:20])
    refused(pickle.dumps(make(keys), protocol), "more than 20 keys")
    refused(pickle.dumps([make(keys[:15]), make(keys[6:])], protocol), "more than 20 keys")


def test_texts_and_common_numbers_may_be_keys_without_end(monkeypatch):
    monkeypatch.setattr(pickle_scan, "MAX_ODD_KEYS", 0)
    for keys in (range(100), [str(i) for i in range(100)], [2**60, -(2**60), True, None], [b"a", b"b"]):
        assert loads(pickle.dumps(dict.fromkeys(keys))) == dict.fromkeys(keys)


@pytest.mark.parametrize("key", [((1,),), tuple(range(17)), (frozenset(),), frozenset(), ((),)], ids=repr)
def test_keys_whose_hash_goes_deep_are_refused(key):
    refused(pickle.dumps({key: 1}), "a key other than a text, a number or a short tuple")
    refused(pickle.dumps({"a": {key}}), "a key other than a text, a number or a short tuple")


def test_pairs_make_a_dictionary_as_python_2_wrote_it():
    head = b"\x80\x02ccollections\nOrderedDict\n"
    assert loads(head + b"](]q\x00(U\x01aK\x01ee\x85R.") == {"a": 1}
    refused(head + b"](](]K\x01ee\x85R.", "not made from pairs")
    refused(head + b"](U\x02abe\x85R.", "not made from pairs")
    refused(head + b"U\x02ab\x85R.", "made from something that is not a container")


# ---------------------------------------------------------------------------------- opcodes
@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"(i__builtin__\nset\n.", "INST"),
        (b"(c__builtin__\nset\no.", "OBJ"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02c__builtin__\nset\n)\x81.", "NEWOBJ"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x02K\x01K\x02\x85R.", "not callable"),
        (b"\x80\x02c__builtin__\nset\n]R.", "without a tuple of arguments"),
        (b"\x80\x02]}b.", "a state of something that is not an array"),
        (b"\x80\x02K\x01K\x02a.", "items of something that is not a container"),
        (b"\x80\x02]K\x01K\x02s.", "items of something that is not a container"),
        (b"\x80\x02\xff.", "the byte 255"),
        (b"\x80\x02\x85.", "cannot be read"),
        (b"\x80\x02h\x07.", "cannot be read"),
        (b"\x80\x02K", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_what_data_do_not_need_is_refused_by_name(data, named):
    refused(data, named)


@given(st.binary(max_size=200))
def test_any_bytes(data):
    with pytest.raises(PrmlError):
        loads(data + b"\xff")


# ---------------------------------------------------------------------------------- archives
def _npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _archive(path, members, packing=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members:
            archive.writestr(f"{name}.npy", content)
    return path


def _is_refused(path, match):
    for read in (load_arrays, npz_keys, lambda p: load_npz(p, ("a",))):
        with pytest.raises(PrmlError, match=rf"^{path.name}: .*{match}"):
            read(path)


def test_what_an_archive_unpacks_to(tmp_path, monkeypatch):
    zeros = _archive(tmp_path / "zeros.npz", [("a", _npy(np.zeros(20_000)))])
    assert load_arrays(zeros)["a"].shape == (20_000,)
    monkeypatch.setattr(npz, "FREE_BYTES", 10_000)
    _is_refused(zeros, "it would unpack to 0 MiB, over 100 times its size")
    noise = np.random.default_rng(0).normal(size=20_000)
    np.testing.assert_array_equal(load_arrays(_archive(tmp_path / "n.npz", [("a", _npy(noise))]))["a"], noise)


def test_members_of_an_archive(tmp_path, monkeypatch):
    one = _npy(np.ones(2))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = _archive(tmp_path / "twice.npz", [("a", one), ("a", one)])
    _is_refused(twice, "2 members but only 1 names")
    _is_refused(_archive(tmp_path / "lzma.npz", [("a", one)], zipfile.ZIP_LZMA), "a compression that npz files do not")
    monkeypatch.setattr(npz, "MAX_MEMBERS", 2)
    _is_refused(_archive(tmp_path / "many.npz", [(n, one) for n in "abc"]), "3 members; expected at most 2")


def _stated(shape, dtype="<f8", body=b"", fortran=False):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": dtype, "fortran_order": fortran, "shape": shape})
    return out.getvalue() + body


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (_stated((10**15,)), "needs 8000000000000000 bytes, got 0"),
        (_stated((3,), body=bytes(16)), "needs 24 bytes, got 16"),
        (_stated((3,), body=bytes(32)), "needs 24 bytes, got 32"),
        (_stated((10**6 + 1, 0)), "which has no content"),
        (_stated((2**70, 0)), "refused an array of shape"),
        (_stated((2,), "<U1", b"\xff" * 8), "invalid code points"),
        (_stated((2,), "|V4", bytes(8)), "expected numbers or texts"),
        (_stated((2,), "<M8[s]", bytes(16)), "expected numbers or texts"),
        (b"\x93NUMPY\x09\x00", "npy format"),
        (b"PK", "cannot be read"),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16, "cannot be read"),
    ],
)
def test_arrays_that_are_not_what_they_state(tmp_path, content, match):
    path = _archive(tmp_path / "a.npz", [("a", content)])
    for read in (load_arrays, lambda p: load_npz(p, ("a",))):
        with pytest.raises(PrmlError, match=match) as caught:
            read(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "array",
    [np.float64(2.5), np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)), np.array("text"),
     np.array(["a", "bcd"]), np.zeros((0, 17, 3)), np.array([True]), np.arange(3, dtype=">i2"), np.array([b"a"])],
    ids=repr,
)  # fmt: skip
def test_arrays_come_back_as_numpy_reads_them(tmp_path, array):
    np.savez_compressed(tmp_path / "a.npz", a=array)
    back = load_arrays(tmp_path / "a.npz")["a"]
    with np.load(tmp_path / "a.npz") as reference:
        np.testing.assert_array_equal(back, reference["a"])
        assert (back.dtype, back.shape, back.flags.writeable) == (reference["a"].dtype, reference["a"].shape, True)
