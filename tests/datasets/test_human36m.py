"""Human3.6M from official-layout files to PoseSequences."""

import json
import pickle

import numpy as np
import pytest

from fixtures import human36m as files
from prml.datasets.human36m import ACTIONS, FPS, read_human36m_npz
from prml.datasets.human36m_cameras import CAMERA_IDS, CameraTable, find_cameras, read_cameras
from prml.datasets.human36m_sh import read_human36m_sh
from prml.errors import PrmlError
from prml.skeleton import COCO17, H36M17


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("h36m")
    truth = files.write_npz_pair(folder, subjects=("S1", "S9", "S11"))
    files.write_cameras_json(folder / "camera-parameters.json")
    return folder, truth


@pytest.fixture(scope="module")
def sh(tmp_path_factory):
    path = tmp_path_factory.mktemp("sh") / "h36m_sh_conf_cam_source_final.pkl"
    return path, files.write_sh_pickle(path)


def test_npz_pair_gives_every_clip_in_every_camera_in_order(pair, tmp_path):
    folder, truth = pair
    got = list(read_human36m_npz(folder, ("S9", "S11"), "gt", cache_dir=tmp_path))
    wanted = [f"{s}/{a}/{c}" for s in ("S9", "S11") for a in truth[s] for c in CAMERA_IDS]
    assert [g.name for g in got] == wanted
    assert "S11/Directions/54138969" not in wanted, "the fixture keeps the missing video"
    assert "S11/Directions 1/54138969" in wanted
    assert {g.action for g in got} <= set(ACTIONS)
    assert {g.fps for g in got} == {FPS}


def test_joints_are_camera_frame_metres_of_the_17(pair, tmp_path):
    folder, truth = pair
    cameras = files.calibration()
    for g in read_human36m_npz(folder, ("S1", "S9"), "gt", cache_dir=tmp_path):
        view = cameras[g.subject][g.labels["camera_id"]]
        world = truth[g.subject][g.labels["action_key"]]
        np.testing.assert_allclose(g.joints_m, (world - view["position"]) @ view["R"].T, atol=2e-6)
        assert not g.root_relative
        assert g.joints_m[..., 2].min() > 1, "z points forward"


def test_projection_of_the_joints_is_the_ground_truth_2d(pair, tmp_path):
    """With the lens the pixels agree to a fraction of one; without its distortion they do not."""
    folder, _ = pair
    for g in read_human36m_npz(folder, ("S9",), "gt", cache_dir=tmp_path):
        error = np.linalg.norm(g.camera.project(g.joints_m) - g.keypoints_px, axis=-1)
        assert np.median(error) < 0.5, "the file's order of tangential terms is not the release's: tenths of a pixel"
        assert (g.camera.width, g.camera.height) == files.SIZES[g.labels["camera_id"]]
    pinhole = type(g.camera)(**{**g.camera.__dict__, "radial": (0.0, 0.0, 0.0), "tangential": (0.0, 0.0)})
    assert np.linalg.norm(pinhole.project(g.joints_m) - g.keypoints_px, axis=-1).max() > 1.0


def test_2d_longer_than_3d_is_cut_and_told(pair, tmp_path):
    got = list(read_human36m_npz(pair[0], ("S9",), cache_dir=tmp_path))
    assert all(len(g.keypoints_px) == len(g.joints_m) == len(g) for g in got)
    assert {int(g.labels["frames_2d"]) - len(g) for g in got} == {0, 1, 2}


def test_a_2d_file_of_coco_joints_is_converted(pair, tmp_path):
    """VideoPose3D's detectron_pt_coco has 17 joints too, in COCO's order; its metadata says so."""
    folder = tmp_path / "coco"
    files.write_npz_pair(folder, ("S9",), ("Walking",), 30, detectors=("gt", "detectron_pt_coco"))
    path = folder / "data_2d_h36m_detectron_pt_coco.npz"
    with np.load(path, allow_pickle=True) as archive:
        positions, metadata = archive["positions_2d"].item(), archive["metadata"].item()
    rng = np.random.default_rng(0)
    limbs = [(H36M17.index(j), COCO17.index(j)) for j in COCO17.joints if j in H36M17.joints and j != "Nose"]
    for views in positions["S9"].values():
        for i, points in enumerate(views):
            coco = rng.normal(0, 3, points.shape) + points[:, 10:11]
            for ours, theirs in limbs:
                coco[:, theirs] = points[:, ours]
            views[i] = coco.astype(np.float32)
    np.savez_compressed(path, positions_2d=positions, metadata=metadata | {"layout_name": "coco"})
    files.write_cameras_json(folder / "camera-parameters.json")
    read = list(read_human36m_npz(folder, ("S9",), "detectron_pt_coco", cache_dir=tmp_path / "cache"))
    for sequence, points in zip(read, positions["S9"]["Walking"], strict=True):
        for ours, theirs in limbs:
            np.testing.assert_allclose(sequence.keypoints_px[:, ours], points[: len(sequence), theirs], atol=1e-3)
    np.savez_compressed(path, positions_2d=positions, metadata=metadata | {"layout_name": "openpose"})
    with pytest.raises(PrmlError, match="expected the joint layout h36m, coco, its metadata says 'openpose'"):
        read_human36m_npz(folder, ("S9",), "detectron_pt_coco", cache_dir=tmp_path / "cache")


def test_detector_file_may_hold_subjects_without_3d(pair, tmp_path):
    with pytest.raises(PrmlError, match=r"no subject S2; it has S1, S9, S11"):
        read_human36m_npz(pair[0], ("S2",), cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("camera-parameters.json", files.write_cameras_json),
        ("metadata.xml", files.write_metadata_xml),
        ("h36m_dataset.py", files.write_dataset_py),
    ],
)
def test_every_layout_of_the_calibration_says_the_same(tmp_path, name, write):
    write(tmp_path / name)
    table = read_cameras(tmp_path / name)
    for subject, views in files.calibration().items():
        if name == "h36m_dataset.py" and subject in ("S2", "S3", "S4"):
            continue
        for camera_id, view in views.items():
            camera = table.camera(subject, camera_id)
            np.testing.assert_allclose(camera.R_world_to_camera, view["R"], atol=1e-9)
            np.testing.assert_allclose(-camera.R_world_to_camera.T @ camera.t_m, view["position"], atol=1e-9)
            np.testing.assert_allclose([camera.fx, camera.fy, camera.cx, camera.cy], [*view["f"], *view["c"]])
    again = tmp_path / "h36m-cameras.json"
    again.write_text(table.to_json())
    assert read_cameras(again).to_json() == table.to_json()


def test_cameras_are_solved_from_the_pair_when_there_is_no_file(tmp_path):
    """The solution puts the joints within a tenth of a millimetre of where the true calibration puts them."""
    truth = files.write_npz_pair(tmp_path, subjects=("S1", "S9"), frames=80)
    cameras = files.calibration()
    for g in read_human36m_npz(tmp_path, ("S9",), "gt", cache_dir=tmp_path / "cache"):
        view = cameras["S9"][g.labels["camera_id"]]
        wanted = (truth["S9"][g.labels["action_key"]] - view["position"]) @ view["R"].T
        assert 1000 * np.linalg.norm(g.joints_m - wanted, axis=-1).max() < 1.0
        relative = (g.joints_m - g.joints_m[:, :1]) - (wanted - wanted[:, :1])
        assert 1000 * np.linalg.norm(relative, axis=-1).max() < 0.1
        assert "solved" in g.camera.source
        error = np.linalg.norm(g.camera.project(g.joints_m) - g.keypoints_px, axis=-1)
        assert np.quantile(error, 0.99) < 0.2


def test_without_calibration_or_ground_truth_2d_the_message_says_what_to_add(tmp_path):
    files.write_npz_pair(tmp_path, subjects=("S9",), detectors=("cpn_ft_h36m_dbb",))
    with pytest.raises(PrmlError, match=r"hold no calibration.*metadata\.xml.*data_2d_h36m_gt\.npz"):
        read_human36m_npz(tmp_path, ("S9",), cache_dir=tmp_path / "cache")


def test_a_calibration_that_is_python_is_parsed_and_never_run(tmp_path):
    files.write_dataset_py(tmp_path / "h36m_dataset.py")
    assert isinstance(find_cameras(tmp_path, None, dict), CameraTable)


def test_sh_pickle_gives_one_sequence_per_video(sh, tmp_path):
    path, data = sh
    for split in ("train", "test"):
        got = list(read_human36m_sh(path, split, tmp_path))
        assert [g.name for g in got] == list(dict.fromkeys(data[split]["source"]))
        np.testing.assert_array_equal(np.concatenate([g.keypoints_px for g in got]), data[split]["joint_2d"])
        confidence = np.concatenate([g.confidence for g in got])
        np.testing.assert_allclose(confidence, data[split]["confidence"][..., 0], rtol=1e-6)
        images = np.concatenate([g.truth.joints_image_px for g in got])
        np.testing.assert_array_equal(images, data[split]["joint3d_image"])
        assert len({len(g) for g in got}) == 2, "videos of different length stay apart"


def test_sh_test_labels_are_the_scaled_image_labels(sh, tmp_path):
    for g in read_human36m_sh(sh[0].parent, "test", tmp_path):
        scaled = g.truth.joints_image_px * g.mm_per_px[:, None, None]
        np.testing.assert_allclose(g.truth.joints_25d_mm, scaled, atol=0.01)
        np.testing.assert_allclose(1000 * g.joints_m, scaled - scaled[:, :1], atol=0.01)
        assert g.root_relative
        assert (g.camera.width, g.camera.height) == files.SIZES[g.labels["camera_id"]]


def test_sh_labels_by_source_and_by_file(sh, tmp_path):
    test = {g.name: g for g in read_human36m_sh(sh[0], "test", tmp_path)}
    assert test["s_09_act_05_subact_02_ca_01"].action == "Greeting"
    assert test["s_09_act_12_subact_01_ca_04"].action == "TakingPhoto", "the file's own string"
    train = next(iter(read_human36m_sh(sh[0], "train", tmp_path)))
    assert (train.subject, train.action, train.joints_m) == ("S1", "Directions", None)


def test_sh_confidence_may_be_flat_or_absent(tmp_path):
    path = tmp_path / "a" / "x.pkl"
    data = files.write_sh_pickle(path, frames=60, confidence_axis=False)
    first = next(iter(read_human36m_sh(path, "train", tmp_path)))
    np.testing.assert_allclose(first.confidence, data["train"]["confidence"][: len(first)], rtol=1e-6)
    del data["train"]["confidence"]
    path.write_bytes(pickle.dumps(data))
    assert np.all(next(iter(read_human36m_sh(path, "train", tmp_path))).confidence == 1)


def test_camera_table_refuses_what_it_does_not_have(tmp_path):
    files.write_cameras_json(tmp_path / "camera-parameters.json")
    record = json.loads((tmp_path / "camera-parameters.json").read_text())
    del record["extrinsics"]["S9"]["60457274"]
    (tmp_path / "camera-parameters.json").write_text(json.dumps(record))
    table = read_cameras(tmp_path / "camera-parameters.json")
    with pytest.raises(PrmlError, match="no camera 60457274 of S9"):
        table.camera("S9", "60457274")
    with pytest.raises(PrmlError, match="no subject S10"):
        table.camera("S10", "60457274")
