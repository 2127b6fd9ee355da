"""Every way in which a dataset file is usually wrong gives one clear line: what was expected, what came, where.

Each case takes good official-layout files, damages one thing, and reads them. The list of cases is the documentation.
"""

import json
import pickle
import re
import shutil

import numpy as np
import pytest

from fixtures import human36m as h36m
from fixtures import mpi_inf_3dhp as mpi
from fixtures import pw3d
from prml.datasets.human36m import read_human36m_npz
from prml.datasets.human36m_sh import read_human36m_sh
from prml.datasets.mpi_inf_3dhp import read_3dhp_test, read_3dhp_train
from prml.datasets.pw3d import read_3dpw
from prml.errors import PrmlError


def _edit_npz(path, change):
    with np.load(path, allow_pickle=True) as archive:
        arrays = {k: archive[k] for k in archive.files}
    arrays = {k: v.item() if v.shape == () else v for k, v in arrays.items()}
    np.savez_compressed(path, **(change(arrays) or arrays))


def _cut(path, share=0.6):
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw))])


# ---------------------------------------------------------------------------------- Human3.6M, npz pair
def _h36m(folder):
    h36m.write_npz_pair(folder, ("S1", "S9"), ("Walking", "Photo 1"), 40)
    h36m.write_cameras_json(folder / "camera-parameters.json")


def _read_h36m(folder):
    return read_human36m_npz(folder, ("S9",), "gt", cache_dir=folder / "cache")


def _in_3d(change):
    def damage(folder):
        _edit_npz(folder / "data_3d_h36m.npz", lambda z: change(z["positions_3d"]))

    return damage


def _in_2d(change):
    def damage(folder):
        _edit_npz(folder / "data_2d_h36m_gt.npz", lambda z: change(z["positions_2d"]))

    return damage


def _each(scale=1.0, joints=None, nan_at=None, dtype=None):
    def change(positions):
        for actions in positions.values():
            for name, array in actions.items():
                array = array * scale if joints is None else array[:, :joints]
                if nan_at is not None:
                    array = array.copy()
                    array[nan_at] = np.nan
                actions[name] = array if dtype is None else array.astype(dtype)

    return change


def _drop_view(positions):
    positions["S9"]["Walking"] = positions["S9"]["Walking"][:3]


def _shuffle_views(positions):
    views = positions["S9"]["Walking"]
    positions["S9"]["Walking"] = [views[1], views[0], views[2], views[3]]


def _nan_2d(positions):
    positions["S9"]["Walking"][2][7, 3] = np.nan


def _normalised(positions):
    for actions in positions.values():
        for name, views in actions.items():
            actions[name] = [v / 500 - 1 for v in views]


def _shuffle_json(folder):
    path = folder / "camera-parameters.json"
    record = json.loads(path.read_text())
    for views in record["extrinsics"].values():
        views["54138969"], views["58860488"] = views["58860488"], views["54138969"]
    path.write_text(json.dumps(record))


def _unknown_camera(folder):
    path = folder / "camera-parameters.json"
    path.write_text(path.read_text().replace("60457274", "60457275"))


def _rename(old, new):
    return lambda folder: (folder / old).rename(folder / new)


def _sh_like(positions):
    for actions in positions.values():
        for name, views in actions.items():
            actions[name] = [v[:, :16] for v in views]


H36M = {
    "3D file truncated": (
        lambda d: _cut(d / "data_3d_h36m.npz"),
        r"^data_3d_h36m\.npz: cannot be read .*get it again$",
    ),
    "2D file truncated": (lambda d: _cut(d / "data_2d_h36m_gt.npz"), r"^data_2d_h36m_gt\.npz: cannot be read"),
    "3D file absent": (_rename("data_3d_h36m.npz", "x.npz"), r"data_3d_h36m\.npz: no such file; give the folder"),
    "2D file absent": (_rename("data_2d_h36m_gt.npz", "x.npz"), r"data_2d_h36m_gt\.npz: no such file"),
    "an html page saved as npz": (
        lambda d: (d / "data_3d_h36m.npz").write_text("<html>Sign in</html>"),
        r"data_3d_h36m\.npz: it is a web page, not the file that its name suggests; download the file again",
    ),
    "wrong key": (
        lambda d: _edit_npz(d / "data_3d_h36m.npz", lambda z: {"positions": z["positions_3d"]}),
        r"expected the key 'positions_3d', the file has positions",
    ),
    "17 joints in place of 32": (
        _in_3d(_each(joints=17)),
        r"S1 Walking: expected numbers of shape \(any, 32, 3\), got .*17, 3",
    ),
    "16 joints of Stacked Hourglass": (
        _in_2d(_sh_like),
        r"camera 54138969: expected numbers of shape \(any, 17, 2\), got",
    ),
    "NaN in the 3D": (
        _in_3d(_each(nan_at=(11, 2))),
        r"S1 Walking: not a number in frame 11, joint 2 \(3 values in all\)",
    ),
    "NaN in the 2D": (_in_2d(_nan_2d), r"S9 Walking, camera 58860488: not a number in frame 7, joint 3"),
    "millimetres in place of metres": (
        _in_3d(_each(scale=1000.0)),
        r"expected metres, but thighs and shins are \d+\.?\d* long; it looks like millimetres",
    ),
    "text in place of numbers": (_in_3d(_each(dtype=str)), r"expected numbers of shape .*, got <U"),
    "normalised 2D in place of pixels": (_in_2d(_normalised), r"expected pixels, but no coordinate exceeds 2"),
    "three views in place of four": (
        _in_2d(_drop_view),
        r"S9 Walking: expected a list of 4 camera views, got list of length 3",
    ),
    "views of the 2D shuffled": (
        _in_2d(_shuffle_views),
        r"view 0: camera 54138969 puts the 3D .*camera 55011271 fits.*shuffled",
    ),
    "names in the calibration shuffled": (
        _shuffle_json,
        r"view 0: camera 54138969 puts .*camera 58860488 fits.*shuffled",
    ),
    "unknown camera in the calibration": (_unknown_camera, r"unknown camera '60457275'; Human3\.6M has 54138969"),
    "calibration is no json": (
        lambda d: (d / "camera-parameters.json").write_text("{"),
        r"camera-parameters\.json: cannot be read .*it is not a Human3\.6M calibration",
    ),
    "subject without actions": (_in_3d(lambda p: p["S9"].clear()), r"subject S9 holds no actions; the split is empty"),
    "no subject at all": (_in_3d(lambda p: p.clear()), r"expected a dictionary subject -> action -> positions"),
    "2D shorter than 3D": (
        _in_2d(lambda p: p["S9"].update(Walking=[v[:9] for v in p["S9"]["Walking"]])),
        r"the 2D has 9 frames, fewer than the 3D",
    ),
    "clip only in the 3D": (
        _in_2d(lambda p: p["S9"].pop("Walking") and None),
        r"has no S9 Walking, which data_3d_h36m\.npz has",
    ),
}


# ---------------------------------------------------------------------------------- Human3.6M, SH pickle
def _sh(folder):
    h36m.write_sh_pickle(folder / "h36m_sh_conf_cam_source_final.pkl", frames=30)


def _read_sh(folder):
    return read_human36m_sh(folder, "test", folder / "cache")


def _in_sh(change):
    def damage(folder):
        path = folder / "h36m_sh_conf_cam_source_final.pkl"
        data = pickle.loads(path.read_bytes())
        change(data["test"])
        path.write_bytes(pickle.dumps(data))

    return damage


def _set(key, change):
    return _in_sh(lambda part: part.__setitem__(key, change(part[key])))


def _empty(part):
    for key in part:
        part[key] = part[key][:0]


def _nan(array):
    array = array.copy()
    array[5, 4] = np.nan
    return array


SH = {
    "truncated": (lambda d: _cut(next(d.glob("*.pkl"))), r"h36m_sh_conf_cam_source_final\.pkl: cannot be read"),
    "split absent": (
        lambda d: next(d.glob("*.pkl")).write_bytes(pickle.dumps({"train": {}})),
        r"expected the key 'test', it holds 'train'",
    ),
    "split empty": (_in_sh(_empty), r"test: the split is empty"),
    "wrong key": (_in_sh(lambda p: p.pop("joint_2d")), r"test: expected the key 'joint_2d', it holds"),
    "no 2.5d factor": (_in_sh(lambda p: p.pop("2.5d_factor")), r"expected the key '2\.5d_factor'"),
    "16 joints": (
        _set("joint_2d", lambda a: a[:, :16]),
        r"joint_2d: expected numbers of shape \(\d+, 17, 2\), got .*16, 2",
    ),
    "arrays of different length": (
        _set("joint3d_image", lambda a: a[:-1]),
        r"joint3d_image: expected numbers of shape",
    ),
    "NaN": (_set("joint3d_image", _nan), r"joint3d_image: not a number in frame 5, joint 4"),
    "metres in place of millimetres": (
        _set("joints_2.5d_image", lambda a: a / 1000),
        r"expected millimetres, but .* it looks like metres",
    ),
    "camera names shuffled": (
        _set("camera_name", lambda a: np.where(a == "54138969", "60457274", "54138969")),
        r"s_09_act_02_subact_01_ca_01 was seen by camera 54138969, but camera_name says '60457274': shuffled",
    ),
    "source of another kind": (
        _set("source", lambda s: ["video1"] * len(s)),
        r"expected a source like 's_09_act_05_subact_02_ca_01', got 'video1'",
    ),
    "actions do not follow the videos": (
        _set("action", lambda s: [f"a{i % 2}" for i in range(len(s))]),
        r"has several actions \['a0', 'a1'\]; expected one",
    ),
}


# ---------------------------------------------------------------------------------- MPI-INF-3DHP
def _mpi(folder):
    mpi.write_train_npz(folder, 40)
    mpi.write_test_npz(folder, 40)


def _in_train(change):
    return lambda folder: _edit_npz(folder / "data_train_3dhp.npz", lambda z: change(z["data"]))


def _in_test(change):
    return lambda folder: _edit_npz(folder / "data_test_3dhp.npz", lambda z: change(z["data"]))


def _scale_mpi(factor):
    return lambda data: data["TS2"].update(data_3d=data["TS2"]["data_3d"] * factor)


def _underscore(data):
    for key in list(data):
        data[key.replace(" ", "_")] = data.pop(key)


def _nan_mpi(data):
    data["TS5"]["data_2d"][8, 3] = np.nan


def _behind(data):
    data["TS1"]["data_3d"] = data["TS1"]["data_3d"] * [1, 1, -1]


TRAIN = {
    "truncated": (lambda d: _cut(d / "data_train_3dhp.npz"), r"data_train_3dhp\.npz: cannot be read"),
    "wrong key": (
        lambda d: _edit_npz(d / "data_train_3dhp.npz", lambda z: {"train": z["data"]}),
        r"expected the key 'data', the file has",
    ),
    "keys without the blank": (_in_train(_underscore), r"expected keys like 'S1 Seq1', got 'S1_Seq1'"),
    "no frame rate": (
        _in_train(lambda d: d.update({"S1 Seq1": d["S1 Seq1"][:1]})),
        r"S1 Seq1 must be \[cameras, fps\]",
    ),
    "another frame rate": (
        _in_train(lambda d: d["S1 Seq1"].__setitem__(1, 30)),
        r"30 frames per second; expected 25 or 50",
    ),
    "camera 3": (
        _in_train(lambda d: d["S1 Seq1"][0].update({"3": d["S1 Seq1"][0]["0"]})),
        r"expected '0' to '8' without '3'",
    ),
    "empty": (_in_train(lambda d: d.clear()), r"the split is empty"),
    "files absent": (_rename("data_train_3dhp.npz", "x"), r"expected data_train_3dhp\.npz or S1/Seq1/annot\.mat"),
}
TEST = {
    "truncated": (lambda d: _cut(d / "data_test_3dhp.npz"), r"data_test_3dhp\.npz: cannot be read"),
    "no valid flag": (
        _in_test(lambda d: d["TS1"].pop("valid") is None),
        r"TS1: expected the key 'valid', it holds 'data_2d'",
    ),
    "28 joints": (
        _in_test(lambda d: d["TS1"].update(data_3d=np.zeros((40, 28, 3)))),
        r"TS1, data_3d: expected numbers of shape \(40, 17, 3\)",
    ),
    "metres in place of millimetres": (
        _in_test(_scale_mpi(0.001)),
        r"TS2: expected millimetres, but .*looks like metres",
    ),
    "NaN": (_in_test(_nan_mpi), r"TS5, data_2d: not a number in frame 8, joint 3"),
    "z points backward": (_in_test(_behind), r"TS1: the person stands behind the camera"),
    "flag of another length": (
        _in_test(lambda d: d["TS1"].update(valid=np.ones(7))),
        r"TS1, valid: expected numbers of shape \(40\), got .*\(7,\)",
    ),
    "the training file under the test's name": (
        lambda d: (d / "data_train_3dhp.npz").replace(d / "data_test_3dhp.npz"),
        r"expected keys like 'TS1', got 'S1 Seq1'",
    ),
}


# ---------------------------------------------------------------------------------- 3DPW
def _in_3dpw(change):
    def damage(folder):
        path = next((folder / "sequenceFiles" / "test").glob("downtown*.pkl"))
        data = pickle.loads(path.read_bytes(), encoding="latin1")
        change(data)
        path.write_bytes(pickle.dumps(data, 2))

    return damage


def _first(key, change):
    return _in_3dpw(lambda d: d[key].__setitem__(0, change(d[key][0])))


PW3D = {
    "truncated": (
        lambda d: _cut(next((d / "sequenceFiles" / "test").glob("downtown*"))),
        r"downtown_walking_00\.pkl: cannot be read",
    ),
    "wrong key": (_in_3dpw(lambda d: d.pop("cam_poses")), r"expected the key 'cam_poses', it holds"),
    "joints of another model": (
        _first("jointPositions", lambda a: a[:, :51]),
        r"jointPositions: expected numbers of shape \(any, 72\), got .*51",
    ),
    "millimetres": (_first("jointPositions", lambda a: a * 1000), r"expected metres, but .*looks like millimetres"),
    "NaN": (_first("jointPositions", lambda a: a + np.nan), r"jointPositions: not a number in frame 0, joint 0"),
    "fewer camera poses than frames": (
        _in_3dpw(lambda d: d.update(cam_poses=d["cam_poses"][:5])),
        r"40 frames of joints but 5 camera poses",
    ),
    "detections of another layout": (
        _first("poses2d", lambda a: a[:, :, :17]),
        r"poses2d: expected numbers of shape \(40, 3, 18\)",
    ),
    "nobody in it": (_in_3dpw(lambda d: d.update(jointPositions=[])), r"must list one array per person, got none"),
}

CASES = [
    pytest.param(write, read, damage, line, id=f"{name}: {case}")
    for name, write, read, table in (
        ("human36m npz", _h36m, _read_h36m, H36M),
        ("human36m sh", _sh, _read_sh, SH),
        ("3dhp train", _mpi, lambda d: read_3dhp_train(d, d / "cache"), TRAIN),
        ("3dhp test", _mpi, lambda d: read_3dhp_test(d, d / "cache"), TEST),
        ("3dpw", pw3d.write, read_3dpw, PW3D),
    )
    for case, (damage, line) in table.items()
]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Writes each dataset once; a test gets a copy."""
    written = {}

    def copy(write, to):
        if write not in written:
            written[write] = tmp_path_factory.mktemp("good")
            write(written[write])
        shutil.copytree(written[write], to, dirs_exist_ok=True)

    return copy


@pytest.mark.parametrize(("write", "read", "damage", "line"), CASES)
def test_a_bad_file_gives_one_clear_line(tmp_path, good, write, read, damage, line):
    good(write, tmp_path)
    damage(tmp_path)
    with pytest.raises(PrmlError) as caught:
        list(read(tmp_path))
    message = str(caught.value)
    assert re.search(line, message), message
    assert "\n" not in message
    assert len(message) < 400, message


@pytest.mark.parametrize(("write", "read"), dict.fromkeys((c.values[0], c.values[1]) for c in CASES))
def test_the_same_files_unspoilt_are_read(tmp_path, good, write, read):
    good(write, tmp_path)
    assert list(read(tmp_path))
