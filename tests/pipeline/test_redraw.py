"""A result is redrawn without detecting or lifting."""

from pathlib import Path

import numpy as np
import pytest

from prml.camera import Camera
from prml.cli import main
from prml.errors import PrmlError
from prml.io.keypoints import write_keypoints
from prml.io.motion_file import write_motion
from prml.io.poses import read_poses, write_poses
from prml.media.read import probe
from prml.media.write import VideoWriter
from prml.motion import Motion
from prml.pipeline.lift import lift
from prml.pipeline.settings import LiftSettings
from prml.pipeline.source import Source
from prml.pipeline.view import view
from prml.sequence import PoseSequence

NUMBERS = ("poses.npz", "poses.json", "motion.npz", "motion.bvh", "motion.glb")
FRAMES = 12


def _video(path, frames=FRAMES, width=320, height=240):
    with VideoWriter(path, width, height, 25) as writer:
        for index in range(frames):
            writer.write(np.full((height, width, 3), 5 * index, np.uint8), index / 25)
    return path


def _poses():
    rng = np.random.default_rng(0)
    joints = rng.normal(size=(FRAMES, 17, 3)).astype("f4") * 0.3
    return PoseSequence.regular(
        FRAMES,
        25.0,
        joints_m=joints - joints[:, :1],
        root_relative=True,
        keypoints_px=rng.uniform(50, 200, (FRAMES, 17, 2)),
        confidence=np.ones((FRAMES, 17)),
        camera=Camera.from_fov(320, 240),
        has_person=np.ones(FRAMES, bool),
        inferred=rng.random((FRAMES, 17)) < 0.1,
    )


@pytest.fixture
def result(tmp_path):
    """A folder with the two files of poses."""
    folder = tmp_path / "result"
    for name in ("poses.npz", "poses.json"):
        (folder).mkdir(exist_ok=True)
        write_poses(_poses(), folder / name, {"weights": "w", "input": "walk.mp4"})
    return folder


@pytest.fixture(autouse=True)
def _nothing_is_detected_or_lifted(monkeypatch):
    def never(*_, **__):
        raise AssertionError("this is work that was done already")

    for place in ("prml.detect.run.detect", "prml.pipeline.lift.open_lifter", "prml.weights.record.load_record"):
        monkeypatch.setattr(place, never)


@pytest.mark.parametrize("name", ["poses.npz", "poses.json"])
def test_lifting_a_result_file_draws_it(result, tmp_path, name):
    again = lift(result / name, tmp_path / "again", video=str(_video(tmp_path / "walk.mp4")))
    assert set(again.files) == {*NUMBERS, "overlay.mp4", "viewer.html"}
    assert probe(tmp_path / "again/overlay.mp4").frames == FRAMES
    written, before = read_poses(tmp_path / "again/poses.npz"), read_poses(result / "poses.npz")
    np.testing.assert_allclose(written.joints_m, before.joints_m, atol=1e-6)
    assert written.provenance == before.provenance == {"weights": "w", "input": "walk.mp4"}
    assert written.inferred.tolist() == before.inferred.tolist()


def test_without_a_video_there_is_the_page_alone(result, tmp_path):
    again = lift(result / "poses.npz", tmp_path / "again")
    assert set(again.files) == {*NUMBERS, "viewer.html"}


def test_what_would_change_the_poses_is_refused(result, tmp_path):
    for option in ({"fov": 60.0}, {"flip": True}, {"fps": 50.0}, {"intrinsics": "camera.json"}):
        with pytest.raises(PrmlError, match=f"already lifted.*leave {next(iter(option))}=... out"):
            lift(result / "poses.npz", tmp_path / "again", **option)
    assert not (tmp_path / "again").exists()


def test_another_video_is_refused(result, tmp_path):
    with pytest.raises(PrmlError, match=r"long.mp4 has 40 frames, poses.npz has 12; give the video it came from"):
        lift(result / "poses.npz", video=str(_video(tmp_path / "long.mp4", 40)))
    with pytest.raises(PrmlError, match="one image size"):
        lift(result / "poses.npz", video=str(_video(tmp_path / "wide.mp4", width=640)))


def test_a_video_needs_no_other_video(tmp_path):
    clip = _video(tmp_path / "a.mp4")
    with pytest.raises(PrmlError, match="is itself a video or image folder; leave video="):
        lift(clip, video=str(clip))


def test_the_page_of_a_folder_is_written_beside_its_poses(result, tmp_path):
    (result / "mine.txt").write_text("kept")
    before = {p.name: p.read_bytes() for p in result.iterdir()}
    made = view(result)
    assert set(made.files) == {"viewer.html"}
    assert {p.name: p.read_bytes() for p in result.iterdir() if p.name != "viewer.html"} == before
    with pytest.raises(PrmlError, match="overwrite=True"):
        view(result)
    made = view(result, video=_video(tmp_path / "walk.mp4"), overlay=True, overwrite=True)
    assert set(made.files) == {"viewer.html", "overlay.mp4"}


def test_view_draws_the_motion_that_is_in_the_folder_and_makes_none(result, tmp_path):
    assert '"room": null' in view(result).files["viewer.html"].read_text("utf-8")
    again = lift(result / "poses.npz", tmp_path / "again", height=190.0, viewer=False)
    made = view(tmp_path / "again")
    np.testing.assert_allclose(made.shown.joints_m, again.motion.sequence.joints_m, atol=1e-5)
    page = made.files["viewer.html"].read_text("utf-8")
    assert '"bodies"' in page
    short = again.motion.sequence.take(slice(5))
    write_motion(Motion(short, short.contacts), tmp_path / "again/motion.npz", {}, overwrite=True)
    with pytest.raises(PrmlError, match="has 5 frames, and the poses beside it 12"):
        view(tmp_path / "again", overwrite=True)


def test_view_says_where_the_page_is(result, capsys):
    assert main(["view", str(result)]) == 0
    page = result / "viewer.html"
    assert f"wrote {page}" in capsys.readouterr().out
    written = page.stat().st_mtime_ns
    assert main(["view", str(result)]) == 0
    assert f"{page} exists; pass --overwrite to write it again" in capsys.readouterr().out
    assert page.stat().st_mtime_ns == written
    assert main(["view", str(result), "--overwrite"]) == 0
    assert page.stat().st_mtime_ns > written


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere"], "no such file"),
        (["empty"], "has no poses.npz"),
        (["result", "--overlay", "--overwrite"], "give --video"),
    ],
)
def test_what_view_cannot_do_is_one_line(result, tmp_path, monkeypatch, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    assert main(["view", *words]) == 2
    assert told in capsys.readouterr().err


def test_pictures_stand_behind_a_keypoint_file_too(tmp_path, monkeypatch):
    monkeypatch.undo()  # before the import, which would bind the replacement
    from prml.lifting.lifter import load

    write_keypoints(_poses(), tmp_path / "points.npz")
    clip = _video(tmp_path / "walk.mp4")
    made = lift(tmp_path / "points.npz", tmp_path / "out", video=str(clip), lifter=load("prml-xs"))
    assert "overlay.mp4" in made.files
    assert made.scene.video.path == clip


@pytest.mark.parametrize("place", [".", "..", "elsewhere"], ids=["in the folder", "beside it", "where one is"])
def test_a_page_written_again_keeps_the_pictures_of_the_recorded_video(result, tmp_path, monkeypatch, capsys, place):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    _video((result if place == "." else tmp_path if place == ".." else Path()) / "walk.mp4")
    assert main(["view", str(result), "--overwrite"]) == 0
    assert "without pictures" not in capsys.readouterr().out
    assert view(result, overwrite=True).scene.video.name == "walk.mp4"


@pytest.mark.parametrize("there", [None, 40], ids=["not there", "another video"])
def test_a_page_without_its_video_says_so(result, tmp_path, monkeypatch, capsys, there):
    monkeypatch.chdir(tmp_path)
    if there:
        _video(tmp_path / "walk.mp4", there)
    assert main(["view", str(result), "--overwrite"]) == 0
    why = "the walk.mp4 there does not fit the result" if there else "walk.mp4 is not there"
    assert f"note: the page is without pictures: {why}; give --video" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["", "..", "a\0b", "n" * 300, 7, "/etc/passwd", "points.npz", None])
def test_a_recorded_name_is_only_a_name(tmp_path, name):
    write_poses(_poses(), tmp_path / "poses.json", {"input": name})
    told = []
    assert view(tmp_path, warn=told.append).scene.video is None
    assert sum("without pictures" in line for line in told) == 1


@pytest.mark.parametrize(
    ("fps", "told"), [(240.0, ["walk.mp4 says 25 frames/s; taken as 240"]), (25.0, []), (None, [])]
)
def test_a_rate_that_replaces_the_stated_one_is_told(tmp_path, fps, told):
    clip = _video(tmp_path / "walk.mp4")
    settings = LiftSettings(fps=fps)
    assert [line for line in [Source.of(clip, settings).replaced_rate(settings)] if line] == told
