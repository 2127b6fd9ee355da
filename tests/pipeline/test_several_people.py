"""Several people in one result: a poses file each, and gaps where limbs of two people may be mixed up."""

from dataclasses import replace

import numpy as np
import pytest

from fixtures import detections as made
from fixtures.detections import seen
from prml.errors import PrmlError
from prml.io.poses import read_poses, write_poses
from prml.lifting.lifter import Lifter
from prml.pipeline.export import export, room_of
from prml.pipeline.lift import lift
from prml.pipeline.motion import to_motion, to_motions
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


def test_a_motion_each_in_one_room_and_one_file_for_all(tmp_path, lifter):
    source, out = two_people(tmp_path / "clip_json"), tmp_path / "out"
    options = {"lifter": lifter, "fps": 30, "image_size": "640x480", "viewer": False, "export": "glb,bvh"}
    result = lift(source, out, people="all", **options)
    files = {"motion.npz", "motion_2.npz", "motion.glb", "motion_person0.bvh", "motion_person1.bvh"}
    assert files <= {file.name for file in out.iterdir()}
    first, second = result.motions
    turn = first.sequence.camera.R_world_to_camera
    np.testing.assert_array_equal(turn, second.sequence.camera.R_world_to_camera)
    for motion in result.motions:
        assert np.nanmin(motion.sequence.joints_m[..., 2]) > -0.05, "both stand on one floor"
        camera, points = motion.sequence.camera, motion.sequence.keypoints_px
        seen = camera.project(camera.to_camera(np.asarray(motion.sequence.joints_m)))
        assert np.nanmedian(np.linalg.norm(seen - points, axis=-1)) < 25, "each meets the picture"
    apart = first.root_m[:, :2] - second.root_m[:, :2]
    assert np.nanmedian(np.linalg.norm(apart, axis=-1)) > 0.3
    again = room_of(out / "motion.npz")
    assert again.track_ids == result.scene.track_ids
    for one, other in zip(again, result.room, strict=True):
        np.testing.assert_allclose(one.joints_m, other.joints_m, atol=1e-6)
    assert {path.name for path in export(out, "usd", tmp_path / "more")} == {"motion.usda"}
    lift(source, out, overwrite=True, **options)
    assert not (out / "motion_2.npz").exists()


def test_one_person_is_placed_as_alone_and_two_share_what_is_known_of_up(tmp_path, lifter):
    source = two_people(tmp_path / "clip_json")
    people = lift(source, lifter=lifter, fps=30, image_size="640x480", people=2, motion=False).scene.people
    alone = [to_motion(person) for person in people]
    np.testing.assert_array_equal(to_motions(people[:1])[0].sequence.joints_m, alone[0].sequence.joints_m)
    ups = np.stack([motion.sequence.camera.R_world_to_camera[:, 2] for motion in (*alone, *to_motions(people))])
    between = [np.degrees(np.arccos(np.clip(ups[k] @ ups[2], -1, 1))) for k in (0, 1)]
    whole = np.degrees(np.arccos(np.clip(ups[0] @ ups[1], -1, 1)))
    assert sum(between) == pytest.approx(whole, abs=0.1)
    twins = to_motions([people[0].with_(track_id=0), people[0].with_(track_id=1)])
    np.testing.assert_array_equal(twins[0].sequence.joints_m, twins[1].sequence.joints_m)
    assert "moved_m" not in twins[1].stage("floor").figures


def test_who_is_never_seen_whole_has_no_motion_and_the_others_have(tmp_path, lifter):
    result = lift(two_people(tmp_path / "j"), lifter=lifter, fps=30, image_size="640x480", people=2, motion=False)
    gone = with_gaps(result.scene.people[1], np.ones(len(result.sequence), bool))
    scene = replace(result.scene, people=(result.scene.people[0], gone))
    write = lambda person, name: write_poses(person, tmp_path / name, result.provenance_of(person))  # noqa: E731
    write(scene.people[0], "poses.npz")
    write(scene.people[1], "poses_2.npz")
    again = lift(tmp_path / "poses.npz", viewer=False)
    assert len(again.motions) == 1
    assert any(line.startswith("person 1 is in no frame whole") for line in again.warnings)
