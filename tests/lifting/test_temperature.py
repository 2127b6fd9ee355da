"""Factors of a card on the standard deviations that a network predicts."""

from dataclasses import replace

import numpy as np
import pytest

from prml.errors import PrmlError
from prml.lifting.lifter import Lifter, temperature
from prml.skeleton import BODY28, H36M17, joint_groups
from prml.weights.record import load_record, read_card, save_record


def test_every_joint_is_in_one_group():
    for skeleton in (H36M17, BODY28):
        joints = [j for group in joint_groups(skeleton).values() for j in group]
        assert sorted(joints) == list(range(len(skeleton)))


def test_groups_are_their_own_mirror_image():
    for joints in joint_groups(BODY28).values():
        assert {BODY28.mirror[j] for j in joints} == set(joints)


def test_factors_multiply_the_standard_deviations_of_their_group_alone():
    record = load_record("prml-xs")
    plain = Lifter(replace(record, card=replace(record.card, temperature={})))
    scaled = Lifter(replace(record, card=replace(record.card, temperature={"legs": [2.0, 3.0, 0.5]})))
    inputs = np.random.default_rng(0).normal(size=(1, plain.card.window, len(plain.skeleton), 3)).astype(np.float32)
    factors = temperature({"legs": [2.0, 3.0, 0.5]}, plain.skeleton)
    once, twice = plain.predict(inputs), scaled.predict(inputs)
    np.testing.assert_array_equal(twice[..., :3], once[..., :3])
    np.testing.assert_allclose(twice[..., 3:], once[..., 3:] * factors**2, rtol=1e-5)
    assert np.flatnonzero((factors != 1).any(1)).tolist() == sorted(joint_groups(plain.skeleton)["legs"])


@pytest.mark.parametrize("wrong", [{"tail": [1.0, 1.0, 1.0]}, {"legs": [1.0, 1.0]}, {"legs": [1.0, 0.0, 1.0]}])
def test_a_wrong_temperature_is_refused_in_one_line(tmp_path, wrong):
    record = load_record("prml-xs")
    save_record(tmp_path, replace(record.card, name="w", temperature=wrong), record.network, record.uncertainty)
    with pytest.raises(PrmlError, match="three positive factors"):
        read_card(tmp_path / "w.yaml")
