"""The mocap files: what the reader promises, and what it says of bad ones."""

import numpy as np
import pytest

from fixtures.mocap_npz import write_mocap
from prml.datasets.mocap import MocapSet, data_directory, load_sets
from prml.errors import PrmlError


@pytest.mark.parametrize("name", ["cmu", "hdm05", "ui_prmd"])
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
    for mocap in load_sets(("cmu", "hdm05", "ui_prmd")):
        parts = {s: set(mocap.split[mocap.subject == s]) for s in set(mocap.subject)}
        assert all(len(p) == 1 for p in parts.values())


def test_unknown_set_and_folder(tmp_path):
    with pytest.raises(PrmlError, match="there are: cmu, hdm05, ui_prmd"):
        load_sets(("amass",))
    with pytest.raises(PrmlError, match=r"directory=\.\.\."):
        data_directory(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"positions": np.zeros((4, 16, 3), np.int16)}, "int16 \\(F, 17, 3\\)"),
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
    with pytest.raises(PrmlError, match="not a readable npz"):
        MocapSet.read(path)


def test_terms_of_the_data_are_read_and_their_lack_is_no_permission(tmp_path):
    stated = MocapSet.read(write_mocap(tmp_path / "x.npz", license=np.array("CC0"), noncommercial=np.array(False)))
    assert (stated.licence, stated.noncommercial) == ("CC0", False)
    silent = MocapSet.read(write_mocap(tmp_path / "y.npz"))
    assert (silent.licence, silent.noncommercial) == ("not stated", True)
    assert not load_sets(("hdm05",))[0].noncommercial
