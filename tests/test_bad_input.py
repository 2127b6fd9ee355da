"""Bad input at the door: one clear line on stderr, exit code 2, no traceback, nothing half-written.

The network here has random weights: nothing in this file is about how good a pose is.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prml.cli import main
from prml.io.poses import read_poses

CLIP = Path(__file__).parents[1] / "examples/jump.mp4"


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A record of a tiny PrML with random weights: its output is not a pose, but has 17 finite joints."""
    import torch

    from prml.networks import registry
    from prml.weights.record import Card, save_record

    torch.manual_seed(0)
    arguments = {"frames": 9, "width": 16, "heads": 2, "branch_blocks": 1}
    card = Card("tiny", "prml-xs", arguments, window=9)
    folder = tmp_path_factory.mktemp("weights")
    return save_record(folder, card, registry.build("prml-xs", **arguments)).with_suffix(".safetensors")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def _refused(capsys, place, *arguments):
    """The message of a refused call, after the checks that every refusal must pass."""
    before = _contents(place)
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert code == 2, (code, out, err)
    assert "Traceback" not in err + out
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1, err
    assert lines[0].startswith(f"prml {arguments[0]}: ")
    assert len(lines[0]) < 400
    assert _contents(place) == before
    return lines[0]


def _video(path, pictures, fps=25):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = pictures[0].shape[1], pictures[0].shape[0], "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _keypoints(path, **changes):
    """A keypoint file of a figure that sways, with some entries changed (None: left out)."""
    rng = np.random.default_rng(0)
    sway = np.linspace(0, 1, 20)[:, None, None] * [30.0, 5.0]
    points = rng.uniform(100, 400, (1, 17, 2)) + sway
    record = {
        "schema": "prml.keypoints/1",
        "skeleton": "h36m17",
        "fps": 25.0,
        "width": 640,
        "height": 480,
        "keypoints_px": points.tolist(),
        **changes,
    }
    path.write_text(json.dumps({name: value for name, value in record.items() if value is not None}))
    return path


def _points(frames=20, joints=17, fill=200.0):
    return np.full((frames, joints, 2), fill).tolist()


# ---------------------------------------------------------------------- videos
def test_a_missing_file(capsys, place, weights):
    assert "no such file: holiday.mp4" in _refused(capsys, place, "lift", "holiday.mp4", "--weights", weights)


def test_an_empty_file(capsys, place, weights):
    (place / "empty.mp4").touch()
    assert "empty.mp4 is empty" in _refused(capsys, place, "lift", "empty.mp4", "--weights", weights)


@pytest.mark.parametrize("name", ["notes.mp4", "notes.txt", "notes"])
def test_not_a_video(capsys, place, weights, name):
    (place / name).write_text("dear diary\n" * 500)
    assert "is not a video that can be read" in _refused(capsys, place, "lift", name, "--weights", weights)


def test_a_video_without_pictures(capsys, place, weights):
    assert "no video stream, only audio" in _refused(
        capsys, place, "lift", _sound(place / "song.wav"), "--weights", weights
    )


def test_a_folder_without_images(capsys, place, weights):
    (place / "photos").mkdir()
    assert "no images in photos" in _refused(capsys, place, "lift", "photos", "--weights", weights)


def test_a_video_without_people(capsys, place, weights):
    rng = np.random.default_rng(0)
    grass = [rng.integers(60, 120, (240, 320, 3), dtype=np.uint8) for _ in range(30)]
    _video(place / "grass.mp4", grass)
    assert "no person was found in grass.mp4" in _refused(capsys, place, "lift", "grass.mp4", "--weights", weights)


def test_a_truncated_video_is_lifted_as_far_as_it_goes(capsys, place, weights):
    whole = CLIP.read_bytes()
    (place / "cut.mp4").write_bytes(whole[: int(len(whole) * 0.4)])
    assert main(["lift", "cut.mp4", "--out", "out", "--weights", str(weights), "--no-overlay", "--no-viewer"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    frames = len(read_poses(place / "out/poses.npz"))
    assert 20 < frames < 100
    assert f"after frame {frames}" in said or f"{frames} of 108 frames decode" in said


def test_a_video_cut_before_its_first_picture(capsys, place, weights):
    (place / "stub.mp4").write_bytes(CLIP.read_bytes()[:4000])
    assert "stub.mp4" in _refused(capsys, place, "lift", "stub.mp4", "--weights", weights)


@pytest.mark.parametrize("fps", ["0", "-25", "1e9", ".nan"])
def test_an_absurd_frame_rate_of_a_folder(capsys, place, weights, fps):
    from PIL import Image

    (place / "frames").mkdir()
    Image.new("RGB", (64, 64)).save(place / "frames/1.png")
    said = _refused(capsys, place, "lift", "frames", f"--fps={fps}", "--weights", weights)
    assert "--fps must lie between 0.1 and 1000" in said


def test_a_frame_rate_that_is_no_number(capsys, place, weights):
    said = _refused(capsys, place, "lift", CLIP, "--fps", "often", "--weights", weights)
    assert "--fps: expected a number, got often" in said


# ---------------------------------------------------------------------- keypoint files
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"fps": 0}, "fps must be between 0.1 and 1000"),
        ({"fps": -30}, "fps must be between"),
        ({"fps": "fast"}, "fps must be between"),
        ({"fps": None}, "lacks both 'fps' and 'times_s'"),
        ({"keypoints_px": _points(fill=float("nan"))}, "nobody to lift"),
        ({"keypoints_px": _points(fill=None)}, "nobody to lift"),
        ({"keypoints_px": _points(fill=float("inf"))}, "infinite"),
        ({"keypoints_px": _points(fill=float("nan")), "has_person": [False] * 20}, "nobody to lift"),
        ({"keypoints_px": _points(joints=16)}, "h36m17 has 17 joints, 'keypoints_px' has 16"),
        ({"keypoints_px": []}, "keypoints_px"),
        ({"keypoints_px": [[1, 2], [3]]}, "keypoints_px"),
        ({"skeleton": "smurf12"}, "unknown skeleton 'smurf12'; expected one of h36m17"),
        ({"skeleton": None}, "'skeleton'"),
        ({"schema": "other/3"}, "expected one of the formats poses, keypoints,"),
        ({"width": None}, "'width'"),
        ({"height": -480}, "'height'"),
        ({"times_s": [0.0] * 20}, "'times_s' must increase"),
        ({"keypoint_px": 1}, "unknown entries ['keypoint_px']"),
        ({"confidence": [[2.0] * 17] * 20}, "'confidence' must be between 0 and 1"),
    ],
)
def test_a_bad_keypoint_file(capsys, place, weights, changes, told):
    _keypoints(place / "points.json", **changes)
    assert told in _refused(capsys, place, "lift", "points.json", "--weights", weights)


def test_a_good_keypoint_file_passes(place, weights):
    """The unchanged input works, so the refusals above are due to the changes."""
    _keypoints(place / "points.json")
    assert main(["lift", "points.json", "--out", "out", "--weights", str(weights)]) == 0
    assert {p.name for p in (place / "out").iterdir()} == {
        *("poses.npz", "poses.json", "motion.npz", "motion.bvh", "motion.glb", "viewer.html")
    }
    assert len(read_poses(place / "out/poses.json")) == 20


def test_a_path_is_printed_as_it_is(capsys, place, weights):
    """Square brackets, common in names of downloaded videos, are not markup, and colons are not emoji."""
    _keypoints(place / "dance [dqw4] :dog:.json")
    assert main(["lift", "dance [dqw4] :dog:.json", "--weights", str(weights), "--no-viewer"]) == 0
    assert "dance [dqw4] :dog:_prml/poses.npz" in " ".join(capsys.readouterr().out.split())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from([".json", ".npz", ".mp4"]))
def test_whatever_the_bytes_it_is_one_line(capsys, tmp_path, weights, data, ending):
    path = tmp_path / f"anything{ending}"
    path.write_bytes(data)
    _refused(capsys, tmp_path, "lift", path, "--out", tmp_path / "out", "--weights", weights)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["skeleton", "fps", "width", "height", "keypoints_px", "camera", "times_s", "has_person"]), JSON)
def test_whatever_the_entry_it_is_one_line_or_well(capsys, tmp_path, weights, name, value):
    path = _keypoints(tmp_path / "points.json", **{name: value})
    code = main(
        ["lift", str(path), "--out", str(tmp_path / "out"), "--weights", str(weights), "--no-viewer", "--overwrite"]
    )
    out, err = capsys.readouterr()
    assert code in (0, 2)
    assert "Traceback" not in out + err
    assert err.count("\n") == (0 if code == 0 else 1)


# ---------------------------------------------------------------------- cameras
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("not json", "is not a readable JSON file"),
        ("[1, 2]", "must contain an object"),
        ("{}", "camera lacks"),
        ('{"width": 640, "height": 480, "fx": 500, "fy": 500, "cx": 320, "cy": 240, "f": 3}', "unknown entries ['f']"),
        ('{"width": 640, "height": 480, "fx": 500, "fy": 500, "cx": null, "cy": 240}', "one finite number in 'cx'"),
        ('{"width": 640, "height": 480, "fx": 500, "fy": 500, "cx": NaN, "cy": 240}', "one finite number in 'cx'"),
        (
            '{"width": 640, "height": 480, "fx": 500, "fy": 500, "cx": 1, "cy": 1, "radial": [0.1]}',
            "lens.json: camera needs 3 finite numbers in 'radial'",
        ),
        ('{"width": 1920, "height": 1080, "fx": 500, "fy": 500, "cx": 1, "cy": 1}', "for 1920 x 1080 pixels"),
        ('{"width": 640, "height": 480, "fx": 0, "fy": 500, "cx": 1, "cy": 1}', "positive image size and focal length"),
        ('{"width": 640, "height": 480, "fx": "big", "fy": 500, "cx": 1, "cy": 1}', "lens.json"),
    ],
)
def test_a_bad_intrinsics_file(capsys, place, weights, text, told):
    _keypoints(place / "points.json")
    (place / "lens.json").write_text(text)
    arguments = ["--intrinsics", "lens.json", "--weights", weights]
    assert told in _refused(capsys, place, "lift", "points.json", *arguments)


def test_an_absurd_field_of_view(capsys, place, weights):
    _keypoints(place / "points.json")
    for fov in ("0", "-10", "180", ".nan"):
        said = _refused(capsys, place, "lift", "points.json", f"--fov={fov}", "--weights", weights)
        assert "--fov must lie between 5 and 170" in said


def test_a_lens_twice(capsys, place, weights):
    _keypoints(place / "points.json")
    arguments = ["--fov", "50", "--intrinsics", "lens.json", "--weights", weights]
    assert "not both" in _refused(capsys, place, "lift", "points.json", *arguments)


# ---------------------------------------------------------------------- weights
@pytest.fixture
def copy(place, weights):
    """A copy of the record in the current folder; returns its card as a dictionary and what writes that back."""
    for suffix in (".safetensors", ".yaml"):
        shutil.copy(weights.with_suffix(suffix), place / f"mine{suffix}")
    _keypoints(place / "points.json")
    card = yaml.safe_load((place / "mine.yaml").read_text())
    return card, lambda: (place / "mine.yaml").write_text(yaml.safe_dump(card))


LIFT_MINE = ("lift", "points.json", "--weights", "mine.safetensors")


def test_weights_without_a_card(capsys, place, copy):
    (place / "mine.yaml").unlink()
    assert "mine.safetensors has no card: expected mine.yaml" in _refused(capsys, place, *LIFT_MINE)


def test_a_card_for_another_network(capsys, place, copy):
    card, write = copy
    card["arguments"] = {"frames": 9, "width": 32, "heads": 2, "branch_blocks": 2}
    write()
    assert "does not fit its weights" in _refused(capsys, place, *LIFT_MINE)


@pytest.mark.parametrize(
    ("entry", "value", "told"),
    [
        ("network", "prlm-xs", "did you mean 'prml-xs'?"),
        ("arguments", {"frame": 9}, "cannot be built"),
        ("skeleton", "h36m18", "unknown skeleton"),
        ("normalisation", "none", "unknown normalisation"),
        ("schema", "card/9", "not a model card of schema"),
        ("colour", "red", "unknown entries ['colour']"),
        ("sha256", "", "lacks sha256"),
    ],
)
def test_a_card_that_does_not_fit(capsys, place, copy, entry, value, told):
    card, write = copy
    card[entry] = value
    write()
    assert told in _refused(capsys, place, *LIFT_MINE)


def test_tampered_weights(capsys, place, copy):
    data = bytearray((place / "mine.safetensors").read_bytes())
    data[-1] ^= 1
    (place / "mine.safetensors").write_bytes(data)
    assert "is not the file its card describes" in _refused(capsys, place, *LIFT_MINE)


def test_weights_that_are_not_there(capsys, place):
    _keypoints(place / "points.json")
    assert "no weights called prml-xxl" in _refused(capsys, place, "lift", "points.json", "--weights", "prml-xxl")
    assert "no file gone.safetensors" in _refused(capsys, place, "lift", "points.json", "--weights", "gone.safetensors")


@pytest.mark.parametrize("model", ["huge", "gone.task"])
def test_a_detector_model_that_is_not_there(capsys, place, weights, model):
    assert model in _refused(capsys, place, "lift", CLIP, "--model", model, "--weights", weights)


# ---------------------------------------------------------------------- where results go
def test_results_are_not_overwritten_by_chance(capsys, place, weights):
    _keypoints(place / "points.json")
    (place / "out").mkdir()
    (place / "out/thesis.txt").write_text("precious")
    said = _refused(capsys, place, "lift", "points.json", "--out", "out", "--weights", weights)
    assert "out exists and is not empty; pass --overwrite" in said
    assert main(["lift", "points.json", "--out", "out", "--weights", str(weights), "--overwrite"]) == 0
    assert (place / "out/thesis.txt").read_text() == "precious"


def test_a_file_where_the_folder_should_be(capsys, place, weights):
    _keypoints(place / "points.json")
    (place / "out").write_text("")
    said = _refused(capsys, place, "lift", "points.json", "--out", "out", "--weights", weights)
    assert "out is a file; give a folder" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["lift", "points.json", "--weights", "gone.safetensors", "--out", "points.json/x"],
        ["evaluate", "--weights", "gone.safetensors", "--protocol", "mocap-gt", "--json", "points.json/b.json"],
        ["bench", "gone", "--json", "points.json/b.json"],
        ["data", "check", "gone.npz", "--png", "points.json/a.png"],
        ["data", "cameras", "gone.xml", "--out", "points.json/a.json"],
        ["data", "import", "gone.bvh", "--out", "points.json/a.npz"],
        ["data", "features", "gone", "gone", "--out", "points.json/a"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_place_below_a_file_is_refused_before_any_work(capsys, place, arguments):
    """The input is missing too, and would be named if it were checked first."""
    _keypoints(place / "points.json")
    assert "points.json is not a folder; choose another place" in _refused(capsys, place, *arguments)


def test_a_folder_where_a_result_should_be(capsys, place, weights):
    _keypoints(place / "points.json")
    (place / "out/poses.npz").mkdir(parents=True)
    said = _refused(capsys, place, "lift", "points.json", "--out", "out", "--weights", weights, "--overwrite")
    assert "poses.npz is a folder" in said


@pytest.mark.parametrize("step", ["poses.npz", "poses.json", "viewer.html"])
def test_a_full_disk_leaves_nothing_behind(capsys, place, weights, monkeypatch, step):
    """The disk fills up while the named file is moved to its place."""
    replace = os.replace

    def full(source, target):
        if str(target).endswith(step):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(source, target)

    _keypoints(place / "points.json")
    monkeypatch.setattr(os, "replace", full)
    said = _refused(capsys, place, "lift", "points.json", "--out", "out", "--weights", weights)
    assert "No space left on device" in said


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_limit_on_file_sizes_leaves_nothing_behind(place, weights):
    """The system itself refuses to write more than a few kilobytes."""
    _keypoints(place / "points.json")
    before = _contents(place)
    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048));"
        "from prml.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["lift", "points.json", "--out", "out", "--weights", str(weights)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "File too large" in done.stderr
    assert _contents(place) == before


# ---------------------------------------------------------------------- other commands
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["evaluate", "--weights", "prml-s", "--protocol", "mocap-nosy"], "mocap-noisy"),
        (["evaluate", "--weights", "prml-q", "--protocol", "mocap-gt"], "no weights called prml-q"),
        (["evaluate", "--weights", "prml-s"], "protocol"),
        (["evaluate", "--weights", "prml-xs", "--protocol", "mocap-gt", "--batch", "0"], "batch must be at least 1"),
        (["evaluate", "--weights", "prml-xs", "--protocol", "mocap-gt", "--overlap", "0"], "overlap must be at least"),
        (["evaluate", "--weights", "prml-xs", "--protocol", "mocap-gt", "--limit", "-1"], "limit must be at least 1"),
        (["fit"], "config"),
        (["fit", "gone.yaml"], "no configuration file gone.yaml"),
        (["protocols", "mocap-g"], "mocap-gt"),
        (["compare", "gone.json"], "no result file gone.json; 'prml evaluate --json FILE' writes one"),
    ],
)
def test_other_commands_answer_in_one_line(capsys, place, arguments, told):
    assert told in _refused(capsys, place, *arguments)


@pytest.mark.parametrize("data", [b"PK\x03\x04\xff\xfe", b"[]", b'{"schema": "other/1"}', b"[" * 100_000])
def test_what_is_no_result_is_told_what_a_result_is(capsys, place, data):
    (place / "a.npz").write_bytes(data)
    said = _refused(capsys, place, "compare", "a.npz")
    assert "a.npz is not a result file" in said
    assert "result files are JSON of schema prml.result/" in said
    assert "'prml evaluate --json FILE' writes one" in said
    assert "codec" not in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("network: {nam: prml}", "name"),
        ("optimiser: {learning_rat: 1.0}", "learning_rate"),
        ("run: {epochs: many}", "epochs"),
        ("network: {name: prml-xss}", "prml-xs"),
        (": : :", "line 1"),
    ],
)
def test_a_bad_configuration_names_what_is_meant(capsys, place, text, told):
    (place / "bad.yaml").write_text(text)
    assert told in _refused(capsys, place, "fit", "bad.yaml", "--out", "run")
