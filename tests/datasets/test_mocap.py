"""The mocap files: what the reader promises, and what it says of bad ones."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest

from fixtures.mocap_npz import write_mocap
from prml.datasets.mocap import (
    MISSING,
    MocapSet,
    data_directory,
    from_second_differences,
    load_sets,
    second_differences,
)
from prml.errors import PrmlError
from prml.skeleton import BODY28, H36M17

SETS = ("cmu", "hdm05", "ui_prmd", "cmu_more", "open_more")
# SHA-256 of the int16 positions (F, 17, 3) of the files that held 17 joints, computed before they were replaced
FIRST_17 = {
    "cmu": "c1a3146f3bbefdc4821f63e53a39cc3f6628c9393755259aaf8ec2b310390c51",
    "hdm05": "cf581d9dad3c27d2f7fc71b7f53e5a147f700bec01decc8faf0cadb6c501f66c",
    "ui_prmd": "a9b0ebe2481907c992c369a219fcb883582892b52a3d5bdb86c5cd628a2b8836",
}


@pytest.mark.parametrize("name", FIRST_17)
def test_the_first_17_joints_are_those_of_the_files_before_28(name):
    first = np.ascontiguousarray(load_sets((name,))[0].positions[:, :17])
    assert hashlib.sha256(first.tobytes()).hexdigest() == FIRST_17[name]


def test_differences_twice_over_every_clip_are_the_positions_again():
    rng = np.random.default_rng(0)
    starts = np.array([0, 1, 3, 40, 100])
    positions = rng.integers(-32768, 32768, (100, 28, 3)).astype(np.int16)
    positions[3:40, 5] = MISSING
    d2 = second_differences(positions, starts)
    np.testing.assert_array_equal(from_second_differences(d2, starts), positions)
    for a, b in pairwise(starts):  # by hand, modulo 2**16
        clip = positions[a:b, 7, 1].astype(int)
        wanted = np.diff(clip, 2, prepend=[0, 0])
        np.testing.assert_array_equal(d2[7, 1, a:b], wanted.astype(np.int16))


@pytest.mark.parametrize("name", SETS)
def test_a_joint_that_a_clip_lacks_is_not_a_number(name):
    mocap = load_sets((name,))[0]
    lacking = np.flatnonzero(~mocap.has_joint.all(1))
    for i in (*lacking[:3], 0):
        whole = mocap.sequence(int(i), BODY28).joints_m
        np.testing.assert_array_equal(np.isfinite(whole).all((0, 2)), mocap.has_joint[i])
        np.testing.assert_array_equal(whole[:, :17], mocap.clip_m(int(i)))
        np.testing.assert_array_equal(mocap.clip_m(int(i), H36M17), mocap.clip_m(int(i)))
        a, b = mocap.clip_start[i], mocap.clip_start[i + 1]
        assert (mocap.positions[a:b, ~mocap.has_joint[i]] == MISSING).all()


@pytest.mark.parametrize("name", SETS)
def test_feet_hands_and_faces_are_where_they_belong(name):
    """A heel lies by its ankle, the hand by its wrist, and a nose tip before the ears; in every clip that has them."""
    mocap = load_sets((name,))[0]
    at = {joint: BODY28.index(joint) for joint in BODY28.joints}
    limits = {("Ankle", "Heel"): (0.04, 0.14), ("Heel", "Toe"): (0.15, 0.35), ("Wrist", "Hand"): (0.05, 0.13)}
    for i in range(0, len(mocap), 9):
        joints = mocap.clip_m(i, BODY28)
        for side in "LR":
            for (a, b), (low, high) in limits.items():
                length = np.median(np.linalg.norm(joints[:, at[side + a]] - joints[:, at[side + b]], axis=-1))
                assert np.isnan(length) or low < length < high, (mocap.clip_name[i], a, b, length)
        ears = np.linalg.norm(joints[:, at["LEar"]] - joints[:, at["REar"]], axis=-1)
        assert np.all(np.isnan(ears) | (abs(ears - 0.15) < 0.02))


@pytest.mark.parametrize("name", SETS)
def test_people_are_people(name):
    mocap = load_sets((name,))[0]
    for i in range(0, len(mocap), 40):
        clip = mocap.sequence(i)
        thigh = np.linalg.norm(clip.joints_m[:, 2] - clip.joints_m[:, 1], axis=-1)
        assert 0.25 < thigh.mean() < 0.55
        head_over_hip = clip.joints_m[:, 10, 2] - clip.joints_m[:, 0, 2]
        assert np.median(head_over_hip) > -0.2 or "lie" in clip.action.lower()
        assert clip.frame == "world"


def test_no_subject_is_in_two_parts():
    for mocap in load_sets(SETS):
        parts = {s: set(mocap.split[mocap.subject == s]) for s in set(mocap.subject)}
        assert all(len(p) == 1 for p in parts.values())


def test_unknown_set_and_folder(tmp_path):
    with pytest.raises(PrmlError, match="there are: cmu, cmu_more, hdm05, open_more, ui_prmd"):
        load_sets(("amass",))
    with pytest.raises(PrmlError, match=r"directory=\.\.\."):
        data_directory(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"d2": np.zeros((17, 3, 4), np.int16)}, "int16 \\(28, 3, F\\)"),
        ({"has_joint": np.ones((2, 28), bool)}, "has_joint must be bool \\(1, 28\\)"),
        ({"has_joint": np.ones((1, 28))}, "has_joint must be bool"),
        ({"has_joint": np.arange(28)[None] != 5}, "True for the first 17"),
        ({"d2": None, "positions": np.zeros((4, 17, 3), np.int16)}, "17 joints in the schema before body28; get"),
        ({"clip_start": np.array([0, 3])}, "increase from 0 to 4"),
        ({"action": None}, "lacks action"),
    ],
)
def test_wrong_files_are_named(tmp_path, changes, words):
    with pytest.raises(PrmlError, match=words):
        MocapSet.read(write_mocap(tmp_path / "x.npz", **changes))


def test_truncated_file_is_one_clear_line(tmp_path):
    path = write_mocap(tmp_path / "x.npz")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(PrmlError, match="not a complete npz file"):
        MocapSet.read(path)


def test_terms_of_the_data_are_read_and_their_lack_is_no_permission(tmp_path):
    stated = MocapSet.read(write_mocap(tmp_path / "x.npz", license=np.array("CC0"), noncommercial=np.array(False)))
    assert (stated.licence, stated.noncommercial) == ("CC0", False)
    silent = MocapSet.read(write_mocap(tmp_path / "y.npz"))
    assert (silent.licence, silent.noncommercial) == ("not stated", True)
    assert not load_sets(("hdm05",))[0].noncommercial
