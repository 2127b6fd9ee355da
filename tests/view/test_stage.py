import numpy as np
import pytest

from prml.datasets.mocap import load_sets
from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, H36M17
from prml.view.overlay.video import render_frame
from prml.view.stage import (
    ANKLE_HEIGHT_M,
    LEFT,
    MAX_RADIUS_M,
    RIGHT,
    Stage,
    lines,
    path_note,
    sides,
    thin,
    view_rotation,
)


def test_the_view_frame_is_right_handed_and_up_is_up(make_person):
    sequence = make_person()
    R = view_rotation(sequence)
    assert np.linalg.det(R) == pytest.approx(1)
    np.testing.assert_allclose(R @ [0, -1, 0], [0, 1, 0], atol=1e-12)  # the camera's up
    np.testing.assert_allclose(R @ [0, 0, -1], [0, 0, 1], atol=1e-12)  # towards the camera is towards the spectator


@pytest.mark.parametrize("up", [(0.1, -1, 0.2), (0, 0, 1), (0, 0, -1), (1, 0, 0)])
def test_any_up_gives_a_rotation_that_raises_it(make_person, up):
    R = view_rotation(make_person(), np.array(up, float))
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(R) == pytest.approx(1)
    np.testing.assert_allclose(R @ up, [0, np.linalg.norm(up), 0], atol=1e-12)


def test_up_must_be_a_direction(make_person):
    with pytest.raises(PrmlError, match="direction"):
        Stage.of(make_person(), np.zeros(3))


def test_the_floor_is_under_the_ankles_and_a_few_bad_frames_do_not_move_it(make_person):
    sequence = make_person(200)
    floor = Stage.of(sequence).floor_m
    assert floor == pytest.approx(-0.87 - ANKLE_HEIGHT_M, abs=0.01)
    bad = sequence.joints_m.copy()
    bad[50:53, 3, 1] = 5.0
    assert Stage.of(sequence.with_(joints_m=bad)).floor_m == pytest.approx(floor, abs=0.01)


def test_world_joints_stand_on_the_same_floor_as_camera_joints(make_person):
    camera = make_person()
    R_camera_to_world = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    world = camera.with_(joints_m=camera.joints_m @ R_camera_to_world.T, frame="world")
    a, b = Stage.of(camera), Stage.of(world)
    assert a.floor_m == pytest.approx(b.floor_m)
    np.testing.assert_allclose(a.R_view @ camera.joints_m[3].T, b.R_view @ world.joints_m[3].T, atol=1e-12)


def test_nobody_in_the_whole_video_still_gives_a_stage(make_person):
    stage = Stage.of(make_person(5, gap=range(5)))
    assert np.isfinite([stage.floor_m, stage.top_m, stage.radius_m]).all()


def test_absurd_joints_do_not_make_an_endless_floor(make_person):
    sequence = make_person(3)
    assert Stage.of(sequence.with_(joints_m=sequence.joints_m * 1e12)).radius_m == MAX_RADIUS_M
    picture = render_frame(sequence.with_(joints_m=sequence.joints_m * 1e4), 0, height=64)
    assert picture.shape[0] == 64


def test_two_dimensional_sequences_are_refused():
    with pytest.raises(PrmlError, match="lift it first"):
        Stage.of(PoseSequence.regular(3, 25, keypoints_px=np.zeros((3, 17, 2))))


def test_sides_follow_the_names():
    for joint, side in zip(H36M17.joints, sides(H36M17), strict=True):
        assert side == (1 if joint[0] == "L" else -1 if joint[0] == "R" else 0)


def test_left_and_right_differ_for_colour_blind_eyes_too():
    # Machado et al. 2009, full severity: protanopia, deuteranopia, tritanopia, on linear light.
    protan = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    deutan = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    tritan = [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    left, right = ((np.array(c) / 255) ** 2.2 for c in (LEFT, RIGHT))
    for matrix in (protan, deutan, tritan):
        seen = [np.clip(np.array(matrix) @ c, 0, 1) ** (1 / 2.2) * 255 for c in (left, right)]
        assert np.linalg.norm(seen[0] - seen[1]) > 90


def test_the_note_is_honest(make_person):
    assert "not measured" in path_note(make_person())
    assert "not measured" not in path_note(make_person().with_(root_relative=False))


def test_17_joints_are_drawn_by_their_bones_and_28_with_soles_and_a_face():
    assert lines(H36M17) == H36M17.bones
    assert not any(thin(H36M17))
    names = {frozenset(BODY28.joints[j] for j in line) for line in lines(BODY28)}
    for pair in (("LHeel", "LToe"), ("RAnkle", "RToe"), ("LWrist", "LThumb"), ("NoseTip", "LEar"), ("NoseTip", "REar")):
        assert frozenset(pair) in names
    assert frozenset(("Nose", "NoseTip")) not in names  # the neck is not where a face begins
    assert {j for line in lines(BODY28) for j in line} == set(range(28))
    small = {name for name, is_thin in zip(BODY28.joints, thin(BODY28), strict=True) if is_thin}
    assert small == set(BODY28.joints[17:])


def test_the_sides_of_a_face_have_the_colours_of_the_sides():
    for parent, child in lines(BODY28):
        if BODY28.joints[parent] == "NoseTip":
            assert sides(BODY28)[child] == {"L": 1, "R": -1}[BODY28.joints[child][0]]


def test_soles_stand_on_the_floor_of_28_joints():
    joints = load_sets(("cmu",))[0].clip_m(3, BODY28)
    walker = PoseSequence.regular(len(joints), 50.0, BODY28, joints_m=joints, frame="world")
    assert abs(Stage.of(walker).floor_m) < 0.06  # a toe that pushes off dips a little
    assert Stage.of(walker.with_(skeleton=H36M17, joints_m=joints[:, :17])).floor_m > -0.06
