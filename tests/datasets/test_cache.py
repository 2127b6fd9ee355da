"""A dataset is parsed once; afterwards its arrays are memory maps."""

import os

import numpy as np
import pytest

from fixtures import human36m as files
from prml.datasets.cache import Table, cache_root, cached
from prml.datasets.human36m_sh import read_human36m_sh
from prml.errors import PrmlError


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(b"1234")
    return path


def _builder(calls, value=1.0):
    def build():
        calls.append(1)
        return Table(
            {"a": np.full((4, 17, 3), value, np.float32), "empty": np.zeros((0, 3))}, {"clips": [{"name": "x"}]}
        )

    return build


def test_the_second_start_maps_what_the_first_parsed(source, tmp_path):
    calls = []
    for _ in range(3):
        table = cached("kind", 1, [source], _builder(calls), tmp_path / "c")
        assert isinstance(table.arrays["a"], np.memmap)
        assert not table.arrays["a"].flags.writeable
        assert table.meta["clips"] == [{"name": "x"}]
        assert table.arrays["empty"].shape == (0, 3)
    assert len(calls) == 1


@pytest.mark.parametrize("change", ["content", "time", "version", "kind", "lost", "empty", "cut", "no record"])
def test_whatever_changes_makes_a_new_entry(source, tmp_path, change):
    calls, folder = [], tmp_path / "c"
    cached("kind", 1, [source], _builder(calls), folder)
    if change == "content":
        source.write_bytes(b"12345")
    elif change == "time":
        os.utime(source, (1, 1))
    elif change == "lost":
        next(folder.rglob("a.npy")).unlink()
    elif change in ("empty", "cut"):
        os.truncate(next(folder.rglob("a.npy")), 0 if change == "empty" else 300)
    elif change == "no record":
        next(folder.rglob("meta.json")).write_text("[]")
    args = ("other" if change == "kind" else "kind", 2 if change == "version" else 1)
    table = cached(*args, [source], _builder(calls, 2.0), folder)
    assert len(calls) == 2
    assert table.arrays["a"][0, 0, 0] == 2.0


def test_old_states_of_a_file_do_not_pile_up(source, tmp_path):
    for i in range(4):
        source.write_bytes(b"x" * (i + 1))
        cached("kind", 1, [source], _builder([]), tmp_path / "c")
    assert len(list((tmp_path / "c").glob("kind-*/*"))) == 1


def test_a_build_that_fails_leaves_nothing(source, tmp_path):
    def fails():
        raise PrmlError("no good")

    with pytest.raises(PrmlError, match="no good"):
        cached("kind", 1, [source], fails, tmp_path / "c")
    assert not list((tmp_path / "c").rglob("*")) if (tmp_path / "c").exists() else True


def test_a_cache_that_cannot_be_written_is_said_and_survived(source, tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    table = cached("kind", 1, [source], _builder([]), tmp_path / "file")
    assert table.arrays["a"].shape == (4, 17, 3)
    assert "cannot be written" in caplog.text


def test_an_absent_source_is_named(tmp_path):
    with pytest.raises(PrmlError, match=r"nothing\.npz: no such file"):
        cached("kind", 1, [tmp_path / "nothing.npz"], _builder([]), tmp_path / "c")


def test_the_place_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("PRML_CACHE", str(tmp_path / "here"))
    assert cache_root() == tmp_path / "here"


def test_sequences_from_the_cache_equal_those_from_the_file(tmp_path):
    path = tmp_path / "sh.pkl"
    files.write_sh_pickle(path, frames=60)
    first, second = (list(read_human36m_sh(path, "test", tmp_path / "c")) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.keypoints_px, b.keypoints_px)
        np.testing.assert_array_equal(a.truth.joints_25d_mm, b.truth.joints_25d_mm)
    b.keypoints_px[:] = 0  # what a caller writes into must not reach the cache
    again = list(read_human36m_sh(path, "test", tmp_path / "c"))[-1]
    np.testing.assert_array_equal(again.keypoints_px, a.keypoints_px)


def test_two_processes_that_build_at_once_both_get_the_table(source, tmp_path):
    def slow():
        cached("kind", 1, [source], _builder([]), tmp_path / "c")  # the other one finishes first
        return Table({"a": np.ones((4, 17, 3), np.float32)}, {})

    table = cached("kind", 1, [source], slow, tmp_path / "c")
    assert table.arrays["a"].shape == (4, 17, 3)
    assert len(list((tmp_path / "c").glob("kind-*/*"))) == 1
