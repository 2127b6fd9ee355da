"""Angles as a picture: a panel for each, lines where the angle is known."""

import io

import numpy as np
from PIL import Image

from fixtures.walks import walk
from prml.filters.joint_angles import JointAngles
from prml.view.curves import COLOURS, COLUMNS, MARGIN, PANEL, draw_angles, panels


def _pixels(sequence):
    return np.asarray(Image.open(io.BytesIO(draw_angles(sequence))).convert("RGB")).astype(int)


def _near(picture, colour):
    return (np.abs(picture - colour).sum(-1) < 60).sum()


def test_left_and_right_share_a_panel_and_the_trunk_has_its_own():
    found = panels(("trunk_flexion", "knee_flexion_left", "knee_flexion_right", "only_left"))
    assert found == [
        ("Trunk flexion", {"middle": 0}),
        ("Knee flexion", {"left": 1, "right": 2}),
        ("Only left", {"middle": 3}),
    ]


def test_every_angle_has_its_panel_and_both_sides_are_drawn():
    person = walk(30)
    picture = _pixels(person)
    rows = -(-len(panels(JointAngles.of(person).names)) // COLUMNS)
    left, top, right, bottom = MARGIN
    assert picture.shape == (rows * (PANEL[1] + top + bottom), COLUMNS * (PANEL[0] + left + right), 3)
    assert all(_near(picture, COLOURS[side]) > 300 for side in ("left", "right", "middle"))


def test_nothing_is_drawn_in_a_gap():
    person = walk(30)
    joints = person.joints_m.copy()
    joints[2:28] = np.nan
    whole, gap = (_near(_pixels(p), COLOURS["left"]) for p in (person, person.with_(joints_m=joints)))
    assert gap < whole / 3


def test_a_single_frame_is_dots():
    assert _near(_pixels(walk(30).take(slice(3, 4))), COLOURS["left"]) > 20
