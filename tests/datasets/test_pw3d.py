"""3DPW from official-layout files to PoseSequences."""

import numpy as np
import pytest

from fixtures import pw3d as files
from prml.datasets.pw3d import read_3dpw
from prml.errors import PrmlError
from prml.skeleton import H36M17


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("3dpw")
    return path, files.write(path)


def test_one_sequence_per_person(folder):
    got = list(read_3dpw(folder[0], "test"))
    assert [g.name for g in got] == ["downtown_walking_00/0", "outdoors_fencing_01/0", "outdoors_fencing_01/1"]
    assert {g.fps for g in got} == {30.0}
    assert [g.truth.smpl.gender for g in got] == ["m", "m", "f"]


def test_joints_lie_in_the_moving_camera_s_frame(folder):
    """Limb joints are SMPL's own, moved by each frame's camera; projected, they are where OpenPose saw them."""
    limbs = [H36M17.index(s + j) for s in "LR" for j in ("Knee", "Ankle", "Shoulder", "Elbow", "Wrist")]
    for g in read_3dpw(folder[0], "test"):
        px = g.camera.project(g.joints_m)[:, limbs]
        seen = g.keypoints_px[:, limbs]
        assert np.nanmax(np.linalg.norm(px - seen, axis=-1)) < 0.5
        world = g.truth.smpl.joints_world_m
        moved = np.einsum("tij,tkj->tki", g.truth.world_to_camera[:, :3, :3], world)
        moved += g.truth.world_to_camera[:, None, :3, 3]
        np.testing.assert_allclose(g.joints_m[:, 2], moved[:, 5], atol=1e-5)  # RKnee


def test_missing_detections_are_nan_and_not_zero(folder):
    g = next(iter(read_3dpw(folder[0])))
    assert np.isnan(g.keypoints_px[5]).all()
    assert not g.has_person[5]
    wrist = H36M17.index("RWrist")
    assert np.isnan(g.keypoints_px[6, wrist]).all()
    assert g.confidence[6, wrist] == 0
    assert np.isfinite(g.keypoints_px[6, :wrist]).all()


def test_valid_flag_and_image_size(folder):
    g = next(iter(read_3dpw(folder[0])))
    assert g.valid.sum() == len(g) - 3
    assert (g.camera.width, g.camera.height) == (1080, 1920)


def test_the_files_are_pickles_of_old_numpy(folder):
    raw = (folder[0] / "sequenceFiles" / "test" / "downtown_walking_00.pkl").read_bytes()
    assert raw[:2] == b"\x80\x02"
    assert b"numpy.core.multiarray" in raw


@pytest.mark.parametrize("split", ["train", "tests"])
def test_a_split_that_is_not_there(folder, split):
    with pytest.raises(PrmlError, match=r"no \.pkl file|has the splits"):
        read_3dpw(folder[0], split)
