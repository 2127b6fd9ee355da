"""Fixtures for the evaluation tests."""

import pytest

from fixtures.made_up import moving
from prml.sequence import PoseSequence


@pytest.fixture
def people() -> list[PoseSequence]:
    """Six clips of different lengths: three actions with two takes each."""
    actions = ("Walking", "Photo", "Sitting")
    return [
        moving(i, 12 + 5 * i, name=f"s_09_act_{2 + i % 3:02d}_subact_{1 + i // 3:02d}_ca_01", action=actions[i % 3])
        for i in range(6)
    ]
