"""The restricted unpickler admits numpy data and plain containers, and runs nothing."""

import collections
import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prml.errors import PrmlError
from prml.io.npz import load_npz, npz_keys
from prml.io.unpickle import load_pickle, loads


class _Runs:
    """An attacker's object, which calls something when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


@given(_PLAIN, st.integers(0, 5))
def test_plain_containers_come_back_as_they_were(value, protocol):
    assert loads(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(10)[::2],
        np.array(["54138969", "x"]),
        np.array([b"a", b"bc"]),
        np.array([True, False]),
        np.zeros((0, 17, 2)),
        np.float32(2.5),
        np.int64(3),
        np.bool_(True),
        np.array({"S1": [np.ones(3)]}, dtype=object),
        np.array([[1, 2], ["a", None]], dtype=object),
        np.asfortranarray(np.array([[{"a": np.ones(2)}, 2], [(np.ones(1), [np.ones(3)]), None]], dtype=object)),
        np.complex64(1j),
    ],
    ids=lambda v: f"{type(v).__name__} {getattr(v, 'dtype', '')}{getattr(v, 'shape', '')}",
)
def test_numpy_values_come_back_as_they_were(value, protocol):
    back = loads(pickle.dumps({"v": value, "o": collections.OrderedDict(a=1)}, protocol))["v"]
    assert back.dtype == value.dtype
    assert back.shape == value.shape
    assert str(back) == str(value)


def test_python_2_pickles_with_old_module_names_are_read():
    text = pickle.dumps({"a": np.arange(4.0), "s": {1, 2}}, protocol=2)
    old = text.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    np.testing.assert_array_equal(loads(old)["a"], np.arange(4.0))


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (_Runs(os.system, "echo harm > HARM"), "system"),
        (_Runs(eval, "open('HARM', 'w')"), "eval"),
        (_Runs(exec, "open('HARM', 'w')"), "exec"),
        (_Runs(getattr, "a", "upper"), "getattr"),
        (_Runs(__import__, "os"), "__import__"),
        (_Runs(np.load, "x"), "load"),
        (_Runs(np.fromfile, "x"), "fromfile"),
        (_Runs(open, "HARM", "w"), "open"),
        (_Runs(pickle.loads, b"N."), "loads"),
        (collections.Counter("aab"), "Counter"),
        (np.random.default_rng(0), "numpy.random"),
        (np.ma.masked_array([1.0]), "numpy.ma"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
@pytest.mark.parametrize("place", ["bare", "nested", "object array"])
def test_anything_else_is_refused_by_name_and_never_called(payload, named, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value = {"bare": payload, "nested": {"S1": [1, {"x": payload}]}, "object array": [np.ones(3), payload]}[place]
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(PrmlError, match=f"refused to unpickle .*{named}.*could run code"):
        load_pickle(tmp_path / "evil.pkl")
    assert not (tmp_path / "HARM").exists()


def test_a_malicious_npz_is_refused_and_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("evil.npz", data={"S1 Seq1": _Runs(os.system, "echo harm > HARM")})
    with pytest.raises(PrmlError, match=r"evil\.npz: refused to unpickle .*system"):
        load_npz("evil.npz", ("data",))
    assert not (tmp_path / "HARM").exists()


def test_codecs_subclasses_and_references_are_refused():
    zipped = b"\x80\x02c_codecs\nencode\nq\x00X\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R."
    with pytest.raises(PrmlError, match="codec 'zlib'"):
        loads(zipped)
    with pytest.raises(PrmlError, match="persistent id"):
        loads(b"Pname\n.")
    with pytest.raises(PrmlError, match="unusual kind"):
        loads(b"\x80\x02cnumpy._core.multiarray\n_reconstruct\ncbuiltins\nlist\nK\x03\x85C\x01b\x87R.")


@pytest.fixture
def as_arrays():
    """Containers with arrays, one array twice, and themselves."""
    shared, inner = np.ones(2), [np.zeros(1)]
    inner.append(inner)
    return {"a": shared, "t": (1, [shared]), "o": collections.OrderedDict(x=inner), "d": np.arange(3, dtype=">i4")}


@pytest.mark.parametrize("protocol", [2, 5])
def test_what_comes_back_holds_plain_numpy_arrays_and_shares_as_before(as_arrays, protocol):
    back = loads(pickle.dumps(as_arrays, protocol))
    assert type(back["a"]) is np.ndarray
    assert back["t"][1][0] is back["a"]
    assert type(back["o"]["x"][0]) is np.ndarray
    assert back["o"]["x"][1] is back["o"]["x"]
    assert back["d"].tolist() == [0, 1, 2]


def _state(shape=(2,), dtype=np.dtype(np.uint8), data=b"ab", **changed):  # noqa: B008
    """A pickle of an array with a state, or a dtype state, that numpy would not write."""
    kind = dtype
    if changed:
        usual = {"version": 3, "order": "|", "sub": None, "names": None, "fields": None, "size": -1, "align": -1}
        kind = _Runs(np.dtype, dtype.str[1:], False, True)
        kind.call = (*kind.call, tuple({**usual, "flags": 0, **changed}.values()))
    array = _Runs(np._core.multiarray._reconstruct, np.ndarray, (0,), b"b")
    array.call = (*array.call, (1, shape, kind, False, data))
    return array


_POINTERS = {"names": ("a",), "fields": {"a": (np.dtype(object), 0)}, "size": 8}


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (_state(data=b"A" * 16, dtype=np.dtype("u8"), **_POINTERS), "fields, sub-arrays or metadata"),
        (_state(data=b"A" * 16, dtype=np.dtype("V8"), **_POINTERS), "an array of 'V8'"),
        (_state(data=b"A" * 16, dtype=np.dtype(object), flags=0), "content is not a list"),
        (_state(data=b"A" * 16, dtype=np.dtype("u8"), sub=(np.dtype(object), (1,))), "fields, sub-arrays or metadata"),
        (_state(shape=(10**6,), dtype=np.dtype(object), data=[1]), "1 instead of 1000000"),
        (_state(shape=(10**6,)), "2 instead of 1000000"),
        (_state(shape=(10**6 + 1, 0), data=b""), r"shape \(1000001, 0\) of uint8, which has no content"),
        (_state(shape=(3,), dtype=np.dtype("S0"), data=b""), "which has no content"),
        (_state(shape=(0,) * 33, data=b""), "refused an array of shape"),
        (_state(dtype=np.dtype("U1"), data=b"\xff\xff\xff\x7f\0\0\0\0"), "invalid code points"),
        (_state(shape=(-2,)), r"shape \(-2,\)"),
        (_state(order="x", dtype=np.dtype("u1")), "byte order 'x'"),
        (_Runs(np.ndarray, (2,), np.dtype(object)), "not callable"),
        (np.ndarray, "a class or a function"),
        ([set], "a class or a function"),
        ({"a": (np.dtype, 1)}, "a class or a function"),
        (_Runs(np._core.multiarray.scalar, np.dtype(object), b"A" * 8), "contains a Python object"),
        (np.array([(1, 2)], dtype="i4,i4"), "an array of 'V8'"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_arrays_whose_bytes_would_become_pointers_are_refused(payload, says, tmp_path):
    np.savez(tmp_path / "evil.npz", format=np.array({"a": payload}, dtype=object))
    with pytest.raises(PrmlError, match=says):
        load_npz(tmp_path / "evil.npz", ("format",))


def test_npz_reads_plain_and_object_arrays(tmp_path):
    plain, wrapped = np.arange(6, dtype=np.int16).reshape(2, 3), {"S1": {"Walking 1": np.ones((2, 32, 3))}}
    np.savez_compressed(
        tmp_path / "a.npz", plain=plain, f=np.asfortranarray(plain), wrapped=wrapped, empty=np.ones((0, 3))
    )
    assert npz_keys(tmp_path / "a.npz") == ("plain", "f", "wrapped", "empty")
    got = load_npz(tmp_path / "a.npz", ("plain", "f", "wrapped", "empty"))
    np.testing.assert_array_equal(got["plain"], plain)
    np.testing.assert_array_equal(got["f"], plain)
    assert got["empty"].shape == (0, 3)
    assert got["wrapped"]["S1"]["Walking 1"].shape == (2, 32, 3)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.999])
def test_truncated_files_give_one_line(tmp_path, keep):
    np.savez(tmp_path / "a.npz", data={"x": np.random.default_rng(0).normal(size=(500, 17, 3))})
    pickled = pickle.dumps({"x": np.ones((500, 17, 3))})
    for name, raw in (("a.npz", (tmp_path / "a.npz").read_bytes()), ("a.pkl", pickled)):
        (tmp_path / name).write_bytes(raw[: int(keep * len(raw))])
        with pytest.raises(PrmlError) as error:
            load_npz(tmp_path / name, ("data",)) if name == "a.npz" else load_pickle(tmp_path / name)
        assert "\n" not in str(error.value)
        assert str(error.value).startswith(f"{name}: cannot be read" if keep else f"{name}: it is empty (0 bytes)")


def test_absent_files_and_keys_are_named(tmp_path):
    with pytest.raises(PrmlError, match=r"none\.npz: no such file"):
        load_npz(tmp_path / "none.npz", ("a",))
    np.savez(tmp_path / "a.npz", other=np.ones(2))
    with pytest.raises(PrmlError, match="expected the key 'data', the file has other"):
        load_npz(tmp_path / "a.npz", ("data",))
