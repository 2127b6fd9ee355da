"""From a keypoint file to results: files written, inputs refused, atomic writes."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fixtures.boxes import BOXES, POINTS, box_video
from fixtures.outside import outside_package
from prml.camera import Camera
from prml.errors import PrmlError
from prml.evaluation.protocols.mocap_benchmark import benchmark_sequences
from prml.io.keypoints import read_keypoints, write_keypoints
from prml.io.poses import read_poses
from prml.media.write import VideoWriter
from prml.networks import registry
from prml.pipeline.folder import results_folder
from prml.pipeline.lift import LiftResult, LiftSettings, lift, write_results
from prml.pipeline.outputs import registry as registry_of_outputs
from prml.pipeline.outputs.registry import OUTPUTS
from prml.pipeline.result import doubtful_residual
from prml.scene import Scene, VideoSource
from prml.sequence import DetectionLog, Event, PoseSequence
from prml.skeleton import BLAZEPOSE33
from prml.weights.record import Card, save_record

CLIP = Path(__file__).parents[2] / "examples" / "jump.mp4"
NUMBERS = ("poses.npz", "poses.json", "motion.npz", "motion.bvh", "motion.glb")
ARGUMENTS = {"frames": 27, "width": 16, "heads": 2, "branch_blocks": 1}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    card = Card(name="tiny", network="prml-xs", arguments=ARGUMENTS, window=27)
    return str(save_record(tmp_path_factory.mktemp("weights"), card, registry.build("prml-xs", **ARGUMENTS)))


@pytest.fixture
def keypoints(tmp_path):
    sequence = next(benchmark_sequences(("ui_prmd",), True, limit=1))
    path = tmp_path / "walk.npz"
    write_keypoints(sequence.with_(has_person=np.ones(len(sequence), bool)), path)
    return path


def _full(*_, **__):
    raise OSError(28, "No space left on device")


def test_results_are_written_and_read_back(keypoints, weights, tmp_path):
    stages = []
    result = lift(keypoints, tmp_path / "out", weights=weights, progress=lambda s, n, of: stages.append(s))
    assert set(result.files) == {*NUMBERS, "viewer.html"}
    for name in ("poses.npz", "poses.json"):
        again = read_poses(tmp_path / "out" / name)
        np.testing.assert_allclose(again.joints_m, result.sequence.joints_m, atol=1e-4)
        assert again.camera.width == result.sequence.camera.width
    assert result.residual_px > 0
    assert "lift" in stages
    assert result.provenance["weights_sha256"]
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".out")] == []


def test_a_short_gap_of_a_keypoint_file_is_filled_and_flagged(keypoints, weights, tmp_path):
    seen = read_keypoints(keypoints)
    has = np.ones(len(seen), bool)
    has[10:13] = False
    write_keypoints(seen.with_(has_person=has), tmp_path / "gap.npz")
    lifted = lift(tmp_path / "gap.npz", weights=weights).sequence
    assert np.flatnonzero(lifted.filled).tolist() == [10, 11, 12]
    assert lifted.has_person.all()
    assert np.isfinite(lifted.joints_m).all()


def test_doubtful_keypoints_and_residuals_are_told(keypoints, weights, tmp_path):
    seen, told = read_keypoints(keypoints), []
    half = seen.with_(camera=None, image_size=tuple(side // 2 for side in seen.image_size))
    write_keypoints(half, tmp_path / "half.json")
    result = lift(tmp_path / "half.json", weights=weights, warn=told.append)
    assert result.warnings == told
    assert any("% of the joints lie outside the image of" in text for text in told)


@pytest.mark.parametrize(("residual", "said"), [(60.0, None), (3e12, "3e+12 px away"), (np.nan, "nowhere near")])
def test_a_wild_residual_is_told(residual, said):
    text = doubtful_residual(residual, (640, 480))
    assert text is None if said is None else said in text


def test_what_no_picture_shows_is_marked_and_said(keypoints, weights, tmp_path):
    seen = read_keypoints(keypoints)
    points = np.asarray(seen.keypoints_px).copy()
    points[5:9, :12] -= [2.0 * seen.image_size[0], 0.0]
    write_keypoints(seen.with_(keypoints_px=points), tmp_path / "away.npz")
    result = lift(tmp_path / "away.npz", tmp_path / "out", weights=weights)
    assert np.flatnonzero(result.sequence.mostly_inferred).tolist() == [5, 6, 7, 8]
    assert any(text.startswith("4 of ") for text in result.warnings)
    assert read_poses(tmp_path / "out/poses.npz").inferred.tolist() == result.sequence.inferred.tolist()


def test_an_existing_folder_is_left_alone_unless_told(keypoints, weights, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(PrmlError, match="overwrite=True"):
        lift(keypoints, out, weights=weights)
    lift(keypoints, out, weights=weights, overwrite=True, viewer=False)
    assert (out / "mine.txt").read_text() == "keep"
    assert (out / "poses.npz").is_file()


def test_a_folder_holds_the_results_of_one_input(keypoints, weights, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    former = {name: f"{name} of another person" for name in (*OUTPUTS, "mine.mp4")}
    for name, text in former.items():
        (out / name).write_text(text)
    with monkeypatch.context() as broken:
        broken.setattr("prml.pipeline.outputs.poses.write_poses", _full)
        with pytest.raises(PrmlError, match="No space left"):
            lift(keypoints, out, weights=weights, overwrite=True)
    assert {p.name: p.read_text() for p in out.iterdir()} == former, "a failure loses nothing"
    lift(keypoints, out, weights=weights, overwrite=True, viewer=False)
    assert {p.name for p in out.iterdir()} == {*NUMBERS, "mine.mp4"}


def test_a_failure_leaves_nothing_behind(keypoints, weights, tmp_path, monkeypatch):
    monkeypatch.setattr("prml.view.page.page.write_viewer", _full)
    with pytest.raises(PrmlError, match="No space left"):
        lift(keypoints, tmp_path / "out", weights=weights)
    assert not (tmp_path / "out").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["walk.npz"]


@pytest.mark.parametrize("overlay", [True, False])
def test_the_page_has_its_pictures_with_and_without_an_overlay(tmp_path, overlay):
    video, frames = tmp_path / "clip.mp4", 5
    with VideoWriter(video, 640, 360, 25) as writer:
        for index in range(frames):
            writer.write(np.full((360, 640, 3), 40 * index, np.uint8), index / 25)
    camera = Camera.from_fov(640, 360)
    joints = np.random.default_rng(0).normal(size=(frames, 17, 3)) * 0.3
    sequence = PoseSequence.regular(frames, 25, joints_m=joints, camera=camera, root_relative=True)
    result = LiftResult(Scene.of(sequence, VideoSource(video, (640, 360), 25.0)), 0.0, {})
    with results_folder(tmp_path / "out", OUTPUTS) as place:
        write_results(result, video, place, LiftSettings(overlay=overlay), lambda *_: None)
    assert ("overlay.mp4" in result.files) is overlay
    page = result.files["viewer.html"].read_text("utf-8")
    meta = json.loads(re.search(r'<script type="application/json" id="meta">(.*?)</script>', page)[1])
    assert meta["pictures"]["frames"] == list(range(frames))
    for index, jpeg in enumerate(re.search(r'id="data-pictures">(.*?)</script>', page, re.DOTALL)[1].split()):
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(jpeg))))
        assert image.shape == (224, 400, 3)
        assert image.mean() == pytest.approx(40 * index, abs=6)


def _swaying(skeleton, frames=30):
    """A synthetic person in 640 x 480 pixels."""
    rng, t = np.random.default_rng(1), np.arange(frames)[:, None, None] / 10
    place, phase = rng.uniform([280, 60], [360, 420], (len(skeleton), 2)), rng.uniform(0, 6, (len(skeleton), 1))
    return place + 10 * np.sin(t + phase)


def test_a_video_becomes_a_scene_of_one(weights, tmp_path, monkeypatch):
    events = (Event(0.4, "lost"), Event(0.8, "found again"))
    found = PoseSequence.regular(
        30,
        25,
        BLAZEPOSE33,
        keypoints_px=_swaying(BLAZEPOSE33),
        confidence=np.ones((30, 33)),
        has_person=np.ones(30, bool),
        image_size=(640, 480),
        detection=DetectionLog("mine", events),
    )
    with VideoWriter(tmp_path / "v.mp4", 640, 480, 25) as writer:
        writer.write(np.zeros((480, 640, 3), np.uint8), 0.0)
    monkeypatch.setattr("prml.detect.run.detect", lambda *_, **__: found)
    result = lift(tmp_path / "v.mp4", weights=weights)
    scene = result.scene
    assert len(scene) == 1
    assert scene.prominent is result.sequence
    assert (scene.video.name, scene.video.image_size, scene.image_size) == ("v.mp4", (640, 480), (640, 480))
    assert [(e.kind, e.track_id) for e in scene.events] == [("lost", 0), ("found again", 0)]
    assert result.provenance["events"] == [event.record() for event in events]
    assert result.provenance["detector"] == "mine"
    assert result.sequence.joints_m.shape == (30, 17, 3)


def test_keypoints_become_a_scene_without_pictures(keypoints, weights):
    result = lift(keypoints, weights=weights)
    assert (len(result.scene), result.scene.video, result.scene.events) == (1, None, ())
    assert result.scene.prominent is result.sequence
    assert (result.provenance["detector"], result.provenance["events"]) == ("given keypoints", [])


def test_camera_rules(keypoints, weights, tmp_path):
    given = lift(keypoints, weights=weights).sequence.camera
    assert given.source == "virtual"  # the keypoint file names its camera
    assert lift(keypoints, weights=weights, fov=70.0).sequence.camera.fov_deg == pytest.approx(70)
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(Camera.from_fov(given.width, given.height, 40).to_dict()))
    assert lift(keypoints, weights=weights, intrinsics=str(path)).sequence.camera.fov_deg == pytest.approx(40)
    with pytest.raises(PrmlError, match="not both"):
        lift(keypoints, weights=weights, intrinsics=str(path), fov=50.0)
    path.write_text(json.dumps(Camera.from_fov(10, 10, 40).to_dict()))
    with pytest.raises(PrmlError, match="is for 10 x 10"):
        lift(keypoints, weights=weights, intrinsics=str(path))
    path.write_text('{"width": 3}')
    with pytest.raises(PrmlError, match="lacks"):
        lift(keypoints, weights=weights, intrinsics=str(path))
    with pytest.raises(PrmlError, match="between 5 and 170"):
        lift(keypoints, weights=weights, fov=0.0)


@pytest.mark.parametrize("cores", [1, 2])
def test_a_video_s_camera_is_refused_before_anything_is_detected(weights, tmp_path, monkeypatch, cores):
    monkeypatch.setattr("prml.detect.run.detect", _full)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    with pytest.raises(PrmlError, match="between 5 and 170"):
        lift(CLIP, weights=weights, fov=1.0)
    with pytest.raises(PrmlError, match="not a readable JSON file"):
        lift(CLIP, weights=weights, intrinsics=str(tmp_path / "none.json"))


@pytest.mark.parametrize("name", ["overlay.mp4", "poses.json"])
def test_a_result_never_replaces_the_input(weights, tmp_path, name):
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / name).write_bytes(b"the input")
    with pytest.raises(PrmlError, match="is the input"):
        lift(folder / name, folder, weights=weights, overwrite=True)
    assert (folder / name).read_bytes() == b"the input"
    assert [p.name for p in folder.iterdir()] == [name]


@pytest.mark.parametrize("given", [np.zeros((9, 17, 2)), None, 3], ids=lambda g: type(g).__name__)
def test_what_is_not_a_path_is_refused_with_the_way_to_go(given):
    with pytest.raises(PrmlError, match=r"takes the path of a video.*, got \w+; .*prml\.load\(\)\.lift\(") as caught:
        lift(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", ["https://example.org/a.mp4", "rtsp://camera/live", Path("http://example.org/a.mp4")])
def test_a_url_is_said_to_be_one(given):
    with pytest.raises(PrmlError, match="is a URL; prml reads local files: download it first"):
        lift(given)


def test_settings_are_checked_before_anything_is_read():
    for settings, told in (({"fps": 0}, "fps must lie between 0.1 and 1000"), ({"overlay": "no"}, "overlay: expected")):
        with pytest.raises(PrmlError, match=told):
            lift("gone.mp4", **settings)


def test_joints_outside_the_lens_are_said(keypoints, weights, tmp_path):
    seen = read_keypoints(keypoints)
    width, height = seen.image_size
    lens = Camera(width, height, 0.5 * width, 0.5 * width, width / 2, height / 2, radial=(-0.4, 0.0, 0.0))
    (tmp_path / "lens.json").write_text(json.dumps(lens.to_dict()))
    points = np.asarray(seen.keypoints_px).copy()
    points[3, 16] = (width - 1.0, height - 1.0)  # a corner, further out than the image of this lens
    write_keypoints(seen.with_(keypoints_px=points, camera=None), tmp_path / "far.npz")
    result = lift(tmp_path / "far.npz", weights=weights, intrinsics=str(tmp_path / "lens.json"))
    assert any("lie outside the lens of the camera (given)" in text for text in result.warnings)
    assert result.sequence.inferred[3, 16]
    assert result.sequence.confidence[3, 16] == 0


def test_names_with_colons_and_those_that_look_like_addresses_are_files(tmp_path, monkeypatch):
    outside_package(monkeypatch, tmp_path, BOXES, POINTS)
    monkeypatch.chdir(tmp_path)
    clip = box_video(tmp_path / "2024-05-01T12:30:00.mp4", 10)
    for out in ("12:30", "file:out"):
        made = lift(clip.name, out, detector="boxes", weights="prml-xs")
        wanted = {*NUMBERS, "overlay.mp4", "viewer.html"}
        assert set(made.files) == wanted
        assert {p.name for p in (tmp_path / out).iterdir()} == wanted


@pytest.mark.parametrize("wrong", [{"device": "abacus"}, {"weights": "damaged"}])
def test_what_is_found_out_beside_the_detector_stops_it_and_leaves_nothing(weights, tmp_path, monkeypatch, wrong):
    """The card is checked first; errors that need torch are raised once the first frames have been processed."""
    if "weights" in wrong:
        for ending in (".yaml", ".safetensors"):
            (tmp_path / f"damaged{ending}").write_bytes(Path(weights).with_suffix(ending).read_bytes())
        with (tmp_path / "damaged.safetensors").open("ab") as file:
            file.write(b"more")
        wrong = {"weights": str(tmp_path / "damaged.safetensors")}
    outside_package(monkeypatch, tmp_path, BOXES, POINTS)
    clip, seen = box_video(tmp_path / "box.mp4", 3000), []
    settings = {"weights": weights, "detector": "boxes", **wrong}
    with pytest.raises(PrmlError, match=r"cannot compute on the device 'abacus'|not the file its card describes"):
        lift(clip, tmp_path / "out", progress=lambda stage, done, total: seen.append(done), **settings)
    assert len(seen) < 3000
    assert not (tmp_path / "out").exists()


def test_an_output_is_one_module_and_one_line(keypoints, weights, tmp_path, monkeypatch):
    code = "from prml.pipeline.outputs.registry import Output\n"
    code += "COUNT = Output('count', lambda job, path: path.write_text(str(len(job.result.sequence))))\n"
    (tmp_path / "count_frames.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(registry_of_outputs._SHIPPED, "count.txt", "count_frames:COUNT")
    monkeypatch.setattr("prml.pipeline.lift.OUTPUTS", tuple(registry_of_outputs._SHIPPED))
    made = lift(keypoints, tmp_path / "out", weights=weights, viewer=False)
    assert made.files["count.txt"].read_text() == str(len(made.sequence))
    assert made.seconds["count"] >= 0
