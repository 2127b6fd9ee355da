"""Keypoint files: round trip, exact messages, and only PrmlError whatever the bytes."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prml.camera import Camera
from prml.errors import PrmlError
from prml.filters.repair import filled_in
from prml.io.keypoints import read_keypoints, write_keypoints
from prml.sequence import PoseSequence
from prml.skeleton import COCO17

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sequence(frames=6, gaps=True):
    rng = np.random.default_rng(3)
    has = np.ones(frames, bool)
    has[2] = not gaps
    points = np.where(has[:, None, None], rng.uniform(0, 600, (frames, 17, 2)), np.nan)
    return PoseSequence(
        COCO17,
        np.array([0.0, 0.04, 0.09, 0.12, 0.2, 0.21])[:frames],
        points,
        np.where(has[:, None], rng.random((frames, 17)), 0.0),
        fps=25.0,
        has_person=has,
        filled=np.zeros(frames, bool),
        camera=Camera.from_fov(640, 480),
        name="me",
        image_size=(640, 480),
    )


def plain(**changes):
    """The content of a valid JSON file with changes; None removes an entry."""
    entries = {
        "schema": "prml.keypoints/1",
        "skeleton": "coco17",
        "fps": 30,
        "width": 640,
        "height": 480,
        "keypoints_px": np.full((3, 17, 2), 5.0).tolist(),
    }
    return {k: v for k, v in (entries | changes).items() if v is not None}


def write(tmp_path, content, name="k.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("ending", ["npz", "json"])
def test_round_trip(tmp_path, ending):
    before = sequence()
    write_keypoints(before, tmp_path / f"k.{ending}")
    after = read_keypoints(tmp_path / f"k.{ending}")
    for name in ("keypoints_px", "confidence", "times_s"):
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), atol=1e-6)
    assert after.has_person.tolist() == before.has_person.tolist()
    assert after.skeleton == COCO17
    assert after.fps == 25.0
    assert after.camera.to_dict() == before.camera.to_dict()
    assert (after.image_size, after.name) == ((640, 480), "me")


def test_least_file_is_enough(tmp_path):
    got = read_keypoints(write(tmp_path, plain()))
    assert got.times_s.tolist() == [0, 1 / 30, 2 / 30]
    assert got.confidence.min() == 1
    assert got.has_person.all()
    assert read_keypoints(write(tmp_path, plain(fps=None, times_s=[0, 0.5, 1.0]))).fps == 2.0


NAN = [[[None, None]] * 17] + [[[1.0, 2.0]] * 17] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (plain(schema="prml.keypoints/9"), "k.json: expected the schema 'prml.keypoints/1', got 'prml.keypoints/9'"),
        (plain(schema=None), "got nothing"),
        (plain(skeleton="coco18"), "unknown skeleton 'coco18'; expected one of h36m17"),
        (plain(skeleton=7), "expected a text in 'skeleton', got 7"),
        (plain(keypoints_px=np.zeros((3, 16, 2)).tolist()), "coco17 has 17 joints, 'keypoints_px' has 16"),
        (
            plain(keypoints_px=np.zeros((3, 17, 3)).tolist()),
            "expected 'keypoints_px' to be any x any x 2, got 3 x 17 x 3",
        ),
        (plain(keypoints_px=[]), "expected 'keypoints_px' to be any x any x 2, got 0"),
        (plain(keypoints_px=None), "lacks 'keypoints_px'"),
        (plain(keypoints_px=[[["a", "b"]] * 17]), "expected numbers in 'keypoints_px'"),
        (plain(keypoints_px=[[[1, 2]] * 17, [[1, 2]] * 16]), "'keypoints_px' is not a regular list of numbers"),
        (plain(keypoints_px=[NAN[0]] * 3), "no joint was found in any frame"),
        (plain(confidence=[[0.0] * 17] * 3), "no joint was found in any frame"),
        (plain(confidence=[[None] * 17] * 3), "'confidence' must be between 0 and 1 for every joint"),
        (plain(keypoints_px=NAN, has_person=[True] * 3), "NaN in frame 0, where 'has_person' is true"),
        (plain(keypoints_px=[NAN[0]] * 3, has_person=[False] * 3), "'has_person' is false in every frame"),
        (plain(has_person=[1, 1, 1]), "expected true and false in 'has_person'"),
        (plain(has_person=[True]), "expected 'has_person' to be 3, got 1"),
        (plain(confidence=[[2.0] * 17] * 3), "'confidence' must be between 0 and 1"),
        (plain(confidence=[[0.5] * 16] * 3), "expected 'confidence' to be 3 x 17, got 3 x 16"),
        (plain(fps=0), "fps must be between 0.1 and 1000 frames per second, got 0"),
        (plain(fps=-30), "got -30"),
        (plain(fps=1e6), "got 1000000.0"),
        (plain(fps="30"), "got '30'"),
        (plain(fps=None), "lacks both 'fps' and 'times_s'"),
        (plain(times_s=[0, 2, 1]), "'times_s' must increase"),
        (plain(times_s=[0, 1]), "expected 'times_s' to be 3, got 2"),
        (
            plain(times_s=[0, 33.333, 66.666]),
            "'fps' is 30 per second, but the steps of 'times_s' are 33.33 s, which differs by a factor of 1000; "
            "are the times in milliseconds? expected seconds",
        ),
        (
            plain(fps=0.5, times_s=[0, 0.02, 0.04]),
            "which differs by a factor of 100; are the times in seconds? correct one",
        ),
        (
            plain(keypoints_px=np.linspace(0.01, 0.99, 102).reshape(3, 17, 2).tolist()),
            "the values lie between 0.01 and 0.99: they look normalised, expected pixels; multiply by width and height",
        ),
        (plain(keypoints_px=np.linspace(-1, 1, 102).reshape(3, 17, 2).tolist()), "they look normalised"),
        (plain(keypoints_px=np.full((3, 17, 2), 700).tolist()), "every joint lies outside the image of 640 x 480"),
        (plain(width=0), "expected a number of pixels from 1 to 100000 in 'width', got 0"),
        (plain(height=None), "in 'height', got nothing"),
        (plain(camera={"fx": 1}), "camera lacks ['cx', 'cy', 'fy', 'height', 'width']"),
        (
            plain(camera=Camera.from_fov(1920, 1080).to_dict()),
            "'camera' is for 1920 x 1080 pixels, 'width' and 'height' say 640 x 480",
        ),
        (plain(camera=5), "expected names and values in 'camera', got 5"),
        (plain(confidances=[]), "unknown entries ['confidances']; known are schema, skeleton"),
        ("[1, 2, 3]", "expected names and values, got [1, 2, 3]"),
        ('{"schema": "prml.keyp', "not a complete json file"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_exact_messages(tmp_path, content, message):
    with pytest.raises(PrmlError) as caught:
        read_keypoints(write(tmp_path, content))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "k.json" in str(caught.value)


def test_a_joint_or_a_frame_that_was_not_found_is_null(tmp_path):
    points = np.full((3, 17, 2), 5.0)
    points[0], points[1, 4] = np.nan, np.nan
    confidence = np.where(np.isnan(points[..., 0]), None, 0.5).tolist()
    got = read_keypoints(write(tmp_path, plain(keypoints_px=np.where(np.isnan(points), None, points).tolist())))
    assert got.has_person.tolist() == [False, True, True]
    np.testing.assert_array_equal(got.keypoints_px, points)
    np.testing.assert_array_equal(got.confidence, ~np.isnan(points[..., 0]))
    given = plain(keypoints_px=np.where(np.isnan(points), None, points).tolist(), confidence=confidence)
    np.testing.assert_array_equal(read_keypoints(write(tmp_path, given)).confidence, 0.5 * got.confidence)


def test_a_given_rate_replaces_a_files_times(tmp_path):
    path = write(tmp_path, plain(times_s=[0, 0.5, 1.5]))
    got = read_keypoints(path, fps=240)
    assert (got.fps, got.times_s.tolist()) == (240, [0, 1 / 240, 2 / 240])
    with pytest.raises(PrmlError, match="fps must be between"):
        read_keypoints(path, fps=0)


def test_a_jump_in_the_times_is_no_disagreement(tmp_path):
    """The rate of a clip with a long pause may be the mean rate or that of the steps."""
    times = [*np.arange(30) / 30, *(300 + np.arange(30) / 30)]
    points = np.full((60, 17, 2), 5.0).tolist()
    for fps in (30, 59 / times[-1]):
        assert read_keypoints(write(tmp_path, plain(fps=fps, times_s=times, keypoints_px=points))).times_s[-1] > 300


@pytest.mark.parametrize("confidence", [None, 0.9])
@pytest.mark.parametrize("at", [0.0, -1.0])
def test_a_joint_in_the_corner_was_not_found(tmp_path, at, confidence):
    points, told = np.full((3, 17, 2), 5.0), []
    points[1, 4], points[2] = at, at
    given = None if confidence is None else np.full((3, 17), confidence).tolist()
    got = read_keypoints(write(tmp_path, plain(keypoints_px=points.tolist(), confidence=given)), warn=told.append)
    assert len(told) == 1
    assert "18 of 51 joints are at exactly (0, 0) or (-1, -1): treated as not found" in told[0]
    assert got.has_person.tolist() == [True, True, False]
    assert np.isnan(got.keypoints_px[1, 4]).all()
    assert got.confidence[1, 4] == 0
    assert got.confidence[1, 5] == (confidence or 1)
    known = np.where((points == at).all(-1), 0.0, 0.5).tolist()  # as OpenPose writes it: nothing to be said
    read_keypoints(write(tmp_path, plain(keypoints_px=points.tolist(), confidence=known)), warn=told.append)
    assert len(told) == 1


def test_doubts_are_told(tmp_path):
    points, told = np.random.default_rng(0).uniform(0, 640, (20, 17, 2)), []
    read_keypoints(write(tmp_path, plain(keypoints_px=points.tolist(), height=300)), warn=told.append)
    assert len(told) == 1
    assert told[0].startswith("k.json: ")
    assert "% of the joints lie outside the image of 640 x 300 pixels" in told[0]


def test_an_ending_in_capitals_is_read(tmp_path):
    assert len(read_keypoints(write(tmp_path, plain(), "K.JSON"))) == 3


def test_short_gaps_of_a_file_are_filled_and_flagged():
    before = sequence()
    after = filled_in(before)
    assert after.filled.tolist() == [False, False, True, False, False, False]
    assert after.has_person.all()
    between = before.keypoints_px[1] + (before.keypoints_px[3] - before.keypoints_px[1]) * 5 / 8
    np.testing.assert_allclose(after.keypoints_px[2], between)


def test_truncated_npz_and_wrong_type(tmp_path):
    write_keypoints(sequence(), tmp_path / "k.npz")
    data = (tmp_path / "k.npz").read_bytes()
    for keep in (10, len(data) // 2, len(data) - 5):
        (tmp_path / "cut.npz").write_bytes(data[:keep])
        with pytest.raises(PrmlError, match="not a complete npz file"):
            read_keypoints(tmp_path / "cut.npz")
    entries = plain() | {"keypoints_px": np.full((3, 17, 2), "x")}
    np.savez(tmp_path / "t.npz", **entries)
    with pytest.raises(PrmlError, match="expected numbers in 'keypoints_px', got <U1"):
        read_keypoints(tmp_path / "t.npz")
    np.savez(tmp_path / "p.npz", allow_pickle=True, **(plain() | {"keypoints_px": np.array([{}, 1], dtype=object)}))
    with pytest.raises(PrmlError, match="'keypoints_px': it contains a pickled object, which is not read"):
        read_keypoints(tmp_path / "p.npz")


@pytest.mark.parametrize("name", ["none.json", "k.txt", "folder.json"])
def test_paths(tmp_path, name):
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "k.txt").write_text("{}")
    with pytest.raises(PrmlError, match=name):
        read_keypoints(tmp_path / name)


def test_existing_file_is_kept(tmp_path):
    path = write(tmp_path, "mine")
    with pytest.raises(PrmlError, match="exists"):
        write_keypoints(sequence(), path)
    assert path.read_text() == "mine"
    write_keypoints(sequence(), path, overwrite=True)
    assert len(read_keypoints(path)) == 6


@SETTINGS
@given(st.binary(max_size=300), st.sampled_from(["json", "npz"]))
def test_any_bytes(tmp_path, data, ending):
    path = tmp_path / f"f.{ending}"
    path.write_bytes(data)
    with pytest.raises(PrmlError):
        read_keypoints(path)


@SETTINGS
@given(st.data())
def test_a_damaged_npz(tmp_path, data):
    """A valid file with any byte changed is read or refused."""
    write_keypoints(sequence(), tmp_path / "g.npz", overwrite=True)
    raw = bytearray((tmp_path / "g.npz").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "d.npz").write_bytes(bytes(raw))
    with contextlib.suppress(PrmlError):
        assert isinstance(read_keypoints(tmp_path / "d.npz"), PoseSequence)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
NAMES = [
    "schema",
    "skeleton",
    "fps",
    "times_s",
    "width",
    "height",
    "keypoints_px",
    "confidence",
    "has_person",
    "camera",
]
CAMERA = ["width", "height", "fx", "fy", "cx", "cy", "radial", "tangential", "R_world_to_camera", "t_m", "source"]


@SETTINGS
@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3))
def test_any_json_in_any_entry(tmp_path, changes):
    path = tmp_path / "f.json"
    path.write_text(json.dumps(plain() | changes))
    with contextlib.suppress(PrmlError):
        assert isinstance(read_keypoints(path), PoseSequence)


@SETTINGS
@given(st.dictionaries(st.sampled_from(CAMERA), JSON, max_size=3))
def test_any_camera(tmp_path, changes):
    path = tmp_path / "f.json"
    path.write_text(json.dumps(plain(camera=Camera.from_fov(640, 480).to_dict() | changes)))
    with contextlib.suppress(PrmlError):
        assert np.isfinite(read_keypoints(path).camera.fx)
