"""A motion is absolute, in the world, and carries its contacts to the writers."""

import numpy as np
import pytest

from prml.errors import PrmlError
from prml.motion import Motion, Stage
from prml.sequence import CONTACTS, PoseSequence
from prml.skeleton import BODY28


def _world(frames=5, **fields):
    joints = np.random.default_rng(0).normal(size=(frames, 28, 3))
    return PoseSequence.regular(frames, 50.0, BODY28, joints_m=joints, frame="world", **fields)


def test_contacts_reach_the_writers():
    contacts = np.eye(5, 4, dtype=bool)
    motion = Motion(_world(), contacts, (Stage("floor", True, "it is flat"),))
    assert np.array_equal(motion.scene.prominent.contacts, contacts)
    assert np.array_equal(motion.sequence.take(slice(1, 3)).contacts, contacts[1:3])
    assert set(CONTACTS) <= set(BODY28.joints)
    assert np.array_equal(motion.root_m, motion.sequence.joints_m[:, 0])


@pytest.mark.parametrize(
    ("sequence", "contacts"),
    [
        (_world(root_relative=True), np.zeros((5, 4), bool)),
        (_world().with_(frame="camera"), np.zeros((5, 4), bool)),
        (_world().with_(joints_m=None), np.zeros((5, 4), bool)),
        (_world(), np.zeros((4, 4), bool)),
    ],
)
def test_anything_else_is_refused(sequence, contacts):
    with pytest.raises(PrmlError):
        Motion(sequence, contacts)


def test_unknown_stage_names_the_known():
    with pytest.raises(PrmlError, match="floor"):
        Motion(_world(), np.zeros((5, 4), bool), (Stage("floor", False, ""),)).stage("ceiling")
