"""``prml view A B``: one page of two results."""

import json
import re
from base64 import b64decode

import numpy as np
import pytest

from prml.camera import Camera
from prml.cli import main
from prml.io.poses import write_poses
from prml.media.write import VideoWriter
from prml.pipeline.view_two import view_two
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, H36M17

FRAMES = 12


def _poses(skeleton=H36M17, fps=25.0, seed=0):
    rng = np.random.default_rng(seed)
    joints = rng.normal(size=(FRAMES, len(skeleton), 3)).astype("f4") * 0.3
    return PoseSequence.regular(
        FRAMES,
        fps,
        skeleton,
        joints_m=joints - joints[:, :1],
        root_relative=True,
        keypoints_px=rng.uniform(50, 200, (FRAMES, len(skeleton), 2)),
        confidence=np.ones((FRAMES, len(skeleton))),
        camera=Camera.from_fov(320, 240),
        has_person=np.ones(FRAMES, bool),
    )


@pytest.fixture
def results(tmp_path):
    def make(name, **poses):
        (tmp_path / name).mkdir()
        write_poses(_poses(**poses), tmp_path / name / "poses.npz", {"weights": f"w-{name}", "input": "walk.mp4"})
        return tmp_path / name

    return make


def _read(page):
    text = page.read_text("utf-8")
    meta = json.loads(re.search(r'id="meta">(.*?)</script>', text).group(1))

    def array(name, dtype):
        found = re.search(rf'id="data-{name}">(.*?)</script>', text)
        return None if found is None else np.frombuffer(b64decode(found.group(1)), dtype)

    return text, meta, array


def test_the_page_holds_both_and_their_distance(results, tmp_path):
    found = view_two(results("a"), results("b", seed=1), tmp_path / "p.html")
    text, meta, array = _read(tmp_path / "p.html")
    want = np.linalg.norm(_poses().joints_m - _poses(seed=1).joints_m, axis=-1)
    np.testing.assert_allclose(array("apart", "<u2").reshape(FRAMES, 17) * meta["compare"]["unit"], want, atol=6e-5)
    assert meta["compare"]["mean"] == pytest.approx(1000 * want.mean(), abs=0.01)
    assert meta["compare"]["names"] == ["a · w-a", "b · w-b"] == list(found.names)
    assert meta["compare"]["worst"][0] == want.mean(1).argmax()
    assert (meta["number"], meta["others"][0]["number"]) == ("A", "B")
    second = array("p2-joints", "<i2").reshape(FRAMES, 17, 3) * meta["others"][0]["unit"]["joints"]
    np.testing.assert_allclose(second, _poses(seed=1).joints_m, atol=3e-4)
    assert not re.search(r"(?:src|href)=[\"']?(?!data:)[a-z]+:", text)  # nothing to fetch


def test_pictures_are_those_of_the_first_one_s_video(results, tmp_path):
    a, b = results("a"), results("b", fps=30.0)
    with VideoWriter(tmp_path / "walk.mp4", 320, 240, 25) as writer:
        for index in range(FRAMES):
            writer.write(np.full((240, 320, 3), 5 * index, np.uint8), index / 25)
    view_two(a, b, tmp_path / "p.html", warn=(said := []).append)
    _, meta, _ = _read(tmp_path / "p.html")
    assert len(meta["pictures"]["frames"]) == FRAMES
    assert len(said) == 1
    assert "another clock" in said[0]


def test_the_command_says_how_far_apart_they_are(results, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a, b = results("a", skeleton=BODY28), results("b") / "poses.npz"
    assert main(["view", str(a), str(b)]) == 0
    out = capsys.readouterr().out
    assert (tmp_path / "a_b.html").is_file()
    assert "wrote a_b.html" in out
    assert "mm apart on average; most at" in out
    assert "the 17 joints of h36m17 are shown" in out
    assert main(["view", str(a), str(b)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["view", str(a), str(b), "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["a", "none"], "none"),
        (["a", "other.mp4"], "is no result"),
        (["a", "a", "a"], "two are compared; got 3"),
        (["a", "a", "--overlay"], "--overlay draws one result"),
        (["a", "--out", "x.html"], "--out is the page of two results"),
        (["a", "empty"], "has no poses.npz"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(results, tmp_path, capsys, monkeypatch, arguments, reason):
    monkeypatch.chdir(tmp_path)
    results("a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.mp4").write_bytes(b"x")
    assert main(["view", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert reason in err
    assert not list(tmp_path.glob("*.html"))
