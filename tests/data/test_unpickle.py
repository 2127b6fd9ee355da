"""The restricted unpickler admits numpy data and plain containers, and runs nothing."""

import collections
import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prml.data.unpickle import load_npz, load_pickle, loads, npz_keys
from prml.errors import PrmlError


class _Runs:
    """What an attacker pickles: an object that calls something when it is read."""

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
        assert str(error.value).startswith(f"{name}: cannot be read")


def test_absent_files_and_keys_are_named(tmp_path):
    with pytest.raises(PrmlError, match=r"none\.npz: no such file"):
        load_npz(tmp_path / "none.npz", ("a",))
    np.savez(tmp_path / "a.npz", other=np.ones(2))
    with pytest.raises(PrmlError, match="expected the key 'data', the file has other"):
        load_npz(tmp_path / "a.npz", ("data",))
