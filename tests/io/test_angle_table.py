"""The table of joint angles."""

import csv

import numpy as np
import pytest

from fixtures.standing import standing
from prml.errors import PrmlError
from prml.filters.gait import Gait, GaitEvent
from prml.filters.joint_angles import JointAngles
from prml.io.angles import write_angles, write_gait
from prml.sequence import PoseSequence
from prml.skeleton import BODY28


def test_the_table_holds_the_angles_and_leaves_gaps_empty(tmp_path):
    joints = standing()[None] + np.random.default_rng(0).normal(size=(4, 28, 3)) * 0.03
    joints[2] = np.nan
    sequence = PoseSequence.regular(4, 25.0, BODY28, joints_m=joints, std_m=np.full(joints.shape, 0.02), frame="world")
    write_angles(sequence, tmp_path / "angles.csv")
    with (tmp_path / "angles.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = JointAngles.of(sequence)
    for name in ("knee_flexion_left", "trunk_flexion", "wrist_flexion_right"):
        k = found.names.index(name)
        assert rows[2][f"{name}_deg"] == rows[2][f"{name}_std_deg"] == ""
        assert float(rows[3][f"{name}_deg"]) == pytest.approx(found.degrees[3, k], abs=1e-3)
        assert float(rows[3][f"{name}_std_deg"]) == pytest.approx(found.std_deg[3, k], abs=1e-3)
    assert [float(row["time_s"]) for row in rows] == pytest.approx([0, 0.04, 0.08, 0.12])
    with pytest.raises(PrmlError, match="exists"):
        write_angles(sequence, tmp_path / "angles.csv")


def test_the_events_of_a_walk_are_rows(tmp_path):
    events = GaitEvent(0.04, "left", "strike", 0.61), GaitEvent(0.121, "right", "off")
    sequence = PoseSequence.regular(6, 25.0, BODY28)
    write_gait(Gait(events, 100.0, 0.6, 1.2, 3.0), sequence, tmp_path / "gait.csv")
    with (tmp_path / "gait.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {"time_s": "0.040000", "frame": "1", "side": "left", "event": "strike", "step_length_m": "0.610"},
        {"time_s": "0.121000", "frame": "3", "side": "right", "event": "off", "step_length_m": ""},
    ]
