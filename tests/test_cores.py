"""How many cores a process may use."""

import os

import pytest

from prml import cores


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no affinity")
def test_threads_of_one_core_count_once(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 4, 5})
    monkeypatch.setattr(cores, "_CPUS", tmp_path)
    monkeypatch.setattr(cores, "_QUOTA", tmp_path / "cpu.max")
    assert cores.cores() == cores.physical_cores() == 4  # the system does not tell which share one
    for number, siblings in {0: "0,4", 4: "0,4", 1: "1,5", 5: "1,5"}.items():
        folder = tmp_path / f"cpu{number}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    assert cores.physical_cores() == 2


@pytest.mark.parametrize(
    ("told", "expected"),
    [("max 100000", 8), ("400000 100000", 4), ("50000 100000", 1), ("1600000 100000", 8), ("", 8), ("5 0", 8)],
)
def test_a_container_counts_what_it_is_allowed(monkeypatch, tmp_path, told, expected):
    monkeypatch.setattr(cores, "_physical", lambda: {str(number) for number in range(8)})
    monkeypatch.setattr(cores, "_QUOTA", tmp_path / "cpu.max")
    assert cores.physical_cores() == 8
    (tmp_path / "cpu.max").write_text(told + "\n")
    assert cores.physical_cores() == expected
