"""Several people in one result: a poses file each, and gaps where limbs of two people may be mixed up."""

from dataclasses import replace

import numpy as np
import pytest

from fixtures import detections as made
from fixtures.detections import seen
from prml.errors import PrmlError
from prml.io.poses import read_poses
from prml.lifting.lifter import Lifter
from prml.pipeline.lift import lift
from prml.pipeline.outputs.registry import OUTPUTS
from prml.pipeline.people import IMPLAUSIBLE, with_gaps, without_chimeras
from prml.pipeline.source import numbered
from prml.pipeline.view import view
from prml.scene import Scene
from prml.sequence import DetectionLog, Event
from prml.weights.record import load_record


@pytest.fixture(scope="module")
def lifter():
    return Lifter(load_record("prml-xs"))


def two_people(folder):
    near, far = seen("openpose25", gap=False), seen("openpose25", gap=False, shift_m=1.3)
    return made.write_openpose(folder, near, far.with_(keypoints_px=far.keypoints_px * 0.8 + (90, 60)))


def test_a_poses_file_each_and_none_left_from_before(tmp_path, lifter):
    source = two_people(tmp_path / "clip_json")
    options = {"lifter": lifter, "fps": 30, "image_size": "640x480", "viewer": True, "motion": False}
    result = lift(source, tmp_path / "out", people="all", **options)
    assert len(result.scene) == 2
    assert {"poses.npz", "poses.json", "poses_2.npz", "poses_2.json", "viewer.html"} <= set(result.files)
    first, second = (read_poses(tmp_path / "out" / name) for name in ("poses.npz", "poses_2.npz"))
    assert np.nanmean(np.abs(first.keypoints_px - second.keypoints_px)) > 30
    assert (first.provenance["people"], second.provenance["people"]) == (2, 2)
    assert first.provenance["person"] != second.provenance["person"]
    page = (tmp_path / "out" / "viewer.html").read_text(encoding="utf-8")
    assert 'id="data-p2-joints"' in page
    assert len(view(tmp_path / "out", overwrite=True).scene) == 2
    assert 'id="data-p2-joints"' in (tmp_path / "out" / "viewer.html").read_text(encoding="utf-8")
    lift(source, tmp_path / "out", overwrite=True, **options)
    assert not (tmp_path / "out" / "poses_2.npz").exists()
    assert "person" not in read_poses(tmp_path / "out" / "poses.npz").provenance


def test_each_is_lifted_as_alone(tmp_path, lifter):
    source = two_people(tmp_path / "clip_json")
    options = {"lifter": lifter, "fps": 30, "image_size": "640x480", "motion": False}
    both = lift(source, people=2, **options).scene
    for one in both:
        alone = lift(source, person=one.track_id, **options).sequence
        np.testing.assert_array_equal(one.joints_m, alone.joints_m)
    with pytest.raises(PrmlError, match=r"people=\.\.\. must be a number from 1 on, all or auto, got 'some'"):
        lift(source, people="some", **options)


def test_names_of_files():
    assert [numbered("poses.npz", number) for number in (1, 2, 11)] == ["poses.npz", "poses_2.npz", "poses_11.npz"]
    assert {"poses_2.npz", "poses_30.json"} <= set(OUTPUTS)


def test_an_implausible_frame_beside_somebody_is_a_gap_and_elsewhere_only_marked(tmp_path, lifter):
    source = two_people(tmp_path / "clip_json")
    person = lift(source, lifter=lifter, fps=30, image_size="640x480", motion=False).sequence
    joints = person.joints_m.copy()
    shin = person.skeleton.index("LAnkle")
    for frame in (8, 20):
        joints[frame, shin] = joints[frame, shin - 1] + 0.2 * (joints[frame, shin] - joints[frame, shin - 1])
    near = np.zeros(len(person), bool)
    near[5:12] = True
    log = DetectionLog("test", near=near)
    scene = Scene.of(person.with_(joints_m=joints, detection=log))
    [checked] = without_chimeras(scene)
    assert not checked.has_person[8]
    assert np.isnan(checked.joints_m[8]).all()
    assert np.isnan(checked.keypoints_px[8]).all()
    assert checked.has_person[20]
    assert [e.kind for e in without_chimeras(scene).events] == [IMPLAUSIBLE]
    alone = Scene.of(person.with_(joints_m=joints, detection=replace(log, near=None)))
    assert without_chimeras(alone).prominent.has_person.sum() == person.has_person.sum()


def test_a_gap_keeps_what_is_not_in_it(tmp_path, lifter):
    person = lift(two_people(tmp_path / "j"), lifter=lifter, fps=30, image_size="640x480", motion=False).sequence
    gaps = np.zeros(len(person), bool)
    assert with_gaps(person, gaps) is person
    gaps[3] = True
    cut = with_gaps(person, gaps)
    np.testing.assert_array_equal(cut.joints_m[~gaps], person.joints_m[~gaps])
    assert cut.confidence[3].max() == 0


def test_events_belong_to_their_person(tmp_path, lifter):
    result = lift(two_people(tmp_path / "j"), lifter=lifter, fps=30, image_size="640x480", people=2, motion=False)
    a, b = result.scene.track_ids
    events = (Event(0.1, "lost", a), Event(0.2, "found again", b))
    told = replace(result, scene=replace(result.scene, events=events))
    assert [e["kind"] for e in told.provenance_of(told.scene.person(b))["events"]] == ["found again"]
