"""Result files: round trip and atomic writes."""

import json
import resource

import numpy as np
import pytest

from prml.camera import Camera
from prml.errors import PrmlError
from prml.io.poses import read_poses, write_poses
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, H36M17

WRITERS = {"npz": write_poses, "json": write_poses}
PROVENANCE = {"prml": "0.1", "weights": {"name": "prml-s", "sha256": "NaN or not"}, "options": {"flip": True}}


def lifted(frames=8, std=True):
    rng = np.random.default_rng(5)
    has = np.ones(frames, bool)
    has[3] = False
    joints = rng.normal(size=(frames, 17, 3)).astype(np.float32)
    return PoseSequence(
        H36M17,
        np.cumsum(rng.uniform(0.01, 0.05, frames)),
        rng.uniform(0, 900, (frames, 17, 2)),
        rng.random((frames, 17)),
        joints - joints[:, :1],
        rng.random((frames, 17, 3)) if std else None,
        root_relative=True,
        fps=29.97,
        camera=Camera.from_fov(1920, 1080),
        has_person=has,
        filled=np.arange(frames) == 2,
        inferred=rng.random((frames, 17)) < 0.2,
        name="clip",
    )


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("std", [True, False])
def test_round_trip(tmp_path, ending, std):
    before, path = lifted(std=std), tmp_path / f"poses.{ending}"
    WRITERS[ending](before, path, PROVENANCE)
    after = read_poses(path)
    has = before.has_person
    for name in ("joints_m", "std_m", "keypoints_px") if std else ("joints_m", "keypoints_px"):
        got, wanted = getattr(after, name), getattr(before, name)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got[has], wanted[has], rtol=1e-6, atol=1e-6)
        assert np.isnan(got[~has]).all(), "gaps hold nothing that could be taken for a pose"
    assert std or after.std_m is None
    np.testing.assert_allclose(after.confidence, before.confidence, atol=1e-6)
    np.testing.assert_allclose(after.times_s, before.times_s, atol=1e-6)
    assert after.has_person.tolist() == has.tolist()
    assert after.filled.tolist() == before.filled.tolist()
    assert after.inferred.tolist() == before.inferred.tolist()
    assert (after.fps, after.name, after.skeleton) == (29.97, "clip", H36M17)
    assert (after.frame, after.root_relative) == ("camera", True)
    assert after.camera.to_dict() == before.camera.to_dict()
    assert after.provenance == PROVENANCE


def lifted28():
    rng, before = np.random.default_rng(6), lifted()
    points = rng.uniform(0, 900, (8, 28, 2))
    points[:, 21:25] = np.nan
    return PoseSequence(
        BODY28,
        before.times_s,
        points,
        rng.random((8, 28)),
        rng.normal(size=(8, 28, 3)).astype(np.float32),
        rng.random((8, 28, 3)),
        root_relative=True,
        fps=29.97,
        camera=before.camera,
        has_person=np.ones(8, bool),
        filled=np.zeros(8, bool),
        inferred=np.isnan(points).any(-1),
        detected=np.isfinite(points[0]).all(-1) & (np.arange(28) != 7),
    )


@pytest.mark.parametrize("ending", WRITERS)
def test_28_joints_go_round_with_what_was_detected(tmp_path, ending):
    before, path = lifted28(), tmp_path / f"poses.{ending}"
    write_poses(before, path, PROVENANCE)
    after = read_poses(path)
    assert after.skeleton == BODY28
    assert after.detected.tolist() == before.detected.tolist()
    assert after.inferred.tolist() == before.inferred.tolist()
    np.testing.assert_allclose(after.joints_m, before.joints_m, atol=1e-6)
    np.testing.assert_allclose(after.keypoints_px, before.keypoints_px, atol=1e-3)
    write_poses(before.with_(detected=None), path, PROVENANCE, overwrite=True)
    assert read_poses(path).detected.tolist() == np.isfinite(before.keypoints_px[0]).all(-1).tolist()


def test_only_28_joints_are_of_the_second_version(tmp_path):
    """Old readers go on reading what has 17 joints."""
    for sequence, schema in ((lifted(), "prml.poses/1"), (lifted28(), "prml.poses/2")):
        path = tmp_path / f"{len(sequence.skeleton)}.json"
        write_poses(sequence, path, PROVENANCE)
        entries = json.loads(path.read_text())
        assert entries["schema"] == schema
        assert ("detected" in entries) == (schema == "prml.poses/2")
    for change, message in (
        ({"schema": "prml.poses/1", "detected": None}, "results on body28 have the schema prml.poses/2"),
        ({"detected": [True] * 17}, "expected 'detected' to be 28, got 17"),
    ):
        record = {k: v for k, v in (entries | change).items() if v is not None}
        path.write_text(json.dumps(record))
        with pytest.raises(PrmlError) as told:
            read_poses(path)
        assert message in str(told.value)


def test_both_endings_say_the_same(tmp_path):
    for ending, write in WRITERS.items():
        write(lifted(), tmp_path / f"p.{ending}", PROVENANCE)
    a, b = (read_poses(tmp_path / f"p.{ending}") for ending in WRITERS)
    np.testing.assert_allclose(a.joints_m, b.joints_m, atol=1e-6)


def test_json_is_strict_json(tmp_path):
    write_poses(lifted(), tmp_path / "p.json", PROVENANCE)

    def refuse(word):
        raise AssertionError(word)

    entries = json.loads((tmp_path / "p.json").read_text(), parse_constant=refuse)
    assert entries["schema"] == "prml.poses/1"
    assert entries["joints_cam_m"][3][0] == [None, None, None]
    assert entries["skeleton"]["joints"] == list(H36M17.joints)
    assert entries["camera"]["source"] == "assumed fov 55 deg"


def test_npz_needs_no_pickle(tmp_path):
    write_poses(lifted(), tmp_path / "p.npz", PROVENANCE)
    with np.load(tmp_path / "p.npz", allow_pickle=False) as archive:
        assert archive["joints_cam_m"].shape == (8, 17, 3)
        assert archive["joints_cam_m"].dtype == np.float32
        assert json.loads(str(archive["skeleton"]))["parents"][0] == -1


@pytest.mark.parametrize("ending", WRITERS)
def test_existing_results_are_kept(tmp_path, ending):
    path = tmp_path / f"p.{ending}"
    path.write_text("mine")
    with pytest.raises(PrmlError, match="exists"):
        WRITERS[ending](lifted(), path, {})
    assert path.read_text() == "mine"
    WRITERS[ending](lifted(), path, {}, overwrite=True)
    assert len(read_poses(path)) == 8


@pytest.mark.parametrize("ending", WRITERS)
def test_a_full_disk_leaves_nothing_or_what_was(tmp_path, ending):
    """A limit on file size simulates a full disk."""
    path = tmp_path / f"p.{ending}"
    WRITERS[ending](lifted(), path, {})
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
    try:
        for target, overwrite in ((path, True), (tmp_path / f"new.{ending}", False)):
            with pytest.raises(PrmlError, match="cannot write") as caught:
                WRITERS[ending](lifted(frames=200), target, {}, overwrite=overwrite)
            assert "\n" not in str(caught.value)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_what_is_not_lifted_is_refused(tmp_path):
    for bad in (lifted().with_(joints_m=None), lifted().with_(root_relative=False), lifted().with_(frame="world")):
        with pytest.raises(PrmlError, match="root-relative joints in the camera frame"):
            write_poses(bad, tmp_path / "p.npz", {})
    with pytest.raises(PrmlError, match=r"expected the suffix \.npz or \.json"):
        write_poses(lifted(), tmp_path / "p.bvh", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "prml.poses/3"}, "expected the schema 'prml.poses/1'"),
        ({"schema": "prml.poses/2"}, "results on h36m17 have the schema prml.poses/1"),
        ({"detected": [True] * 17}, "unknown entries ['detected']"),
        ({"skeleton": {"name": "h36m18"}}, "unknown skeleton 'h36m18'"),
        ({"skeleton": {"name": "h36m17"}}, "is not the h36m17 of this version"),
        ({"joints_cam_m": [[[0.0] * 3] * 16] * 8}, "expected 'joints_cam_m' to be any x 17 x 3, got 8 x 16 x 3"),
        ({"has_person": [True] * 8}, "'joints_cam_m' is NaN in frame 3, where 'has_person' is true"),
        ({"times_s": [0] * 8}, "'times_s' must increase"),
        ({"provenance": None}, "expected names and values in 'provenance'"),
    ],
)
def test_reader_says_what_is_wrong(tmp_path, change, message):
    path = tmp_path / "p.json"
    write_poses(lifted(), path, PROVENANCE)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(PrmlError) as caught:
        read_poses(path)
    assert message in str(caught.value)


def test_long_json_is_written_in_parts_and_reads_back(tmp_path, monkeypatch):
    from prml.io import keypoints as files

    write_poses(lifted(), tmp_path / "whole.json", PROVENANCE)
    monkeypatch.setattr(files, "_JSON_FRAMES", 2)
    write_poses(lifted(), tmp_path / "parts.json", PROVENANCE)
    assert (tmp_path / "parts.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_a_file_need_not_say_what_was_inferred(tmp_path):
    write_poses(lifted().with_(inferred=None), tmp_path / "poses.npz", PROVENANCE)
    again = read_poses(tmp_path / "poses.npz")
    assert again.inferred is None
    assert not again.mostly_inferred.any()


@pytest.mark.parametrize("schema", [np.array(["a", "b"]), np.zeros(0), np.array(3.0)])
def test_a_schema_that_is_no_text_is_refused_in_one_line(tmp_path, schema):
    np.savez(tmp_path / "poses.npz", schema=schema)
    with pytest.raises(PrmlError, match=r"^poses\.npz"):
        read_poses(tmp_path / "poses.npz")
