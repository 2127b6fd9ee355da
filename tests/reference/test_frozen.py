"""Fixed lifts, scores and training batches equal those before the restructuring (results/frozen.json)."""

import json
from pathlib import Path

import frozen
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

KEPT = json.loads((ROOT / "results/frozen.json").read_text())


@pytest.fixture(scope="module")
def lifts():
    return frozen.lifts()


@pytest.mark.parametrize("name", KEPT["lifts"])
def test_a_fixed_lift_is_the_same(lifts, name):
    now = np.asarray(lifts[name], float)[list(frozen.FRAMES)]
    assert np.abs(now - np.array(KEPT["lifts"][name])).max() < 1e-4, "metres; rounding differs from machine to machine"


@pytest.fixture(scope="module")
def batches():
    return frozen.batches()


@pytest.mark.parametrize("name", KEPT["batches"])
def test_a_training_batch_is_the_same(batches, name):
    kept, now = KEPT["batches"][name], batches[name]
    assert list(now.shape) == kept["shape"]
    assert np.allclose(now.reshape(-1)[:12], kept["first"], atol=2e-4)
    assert np.sqrt(np.mean(np.square(now, dtype=float))) == pytest.approx(kept["rms"], rel=1e-4)


@pytest.mark.slow
def test_scores_are_the_same():
    now = frozen.scores()
    assert now.keys() == KEPT["scores"].keys()
    assert all(now[name] == pytest.approx(KEPT["scores"][name], abs=0.02) for name in now)
