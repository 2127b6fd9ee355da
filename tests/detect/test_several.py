"""Several people of a video, and which of them are returned."""

import numpy as np
import pytest
from PIL import Image

from fixtures.people import Scene, SceneDetector, person
from prml.detect.base import Detection
from prml.detect.ownership import DOUBTS
from prml.detect.run import detect
from prml.detect.several import Choice, detect_people
from prml.errors import PrmlError
from prml.skeleton import BLAZEPOSE33

FPS = 20
NEAR = (lambda t: person(150 + 10 * t, 40, 200), (30, 40, 200))
FAR = (lambda t: person(420, 60, 150), (90, 180, 40))
SHORT = (lambda t: person(560, 60, 150) if t < 0.2 else None, (140, 90, 40))


def film(folder, scene, frames=24):
    folder.mkdir()
    for number in range(frames):
        Image.fromarray(scene.image(number / FPS)).save(folder / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    scene = Scene(640, 320, [NEAR, FAR, SHORT])
    return film(tmp_path_factory.mktemp("film") / "two", scene), scene


def lifted(video, **choice):
    return detect_people(video[0], lambda: SceneDetector(video[1]), fps=FPS, choice=Choice.of(**choice))


def test_everybody_has_a_number_and_the_most_prominent_is_first(video):
    people = lifted(video)
    assert [one.track_id for one in people] == [1, 2]
    assert [one.detection.others for one in people] == [0, 0]
    for one, (where, _) in zip(people, (NEAR, FAR), strict=True):
        assert one.has_person.all()
        assert np.abs(one.keypoints_px[-1] - where((len(one) - 1) / FPS)).max() < 4
    assert not people[0].detection.near.any()


def test_whom_to_return(video):
    assert [one.track_id for one in lifted(video, people=1)] == [1]
    assert lifted(video, people="1")[0].detection.others == 1
    assert [one.track_id for one in lifted(video, people="auto")] == [1, 2]
    assert [one.track_id for one in lifted(video, person=2)] == [2]
    assert [one.track_id for one in lifted(video, person="430,120@0.5")] == [2]
    with pytest.raises(PrmlError, match=r"there is no person 3; 2 were followed: give person=1 to 2"):
        lifted(video, person=3)
    with pytest.raises(PrmlError, match=r"nobody was followed at 300,300 at 0.5 s"):
        lifted(video, person="300,300@0.5")


@pytest.mark.parametrize(
    "wrong",
    [{"people": "many"}, {"people": "0"}, {"people": "-2"}, {"person": "1,2"}, {"person": 0}, {"person": "a,b@c"}],
)
def test_other_choices_are_refused_in_one_line(wrong):
    name = next(iter(wrong))
    with pytest.raises(PrmlError, match=rf"{name}=\.\.\. must be a number from 1 on") as caught:
        Choice.of(**wrong)
    assert "\n" not in str(caught.value)


def test_a_video_without_people_is_one_line(tmp_path):
    scene = Scene(320, 240, [])
    with pytest.raises(PrmlError, match="no person was found in"):
        detect_people(film(tmp_path / "empty", scene, 6), lambda: SceneDetector(scene), fps=FPS)


def test_one_person_by_default_and_how_many_others_there_were(video):
    one = detect(video[0], SceneDetector(video[1]), fps=FPS)
    assert one.detection.others >= 1
    assert one.has_person.all()
    assert np.abs(one.keypoints_px[-1] - NEAR[0]((len(one) - 1) / FPS)).max() < 4


@pytest.mark.parametrize("from_start", [True, False])
def test_the_one_person_is_never_a_chimera_when_somebody_comes_near(tmp_path, from_start):
    """Whether the other is there from the start or comes later: the arm that is not the person's makes a gap."""
    target = (lambda t: person(250, 40, 220), (30, 40, 200))
    other = (lambda t: person(325, 40, 200) if from_start or t > 2.2 else None, (90, 180, 40))
    scene = Scene(640, 320, [target, other])

    class Chimera(SceneDetector):
        def __call__(self, image, time_s):
            found = super().__call__(image, time_s)
            if not found or not 2.5 <= time_s < 2.7:
                return found
            points = found[0].keypoints_px.copy()
            arm = [BLAZEPOSE33.index(joint) for joint in ("LElbow", "LWrist")]
            points[arm] += other[0](time_s)[arm] - target[0](time_s)[arm]
            return [Detection(points, found[0].confidence)]

    one = detect(film(tmp_path / "film", scene, 64), Chimera(scene), fps=FPS)
    measured = one.has_person & ~one.filled
    assert np.abs(one.keypoints_px[measured] - target[0](0)).max() < 0.1 * 220
    assert not measured[50:52].any()
    assert set(DOUBTS) & {event.kind for event in one.detection.events}
    assert one.detection.others == 1
    assert one.detection.near[50:52].all()
