"""Laws of Scene: people on one clock."""

import pickle
from pathlib import Path

import numpy as np
import pytest

import prml
from prml.camera import Camera
from prml.errors import PrmlError
from prml.scene import Scene, VideoSource
from prml.sequence import DetectionLog, Event, PoseSequence

VIDEO = VideoSource(Path("clips/walk.mp4"), (640, 480), 25.0, 90)


def _person(track_id=None, frames=6, fps=25.0, **fields):
    rng = np.random.default_rng(frames)
    given = {"joints_m": rng.normal(size=(frames, 17, 3)), "camera": Camera.from_fov(640, 480), **fields}
    return PoseSequence.regular(frames, fps, track_id=track_id, **given)


def _two():
    return Scene((_person(4, name="a"), _person(2, name="b")), VIDEO, (Event(0.2, "lost", 4), Event(0.1, "lost", 2)))


def test_a_scene_of_one_is_that_person():
    alone = _person(name="a")
    scene = Scene.of(alone, VIDEO)
    assert len(scene) == 1
    assert scene.prominent.joints_m is alone.joints_m
    assert scene.track_ids == (0,)
    assert Scene.of(scene.prominent).prominent.track_id == 0
    assert Scene.of(_person(7)).track_ids == (7,)
    assert Scene.of(alone).events == ()


def test_the_events_of_one_person_are_those_of_its_detection():
    events = (Event(0.1, "lost"), Event(0.2, "found again"))
    alone = _person(3, detection=DetectionLog("mine", events))
    assert [(e.time_s, e.kind, e.track_id) for e in Scene.of(alone).events] == [
        (0.1, "lost", 3),
        (0.2, "found again", 3),
    ]
    assert Scene.of(alone, events=()).events == ()


def test_people_are_found_by_number_and_kept_in_order():
    scene = _two()
    assert [p.name for p in scene] == ["a", "b"]
    assert [scene.person(t).name for t in scene.track_ids] == ["a", "b"]
    assert scene.prominent is scene.people[0]
    assert len(list(scene)) == len(scene) == 2
    with pytest.raises(PrmlError, match="the scene has no track 1; it has 4, 2"):
        scene.person(1)


def test_events_are_in_order_of_time():
    assert [e.time_s for e in _two().events] == [0.1, 0.2]


def test_the_clock_and_the_picture_are_everybody_s():
    scene = _two()
    for person in scene:
        np.testing.assert_array_equal(scene.times_s, person.times_s)
        assert (scene.fps, scene.image_size) == (person.fps, person.image_size)
    assert Scene.of(_person(camera=None)).image_size is None
    assert Scene.of(_person(camera=None), VIDEO).image_size == VIDEO.image_size
    assert (VIDEO.name, VIDEO.rotation_deg) == ("walk.mp4", 90)


def test_a_change_is_made_to_everybody_and_to_nothing_else():
    scene = _two()
    same = scene.map(lambda person: person)
    assert (same.people, same.video, same.events) == (scene.people, scene.video, scene.events)
    cut = scene.map(lambda person: person.take(slice(1, 4)))
    for before, after in zip(scene, cut, strict=True):
        np.testing.assert_array_equal(after.joints_m, before.joints_m[1:4])
    np.testing.assert_array_equal(cut.times_s, scene.times_s[1:4])
    assert cut.track_ids == scene.track_ids


def test_a_change_must_keep_the_people_on_one_clock():
    with pytest.raises(PrmlError, match="share one clock"):
        _two().map(lambda person: person.take(slice(0, person.track_id)))


def test_a_pickled_scene_is_the_same():
    before = _two()
    after = pickle.loads(pickle.dumps(before))
    assert (after.track_ids, after.video, after.events) == (before.track_ids, before.video, before.events)


@pytest.mark.misfit
def test_people_may_come_as_a_list():
    assert isinstance(Scene([_person(0), _person(1)]).people, tuple)


@pytest.mark.misfit
@pytest.mark.parametrize(
    ("people", "message"),
    [
        ([], "at least one person"),
        ([_person(1), _person(1)], "a track_id of its own, got 1, 1"),
        ([_person(0), _person()], "needs a track_id, got None"),
        ([_person(0), _person(1, frames=5)], "track 0 has 6 frames, track 1 has 5; fill frames"),
        ([_person(0), _person(1, fps=50.0)], "tracks 0 and 1 differ in times_s or fps"),
        ([_person(0), _person(1).with_(times_s=np.arange(6) / 25 + 0.01)], "tracks 0 and 1 differ in times_s"),
        ([_person(0), _person(1, camera=Camera.from_fov(480, 640))], "one image size .* track 1 480 x 640"),
        ([_person(0, camera=Camera.from_fov(480, 640))], "track 0 480 x 640, the video 640 x 480"),
    ],
)
def test_people_who_do_not_belong_together_are_refused_in_one_line(people, message):
    with pytest.raises(PrmlError, match=message) as refusal:
        Scene(people, VIDEO)
    assert "\n" not in str(refusal.value)


def test_a_person_without_an_image_size_fits_every_picture():
    assert len(Scene((_person(0, camera=None), _person(1)), VIDEO)) == 2


def test_scene_is_a_public_name():
    assert prml.Scene is Scene
