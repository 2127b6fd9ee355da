"""Coverage of predicted standard deviations, and factors that bring it to a normal distribution's."""

import numpy as np
import pytest

from prml.errors import PrmlError
from prml.evaluation.calibration import NORMAL, Ratios, groups_without_root
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, H36M17, joint_groups


def pair(skeleton=H36M17, frames=4000, factor=1.0, seed=0):
    """A lifted sequence whose errors are normal with ``factor`` times the stated standard deviations."""
    rng = np.random.default_rng(seed)
    shape = (frames, len(skeleton), 3)
    truth, std = rng.normal(size=shape), rng.uniform(0.01, 0.1, shape)
    error = rng.normal(size=shape) * std * factor
    error[:, skeleton.root] = 0
    make = PoseSequence.regular
    lifted = make(frames, 50.0, skeleton=skeleton, joints_m=truth + error, std_m=std, frame="camera")
    return lifted, make(frames, 50.0, skeleton=skeleton, joints_m=truth, frame="camera")


@pytest.mark.parametrize("skeleton", [H36M17, BODY28], ids=lambda s: s.name)
def test_normal_errors_are_covered_as_a_normal_distribution_says(skeleton):
    ratios = Ratios.of([pair(skeleton)])
    assert set(ratios.groups) == set(joint_groups(skeleton))
    for axes in ratios.coverage().values():
        for shares in axes.values():
            np.testing.assert_allclose(shares, NORMAL, atol=0.015)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_the_temperature_of_errors_that_are_so_many_times_larger_is_that_factor(factor):
    ratios = Ratios.of([pair(factor=factor)])
    found = ratios.temperature()
    for factors in found.values():
        np.testing.assert_allclose(factors, factor, rtol=0.04)
    for axes in ratios.coverage(found).values():
        for shares in axes.values():
            np.testing.assert_allclose(shares, NORMAL, atol=0.02)


def test_neither_the_root_nor_joints_without_a_truth_count():
    lifted, truth = pair(BODY28, frames=10)
    hidden = truth.joints_m.copy()
    hidden[:, BODY28.index("LToe")] = np.nan
    assert all(BODY28.root not in joints for joints in groups_without_root(BODY28).values())
    ratios = Ratios.of([(lifted, truth.with_(joints_m=hidden))])
    assert len(ratios.groups["feet"]) == 30
    assert len(ratios.groups["trunk"]) == 60


def test_a_shift_of_the_whole_body_is_not_an_error():
    lifted, truth = pair()
    moved = lifted.with_(joints_m=lifted.joints_m + 7.0)
    assert Ratios.of([(moved, truth)]).coverage() == Ratios.of([(lifted, truth)]).coverage()


def test_what_cannot_be_calibrated_is_refused():
    lifted, truth = pair(frames=5)
    with pytest.raises(PrmlError, match="uncertainty head"):
        Ratios.of([(lifted.with_(std_m=None), truth)])
    with pytest.raises(PrmlError, match="4 frames"):
        Ratios.of([(lifted, truth.take(slice(0, 4)))])
    with pytest.raises(PrmlError, match="at least one"):
        Ratios.of([])
