"""One evaluation on several devices: what a process per device scores together is what one scores alone."""

import pytest

from prml.commands.evaluate import Options, run
from prml.errors import PrmlError
from prml.evaluation import protocols
from prml.evaluation.result import read_result
from prml.evaluation.score import Conditions, score_lifter
from prml.lifting.lifter import load


def test_two_processes_give_the_figures_of_one(tmp_path):
    found = {}
    for device in ("cpu", "cpu, cpu"):
        file = tmp_path / f"{len(found)}.json"
        options = Options(weights="prml-xs", protocol="mocap-noisy", limit=2, json=file, device=device)
        assert run(options) == 0
        found[device] = read_result(file)
    one, two = found.values()
    assert (two.frames, two.sequences) == (one.frames, one.sequences)
    assert two.scores == pytest.approx(one.scores, rel=1e-6)
    assert two.per_sequence.keys() == one.per_sequence.keys()
    for name, row in one.per_sequence.items():
        other = two.per_sequence[name]
        assert {k: v for k, v in other.items() if isinstance(v, str)} == {
            k: v for k, v in row.items() if isinstance(v, str)
        }
        numbers = {k: v for k, v in row.items() if not isinstance(v, str)}
        assert {k: other[k] for k in numbers} == pytest.approx(numbers, rel=1e-5)
    assert two.per_axis["all"] == pytest.approx(one.per_axis["all"], rel=1e-6)
    assert two.protocol == one.protocol
    assert two.device == ", ".join([one.device] * 2)


@pytest.mark.slow  # starts four processes that import torch
@pytest.mark.parametrize("device", ["cuda:77", "nowhere"])
def test_a_device_that_is_not_there_is_named(device):
    conditions = Conditions(protocols.get("mocap-gt"), limit=1)
    with pytest.raises(PrmlError, match=f"cannot compute on the device '{device}'"):
        score_lifter(load("prml-xs"), conditions, devices=("cpu", device))


@pytest.mark.slow
def test_a_prediction_that_cannot_be_scored_is_told_by_the_parent():
    lifter = load("prml-xs")
    next(lifter.network.parameters()).data.fill_(float("nan"))
    with pytest.raises(PrmlError, match="prml-xs give non-finite values"):
        score_lifter(lifter, Conditions(protocols.get("mocap-gt"), limit=1), devices=("cpu", "cpu"))
