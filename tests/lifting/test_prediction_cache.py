"""A prediction cache saves work and never returns a result for other options, networks or inputs."""

from copy import deepcopy

import numpy as np
import pytest

from fixtures.swaying import Filled, swaying
from prml.lifting.lifter import Lifter, load
from prml.lifting.prediction_cache import PredictionCache
from prml.weights.record import Record, load_record


@pytest.fixture(scope="module")
def record():
    return load_record("prml-xs")


def results(lifter, cache=None):
    lifted = lifter.lift(swaying(), cache=cache)
    return np.concatenate([lifted.joints_m, *([] if lifted.std_m is None else [lifted.std_m])], -1)


OPTIONS = [{"flip": True}, {"overlap": 3}, {"phase": 2}, {"batch": 5}, {"relative": False}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_another_option_set_gets_its_own_result(record, options):
    lifter, cache = Lifter(record).with_options(flip=False), Filled()
    results(lifter, cache)
    other = lifter.with_options(**options)
    np.testing.assert_allclose(results(other, cache), results(other), atol=1e-6)
    assert (cache.hits > 0) == ("flip" not in options and "phase" not in options)


def test_another_network_gets_its_own_result(record):
    lifter, cache = Lifter(record), Filled()
    results(lifter, cache)
    network = deepcopy(record.network)
    for parameter in network.parameters():
        parameter.data.mul_(1.01)
    others = [Record(network, record.uncertainty, record.card), Record(record.network, None, record.card)]
    for other in map(Lifter, others):
        np.testing.assert_allclose(results(other, cache), results(other), atol=1e-6)
    assert cache.hits == 0


def test_a_prediction_is_handed_out_once_and_their_number_is_bounded():
    calls = []

    def predict(windows):
        calls.append(len(windows))
        return windows * 2

    cache, windows = PredictionCache(limit=2), np.arange(12.0).reshape(3, 2, 2, 1)
    cache.store("a", windows, windows * 2)
    assert cache.full
    for _ in range(2):
        np.testing.assert_array_equal(cache.predict("a", windows, predict), windows * 2)
    assert calls == [1, 3]
    assert (cache.hits, cache.misses) == (2, 4)


@pytest.mark.parametrize("change", ["source", "value", "sign of zero", "shape", "type"])
def test_only_the_same_question_gets_the_same_answer(change):
    windows = np.zeros((1, 2, 2, 1), np.float32)
    cache = PredictionCache()
    cache.store("a", windows, windows + 7)
    other = {
        "source": windows,
        "value": windows + 1e-30,
        "sign of zero": -windows,
        "shape": windows.reshape(1, 1, 4, 1),
        "type": np.zeros((1, 2, 1, 1)),
    }[change]
    answer = cache.predict("b" if change == "source" else "a", other, lambda asked: asked + 1)
    np.testing.assert_array_equal(answer, other + 1)
    np.testing.assert_array_equal(cache.predict("a", windows, lambda asked: asked + 1), windows + 7)


def test_a_lifter_has_no_option_or_attribute_that_a_cache_could_be_left_in(record):
    lifter = Lifter(record)
    before = dict(vars(lifter))
    lifter.lift(swaying(), cache=Filled())
    assert vars(lifter) == before


def test_a_lifter_leaves_its_record_as_it_was(record):
    training = Record(deepcopy(record.network).train(), deepcopy(record.uncertainty).train(), record.card)
    lifter = Lifter(training)
    assert training.network.training
    assert training.uncertainty.training
    assert not lifter.network.training
    np.testing.assert_array_equal(results(lifter), results(Lifter(record)))
    assert load("prml-xs").network is not record.network
    assert Lifter(record).network is record.network
