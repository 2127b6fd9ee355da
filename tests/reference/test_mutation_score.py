"""The list of small faults that no test notices: up to date with the rooms, short enough, with a reason for each."""

import json
import math
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULT = json.loads((ROOT / "results/mutation.json").read_text("utf-8"))
ROOMS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mutation"]["rooms"]


def test_every_room_was_run_and_stands_in_the_tree():
    assert RESULT["rooms"].keys() == ROOMS.keys()
    for room, tests in ROOMS.items():
        assert (ROOT / f"src/prml/{room}.py").is_file()
        assert [test for test in tests if not (test.startswith("--") or (ROOT / test).is_file())] == []


@pytest.mark.parametrize("room", RESULT["rooms"])
def test_at_least_85_per_cent_are_noticed_and_the_others_have_a_reason(room):
    count = RESULT["rooms"][room]
    left = [one for one in RESULT["survivors"] if one["file"] == f"src/prml/{room}.py"]
    assert count["mutants"] - count["killed"] == len(left)
    assert count["killed"] >= 0.85 * count["mutants"]
    assert [one for one in left if not one["reason"]] == []


def test_a_sample_fails_where_one_of_twenty_would_fail_by_chance():
    """Of 120 mutants with a true share of 85 %: the binomial sum up to the last number that fails is below 5 %."""
    mutation = pytest.importorskip("mutation", exc_type=ImportError)

    def at_most(killed):
        return sum(math.comb(120, k) * 0.85**k * 0.15 ** (120 - k) for k in range(killed + 1))

    last = max(k for k in range(121) if mutation.too_few(k, 120))
    assert at_most(last) < 0.05 < at_most(last + 1)
    assert 92 < last < 98
