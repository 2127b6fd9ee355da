"""MPI-INF-3DHP from official-layout files to PoseSequences."""

import numpy as np
import pytest

from fixtures import mpi_inf_3dhp as files
from prml.datasets.mpi_inf_3dhp import read_3dhp_test, read_3dhp_train, read_calibration
from prml.errors import PrmlError
from prml.skeleton import H36M17, MPI_INF_3DHP17


@pytest.fixture(scope="module")
def npz(tmp_path_factory):
    folder = tmp_path_factory.mktemp("3dhp")
    return folder, files.write_train_npz(folder), files.write_test_npz(folder)


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    pytest.importorskip("h5py")
    folder = tmp_path_factory.mktemp("3dhp_official")
    return folder, files.write_official(folder)


def test_training_file_keeps_its_two_frame_rates_and_eight_cameras(npz, tmp_path):
    got = list(read_3dhp_train(npz[0], tmp_path))
    assert [g.name for g in got] == [f"{key}/{c}" for key in files.FPS for c in files.CAMERAS]
    for g in got:
        assert g.fps == files.FPS[g.name.split("/")[0]]
        assert g.subject == g.name[:2]
        np.testing.assert_allclose(1000 * g.joints_m, npz[1][g.name], atol=0.01)


def test_test_file_keeps_the_valid_flag_and_the_sizes_of_the_outdoor_videos(npz, tmp_path):
    for g in read_3dhp_test(npz[0], tmp_path):
        record = npz[2][g.name]
        assert g.fps == 25
        assert g.valid.dtype == bool
        np.testing.assert_array_equal(g.valid, record["valid"] == 1)
        assert 0 < g.valid.sum() < len(g), "all frames are there, valid or not"
        np.testing.assert_allclose(g.keypoints_px, record["data_2d"], rtol=1e-6)
        assert (g.camera.width, g.camera.height) == files.TEST_SIZES[g.name]


def test_camera_is_fitted_to_the_file_and_says_so(npz, tmp_path):
    for g in read_3dhp_test(npz[0], tmp_path):
        assert "fitted" in g.camera.source
        assert np.abs(g.camera.project(g.joints_m) - g.keypoints_px).max() < 0.05


def test_joint_order_is_the_datasets_and_converts_to_ours(npz, tmp_path):
    g = next(iter(read_3dhp_test(npz[0], tmp_path)))
    assert g.skeleton is MPI_INF_3DHP17
    assert MPI_INF_3DHP17.root == 14
    ours = g.to_skeleton(H36M17)
    np.testing.assert_allclose(ours.joints_m, g.joints_m[:, files.ORDER], atol=1e-6)


def test_official_training_files_give_the_field_s_17_joints(official, tmp_path):
    folder, truth = official
    got = {g.name: g for g in read_3dhp_train(folder, tmp_path)}
    assert list(got) == [f"S1 Seq1/{c}" for c in files.CAMERAS]
    np.testing.assert_allclose(1000 * got["S1 Seq1/0"].joints_m, truth["train"], atol=0.01)
    for g in got.values():
        assert g.camera.source == "camera.calibration"
        assert np.abs(g.camera.project(g.joints_m) - g.keypoints_px).max() < 0.05


def test_official_test_files(official, tmp_path):
    got = {g.name: g for g in read_3dhp_test(official[0], tmp_path)}
    assert list(got) == ["TS1", "TS5"]
    assert not got["TS1"].valid[0]
    assert set(got["TS5"].truth.activity) == {2}
    assert got["TS5"].camera.width == 1920


def test_calibration_file_is_read_in_metres(official):
    cameras = read_calibration(official[0] / "S1" / "Seq1" / "camera.calibration")
    assert sorted(cameras) == list(range(14))
    position = -cameras[3].R_world_to_camera.T @ cameras[3].t_m
    assert 4 < np.linalg.norm(position) < 6


def test_calibration_of_another_format_is_refused(tmp_path):
    (tmp_path / "camera.calibration").write_text("Skeletool Camera Calibration File V1.0\nname 0\n  size 2048 2048\n")
    with pytest.raises(PrmlError, match="a camera is incomplete"):
        read_calibration(tmp_path / "camera.calibration")
