"""Threads that share a lifter get the same results as alone."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from fixtures.swaying import Filled, swaying
from prml.detect.base import Detection
from prml.lifting.eager import lifting_eagerly
from prml.lifting.lifter import load
from prml.lifting.prediction_cache import PredictionCache
from prml.skeleton import BLAZEPOSE33

THREADS = 8
OPTIONS = [
    {},
    {"flip": True},
    {"overlap": 2},
    {"phase": 3},
    {"overlap": 4, "batch": 3},
    {"flip": True, "overlap": 3, "phase": 1},
    {"relative": False, "batch": 16},
    {"flip": True, "batch": 1, "overlap": 1},
]


@pytest.fixture(scope="module")
def lifter():
    return load("prml-xs", flip=False)


def lift(lifter, number, cache=None):
    """Joints and standard deviations of one clip with the n-th options."""
    lifted = lifter.with_options(**OPTIONS[number]).lift(swaying(50), cache=cache)
    return np.concatenate([lifted.joints_m, lifted.std_m], -1)


def at_once(work):
    """Return values of ``work(number)`` in threads that start together."""
    ready = Barrier(THREADS)

    def run(number):
        ready.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


@pytest.fixture(scope="module")
def alone(lifter):
    """Results of each set of options alone; all differ."""
    results = [lift(lifter, number) for number in range(THREADS)]
    assert len({result.tobytes() for result in results}) == THREADS
    return results


@pytest.mark.parametrize("cache", [None, Filled()], ids=["no cache", "one cache"])
def test_threads_with_different_options_get_what_they_would_get_alone(lifter, alone, cache):
    for _ in range(2):
        for number, result in enumerate(at_once(lambda number: lift(lifter, number, cache))):
            np.testing.assert_allclose(result, alone[number], atol=1e-6)
    assert cache is None or cache.hits > 0


def test_lifting_goes_on_undisturbed_while_others_lift_eagerly(lifter, alone):
    body = np.random.default_rng(0).uniform((250, 100), (390, 400), (33, 2))

    def work(number):
        if number % 2:
            return lift(lifter, number)
        camera = swaying(1).camera
        eager = lifter.with_options(**OPTIONS[number])
        with lifting_eagerly(lambda: eager, BLAZEPOSE33, camera, PredictionCache()) as tell:
            for frame in range(150):
                tell(frame / 30, Detection(body + np.sin(frame / 9), np.ones(33)))
            return lift(lifter, number)

    for number, result in enumerate(at_once(work)):
        np.testing.assert_allclose(result, alone[number], atol=1e-6)
