"""Every network on the whole way: trained here or imported from its authors' file, then lifted with and scored."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from published_files import CONTAINERS, publish

from fixtures import human36m, mpi_inf_3dhp
from fixtures.motion import clips
from fixtures.networks import small_arguments
from prml.camera import Camera
from prml.cli import main
from prml.errors import PrmlError
from prml.evaluation import protocols
from prml.evaluation.predictor import image_to_metres, overlap_of
from prml.evaluation.protocols.mocap_benchmark import benchmark_sequences
from prml.evaluation.result import read_result
from prml.evaluation.run import evaluate
from prml.filters.scale import bone_sum
from prml.io.keypoints import read_keypoints, write_keypoints
from prml.io.poses import read_poses
from prml.lifting.lifter import Lifter, LiftOptions
from prml.lifting.windows import predict_blended
from prml.networks import registry
from prml.pipeline.lift import lift
from prml.sequence import PoseSequence
from prml.skeleton import H36M17
from prml.training.config import FitConfig
from prml.weights.record import Card, Record, load_record

CLIP = Path(__file__).parents[2] / "examples" / "jump.mp4"
# networks that need image features do not lift from keypoints
NAMES = [n for n in registry.names() if not registry.entry(n).image_features]
PUBLISHED = [n for n in CONTAINERS if n in NAMES]
ONE_OF_A_KIND = ("mixste", "poseformerv2", "videopose3d-causal")  # all frames, the middle one, the last one
WINDOW = 9


# ------------------------------------------------------------------------------------------------ trained here
def train(name: str, folder: Path, steps: int, **windows: object) -> Path:
    """``prml fit`` on a small motion-capture set; the record's path."""
    config = {
        "network": {"name": name, "arguments": small_arguments(name)},
        "data": {
            "sets": ["ui_prmd"],
            "workers": 0,
            "validation_windows": 16,
            "windows": {"frames": WINDOW, "stride": 9, "batch": 16, **windows},
        },
        "objective": {"mutual_information": "variational" if name.startswith("prml") else "none"},
        "optimiser": {"learning_rate": 5e-3, "ema": 0.8},
        "run": {"epochs": 1, "max_steps": steps, "validate_every": steps // 2, "progress": False, "threads": 1},
    }
    folder.mkdir(exist_ok=True)
    (folder / "fit.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", str(folder / "fit.yaml"), "--out", str(folder / "run")]) == 0
    return folder / "run" / "best.safetensors"


def check(seen: PoseSequence, lifted: PoseSequence) -> None:
    """What holds of every result: a frame for each given one, finite where there is a person, hip first and at 0."""
    np.testing.assert_allclose(lifted.times_s, seen.times_s, atol=1e-6)
    present = np.isfinite(seen.keypoints_px).all((1, 2))
    assert (np.isfinite(lifted.joints_m).all((1, 2)) == present).all()
    assert np.abs(lifted.joints_m[present, 0]).max() == 0
    assert lifted.root_relative
    assert lifted.skeleton.name == "h36m17"
    assert np.ptp(lifted.joints_m[present], axis=0).max() > 1e-3  # the pose moves


@pytest.fixture(scope="module")
def walk(tmp_path_factory) -> Path:
    """A keypoint file of 45 frames at 30 frames/s with a gap too long to be filled."""
    given = next(s for s in benchmark_sequences(("ui_prmd",), True, limit=2) if len(s) >= 60)
    present = np.ones(45, bool)
    present[20:30] = False
    points = np.where(present[:, None, None], given.keypoints_px[:45], np.nan)
    path = tmp_path_factory.mktemp("walk") / "walk.npz"
    write_keypoints(
        PoseSequence.regular(
            45,
            30.0,
            H36M17,
            keypoints_px=points,
            confidence=given.confidence[:45],
            camera=given.camera,
            has_person=present,
        ),
        path,
    )
    return path


@pytest.fixture(scope="module")
def jump(tmp_path_factory) -> Path:
    """What the bundled detector sees in the example clip."""
    from prml.detect.run import detect

    path = tmp_path_factory.mktemp("jump") / "jump.npz"
    write_keypoints(detect(CLIP), path)
    return path


@pytest.mark.parametrize("name", ONE_OF_A_KIND)
def test_a_trained_network_lifts(name, walk, tmp_path):
    channels = 2 if name == "poseformerv2" else 3
    weights = train(name, tmp_path, 4, in_channels=channels, step=2)
    assert main(["lift", str(walk), "--weights", str(weights), "--out", str(tmp_path / "out"), "--no-viewer"]) == 0
    check(read_keypoints(walk), read_poses(tmp_path / "out" / "poses.npz"))
    card = load_record(weights).card
    assert (card.arguments["in_channels"], card.fps, card.window) == (channels, 25.0, WINDOW)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_trained_network_lifts_the_example_clip(name, jump, tmp_path):
    weights = train(name, tmp_path, 40)
    assert main(["lift", str(jump), "--weights", str(weights), "--out", str(tmp_path / "out")]) == 0
    lifted = read_poses(tmp_path / "out" / "poses.npz")
    check(read_keypoints(jump), lifted)
    # trained for seconds: the size of a person, within a factor of three of an adult's 3.8 m of long bones
    assert 3.8 / 3 < np.nanmedian(bone_sum(lifted.joints_m)) < 3.8 * 3
    assert (lifted.std_m is not None) == name.startswith("prml")
    assert (tmp_path / "out" / "viewer.html").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_OF_A_KIND)
def test_a_trained_network_lifts_the_video_itself(name, tmp_path):
    weights = train(name, tmp_path, 40)
    assert main(["lift", str(CLIP), "--weights", str(weights), "--out", str(tmp_path / "out")]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "poses.npz",
        "poses.json",
        "motion.npz",
        "motion.bvh",
        "motion.glb",
        "overlay.mp4",
        "viewer.html",
    }
    lifted = read_poses(tmp_path / "out" / "poses.npz")
    check(lifted, lifted)
    assert len(lifted) == 108


@pytest.mark.parametrize(
    ("name", "arguments", "windows", "message"),
    [
        ("mixste", {}, {"frames": 27}, r"network\.arguments\.frames"),
        ("videopose3d", {}, {"frames": 27}, r"windows of 243 frames only"),
        ("videopose3d", {"frames": 27, "causal": True}, {"frames": 27}, "videopose3d-causal"),
        ("mixste", {"frames": 27, "in_channels": 2}, {"frames": 27}, "set both to 3"),
    ],
)
def test_windows_that_a_network_cannot_take_are_refused_before_training(name, arguments, windows, message):
    config = FitConfig()
    config.network.name, config.network.arguments = name, arguments
    config.data.windows = type(config.data.windows)(**windows)
    with pytest.raises(PrmlError, match=message):
        config.check()


# ------------------------------------------------------------------------------------- imported from its authors
MIRRORED = [0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13]


def by_hand(record: Record, seen: PoseSequence, overlap: int, every: int = 1) -> np.ndarray:
    """A network on screen-normalised 2D as its authors feed it, averaged with the mirrored input; (L, 17, 3)."""
    network, frames = record.network, record.card.window
    width, height = seen.camera.width, seen.camera.height
    xy = seen.keypoints_px * 2 / width - np.array([1, height / width])
    confidence = np.ones(xy.shape[:2]) if seen.confidence is None else seen.confidence
    inputs = np.concatenate([xy, confidence[..., None]], -1)[..., : network.in_channels].astype(np.float32)

    def answer(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(np.ascontiguousarray(x))).numpy()

    def predict(x: np.ndarray) -> np.ndarray:
        turn = np.array([-1, 1, 1], np.float32)
        mirrored = x[..., MIRRORED, :] * turn[: x.shape[-1]]
        return (answer(x) + answer(mirrored)[..., MIRRORED, :] * turn) / 2

    if registry.entry(record.card.network).output == "sequence" and every == 1:
        return predict_blended(inputs, predict, frames=frames, hop=frames // overlap, batch=64)
    # a window of every n-th frame around every frame; the video's ends are repeated, not those of the n-th frames
    around = (np.arange(frames) - frames // 2) * every
    windows = inputs[np.clip(np.arange(len(inputs))[:, None] + around, 0, len(inputs) - 1)]
    poses = predict(windows)
    return poses[:, frames // 2] if poses.shape[1] > 1 else poses[:, 0]


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Human3.6M files as released, of few frames: folder of each protocol."""
    root = tmp_path_factory.mktemp("released")
    human36m.write_npz_pair(root / "h36m-cpn", subjects=("S9", "S11"), actions=("Walking",), frames=20)
    human36m.write_cameras_json(root / "h36m-cpn" / "camera-parameters.json")
    (root / "h36m-sh-2.5d").mkdir()
    human36m.write_sh_pickle(root / "h36m-sh-2.5d" / "h36m_sh_conf_cam_source_final.pkl", frames=20)
    return root


def imported(name: str, folder: Path) -> Path:
    """A record that ``prml import`` made of a file in the authors' layout."""
    publish(name, folder / "best_epoch.bin")
    options = ["--frames", str(WINDOW)] if name in ("stcformer", "poseformerv2") else []
    options += ["--rootrel"] if name == "motionbert" else []
    assert main(["import", name, str(folder / "best_epoch.bin"), "--out", str(folder), *options]) == 0
    return folder / f"{name}.safetensors"


# root and windows as the authors' scripts have them where they are not the protocol's
AUTHORS = {
    "mixste": ("own", "last"),
    "ktpformer": ("own", "last"),
    "poseformerv2": ("own", None),
    "glagcn": ("own", None),
    "videopose3d": ("own", None),
    "stcformer": (None, "centre"),
}


def thorough(name: str):
    """All, of which some belong to the default suite: image space, camera space, middle frames of every 2nd, 3rd."""
    return (
        name if name in ("motionbert", "mixste", "pstmo", "stcformer") else pytest.param(name, marks=pytest.mark.slow)
    )


@pytest.mark.parametrize("name", map(thorough, PUBLISHED))
def test_an_imported_network_lifts_as_its_authors_use_it(name, tmp_path):
    weights = imported(name, tmp_path)
    record, entry = load_record(weights), registry.entry(name)
    every = entry.dilation if entry.output != "sequence" else 1
    fps = record.card.fps * every
    camera = Camera.from_fov(1000, 1002, 46.0)
    joints = clips(1, 40, seed=5)[0][..., [1, 2, 0]] * np.array([1, -1, 1])
    points = camera.project(joints - joints.mean((0, 1)) + np.array([0.3, 0, 5]))
    seen = PoseSequence.regular(
        40,
        fps,
        H36M17,
        keypoints_px=points,
        camera=camera,
        has_person=np.ones(40, bool),
        confidence=np.random.default_rng(0).uniform(0.3, 1, (40, 17)),
    )
    write_keypoints(seen, tmp_path / "seen.npz")
    lift_words = ["lift", str(tmp_path / "seen.npz"), "--weights", str(weights), "--out", str(tmp_path / "out")]
    assert main([*lift_words, "--no-viewer"]) == 0
    lifted = read_poses(tmp_path / "out" / "poses.npz")
    check(seen, lifted)
    expected = by_hand(record, seen, LiftOptions().overlap, every)
    expected -= expected[:, :1]
    if entry.space == "image":
        expected *= 3.8 / np.quantile(bone_sum(expected), 0.9)
    np.testing.assert_allclose(lifted.joints_m, expected, atol=2e-5 * np.abs(expected).max())
    plain = lift(tmp_path / "seen.npz", weights=str(weights), flip=False)
    assert plain.provenance["flip"] is False
    assert not np.allclose(plain.sequence.joints_m, lifted.joints_m, atol=1e-4)


@pytest.mark.parametrize("name", map(thorough, PUBLISHED))
def test_an_imported_network_is_scored_as_its_authors_feed_it(name, released, tmp_path):
    weights = imported(name, tmp_path)
    record, entry = load_record(weights), registry.entry(name)
    image = entry.space == "image"
    rules = protocols.get("h36m-sh-2.5d" if image else "h36m-cpn").with_kinds(*AUTHORS.get(name, (None, None)))
    words = ["evaluate", "--weights", str(weights), "--protocol", rules.name, "--data", str(released / rules.name)]
    assert main([*words, "--json", str(tmp_path / "score.json"), "--limit", "2"]) == 0
    result = read_result(tmp_path / "score.json")
    assert result.options["flip"]
    assert all(np.isfinite(v) for v in result.scores.values())
    assert result.protocol["id"] == rules.id

    def reference(seen: PoseSequence) -> np.ndarray:
        out = by_hand(record, seen, overlap_of(rules), entry.dilation)
        return image_to_metres(out, seen) if image else out

    scores = evaluate(reference, rules, data=released / rules.name, limit=2, window=record.card.window).scores.overall
    # MotionAGFormer chooses nearest frames: where two are equally near, rounding decides
    near = 1e-3 if "motionagformer" in name else 1e-4
    assert result.scores["mpjpe"] == pytest.approx(scores["mpjpe"], rel=near)
    outside = ["evaluate", "--weights", str(weights), "--protocol", "h36m-cpn", "--data", str(released / "h36m-cpn")]
    assert main([*outside, "--limit", "1"]) == (2 if image else 0)  # image space is not scored as metres


# ------------------------------------------------------------------------------------------------ of MPI-INF-3DHP
LEFT_3DHP, RIGHT_3DHP = [5, 6, 7, 11, 12, 13], [2, 3, 4, 8, 9, 10]
PCK_3DHP = [j for j in range(17) if j not in (14, 15, 16)]  # without pelvis, spine and head


def as_on_3dhp(record: Record, video: dict, width: int, height: int) -> np.ndarray:
    """Millimetres around every valid frame as P-STMO's and MotionAGFormer's scripts for MPI-INF-3DHP make them."""
    network, frames = record.network, record.card.window
    xy = video["data_2d"] / width * 2 - [1, height / width]
    given = np.concatenate([xy, np.ones((*xy.shape[:2], 1))], -1)[..., : network.in_channels]
    at = np.flatnonzero(np.asarray(video["valid"]).reshape(-1))
    windows = given[np.clip(at[:, None] + np.arange(frames) - frames // 2, 0, len(given) - 1)].astype(np.float32)

    def swap(x: np.ndarray) -> np.ndarray:
        x = x.copy()
        x[..., 0] *= -1
        x[:, :, LEFT_3DHP + RIGHT_3DHP] = x[:, :, RIGHT_3DHP + LEFT_3DHP]
        return x

    with torch.inference_mode():
        plain, mirrored = (network(torch.from_numpy(x)).numpy() for x in (windows, swap(windows)))
    poses = (plain + swap(mirrored)) / 2
    pose = poses[:, poses.shape[1] // 2].astype(np.float64)
    pose[:, 14] = 0
    return pose * (width / 2 if record.card.output == "image" else 1)


@pytest.mark.parametrize("name", ["pstmo", pytest.param("motionagformer", marks=pytest.mark.slow)])
def test_a_checkpoint_of_3dhp_is_scored_as_its_authors_do(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PRML_CACHE", str(tmp_path / "cache"))
    publish(name, tmp_path / "a.bin")
    assert main(["import", name, str(tmp_path / "a.bin"), "--out", str(tmp_path), "--dataset", "3dhp"]) == 0
    record = load_record(tmp_path / f"{name}.yaml")
    mpi_inf_3dhp.write_test_npz(tmp_path / "data", frames=24)
    words = ["evaluate", "--weights", str(tmp_path / f"{name}.yaml"), "--protocol", "3dhp-gt"]
    assert main([*words, "--data", str(tmp_path / "data"), "--json", str(tmp_path / "score.json")]) == 0
    errors = []
    file = np.load(tmp_path / "data" / "data_test_3dhp.npz", allow_pickle=True)["data"].item()
    for key, video in file.items():
        valid = np.asarray(video["valid"]).reshape(-1) != 0
        target = (video["data_3d"] - video["data_3d"][:, 14:15])[valid]
        prediction = as_on_3dhp(record, video, *((1920, 1080) if key in ("TS5", "TS6") else (2048, 2048)))
        errors.append(np.linalg.norm(prediction - target, axis=-1))
    mm = np.concatenate(errors)
    scores = read_result(tmp_path / "score.json").scores
    # MotionAGFormer chooses nearest frames: inputs that differ by 1e-7 move the mean by 0.03 mm, a joint over a limit
    mm_off, share_off = (0.6, 0.3) if name == "motionagformer" else (1e-3, 1e-4)
    assert scores["mpjpe"] == pytest.approx(mm.mean(), abs=mm_off)
    assert scores["pck"] == pytest.approx(100 * (mm[:, PCK_3DHP] < 150).mean(), abs=share_off)
    auc = np.mean([100 * (mm[:, PCK_3DHP] < t).mean() for t in range(0, 151, 5)])
    assert scores["auc"] == pytest.approx(auc, abs=share_off)


def test_a_checkpoint_of_3dhp_lifts_other_keypoints(tmp_path, walk):
    publish("pstmo", tmp_path / "a.bin")
    assert main(["import", "pstmo", str(tmp_path / "a.bin"), "--out", str(tmp_path), "--dataset", "3dhp"]) == 0
    lifter = Lifter(load_record(tmp_path / "pstmo.yaml"))
    seen = read_keypoints(walk)
    lifted = lifter.lift(seen)
    assert lifted.skeleton == H36M17
    found = np.isfinite(lifted.joints_m).all((1, 2))
    assert found.sum() > 30
    assert np.abs(lifted.joints_m[found, 0]).max() == 0
    own_root = lifter.with_options(relative=False).lift(seen).joints_m
    np.testing.assert_allclose(lifted.joints_m[found], (own_root - own_root[:, :1])[found], atol=1e-6)


# ------------------------------------------------------------------------------------------------ one pose a window
def _lifter(name: str, fps: float, **arguments: object) -> Lifter:
    torch.manual_seed(0)
    network = registry.build(name, **{**small_arguments(name), "in_channels": 3, **arguments}).eval()
    card = Card(name="t", network=name, window=WINDOW, fps=fps, normalisation="screen")
    return Lifter(Record(network, None, card), LiftOptions(flip=False, batch=7))


@pytest.mark.parametrize("causal", [False, True])
def test_a_network_of_any_length_lifts_at_once_what_its_windows_give(causal, walk):
    seen = read_keypoints(walk)
    at_once, strided = (_lifter("videopose3d", 30.0, causal=causal, strided=s) for s in (False, True))
    strided.network.load_state_dict(at_once.network.state_dict())
    results = [lifter.lift(seen).joints_m for lifter in (at_once, strided)]
    np.testing.assert_allclose(*results, atol=1e-5)


def test_a_causal_network_does_not_see_the_future(walk):
    seen, lifter = read_keypoints(walk), _lifter("videopose3d-causal", 30.0)
    damaged = seen.keypoints_px.copy()
    damaged[12:] += 50.0
    before, after = (lifter.lift(seen.with_(keypoints_px=px)).joints_m for px in (seen.keypoints_px, damaged))
    np.testing.assert_array_equal(before[:12], after[:12])
    assert np.abs(before[12] - after[12]).max() > 1e-4


def test_faster_videos_give_a_network_of_one_pose_every_frame():
    """At n times its rate, every frame is the middle of a window of every n-th frame; nothing is interpolated.

    What lies beyond the ends is the video's own end frame, in every window.
    """
    points = np.random.default_rng(1).uniform(200, 800, (31, 17, 2))  # white in time: interpolation would show
    seen = PoseSequence.regular(31, 75.0, H36M17, keypoints_px=points, camera=Camera.from_fov(1000, 1000, 50))
    lifter = _lifter("poseformerv2", 25.0)
    whole = lifter.lift(seen).joints_m
    for i in range(3):
        third = lifter.lift(seen.with_(keypoints_px=points[i::3], times_s=seen.times_s[i::3], fps=25.0)).joints_m
        inner = slice(WINDOW // 2, len(third) - WINDOW // 2)
        np.testing.assert_allclose(whole[i::3][inner], third[inner], atol=1e-6)
    padded = points[np.clip(np.arange(-12, 43), 0, 30)]
    longer = PoseSequence.regular(55, 75.0, H36M17, keypoints_px=padded, camera=seen.camera)
    np.testing.assert_allclose(whole, lifter.lift(longer).joints_m[12:43], atol=1e-6)


@pytest.mark.parametrize("every", [1, 3])
def test_a_network_of_whole_windows_keeps_their_centres_if_told_to(every):
    """A window of every n-th frame around every frame, of which the middle pose is kept: one lifted window each."""
    points = np.random.default_rng(1).uniform(200, 800, (31, 17, 2))
    camera = Camera.from_fov(1000, 1000, 50)
    seen = PoseSequence.regular(31, 25.0 * every, H36M17, keypoints_px=points, camera=camera)
    lifter = _lifter("stcformer", 25.0)
    lifted = lifter.with_options(centre=True).lift(seen).joints_m
    for frame in (0, 5, 17, 30):
        around = np.clip(frame + every * (np.arange(WINDOW) - WINDOW // 2), 0, 30)
        window = PoseSequence.regular(WINDOW, 25.0, H36M17, keypoints_px=points[around], camera=camera)
        alone = lifter.with_options(overlap=1).lift(window).joints_m
        np.testing.assert_allclose(lifted[frame], alone[WINDOW // 2], atol=1e-6)


@pytest.mark.parametrize("fps", [24.0, 50.0, 120.0])
def test_keypoints_without_confidence_are_lifted_at_any_rate(fps, walk):
    seen = read_keypoints(walk)
    times = np.arange(45) / fps
    bare = seen.with_(confidence=None, times_s=times, fps=fps)
    sure = seen.with_(confidence=np.ones((45, 17)), times_s=times, fps=fps)
    lifter = _lifter("motionbert", 50.0)
    np.testing.assert_array_equal(lifter.lift(bare).joints_m, lifter.lift(sure).joints_m)
