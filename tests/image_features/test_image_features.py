"""Image features: crops, backbones, the cache, and CA-PF trained on the example clip, which it then lifts."""

import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from fixtures import backbone as small_backbone
from prml.batches.options import WindowOptions
from prml.cli import main
from prml.commands.fit import read_config
from prml.errors import PrmlError
from prml.image_features import crops
from prml.image_features.backbones import load_weights, open_backbone
from prml.image_features.build import CacheOptions, build_cache
from prml.image_features.cache import INDEX, FeatureCache
from prml.image_features.clips import clips_of
from prml.image_features.feature_windows import FeatureWindows
from prml.image_features.source import FrameFeatures
from prml.io.keypoints import write_keypoints
from prml.io.poses import read_poses, write_poses
from prml.io.sequences import write_sequences
from prml.lifting.lifter import Lifter, LiftOptions, load
from prml.media.read import read_frames
from prml.networks import registry
from prml.pipeline.lift import lift
from prml.skeleton import H36M17
from prml.training.data import open_source
from prml.training.engine import fit
from prml.training.module import LiftingModule, context_of
from prml.weights.record import Card, Record, load_record

ROOT = Path(__file__).parents[2]
SMALL, OTHER = (f"{small_backbone.__file__}:{name}" for name in ("small", "other"))
ARGUMENTS = {"width": 16, "heads": 2, "features": list(small_backbone.CHANNELS)}


# ------------------------------------------------------------------------------------------------ crops
def _people(frames=6):
    rng = np.random.default_rng(0)
    return rng.uniform(100, 160, (frames, 1, 2)) + rng.normal(0, 30, (frames, 17, 2))


def test_a_crop_holds_all_joints_and_shows_them_where_it_says():
    keypoints = _people()
    where = crops.boxes(keypoints)
    inside = crops.to_crop(keypoints, where)
    assert (inside > 0).all()
    assert (inside < np.array([192, 256])).all()
    spread = (inside.max(1) - inside.min(1)) / np.array([192, 256])
    np.testing.assert_allclose(spread.max(1), 1 / crops.MARGIN)
    for frame, joint in ((0, 3), (4, 16)):
        x, y = keypoints[frame, joint]
        ys, xs = np.mgrid[:300, :300] + 0.5  # centres of pixels
        image = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / 18)
        seen = crops.cut((255 * np.repeat(image[..., None], 3, -1)).astype(np.uint8), where[frame])[..., 0].astype(
            float
        )
        ys, xs = np.mgrid[:256, :192] + 0.5
        found = np.array([(seen * xs).sum(), (seen * ys).sum()]) / seen.sum()
        np.testing.assert_allclose(found, inside[frame, joint], atol=0.3)


def test_crops_beyond_the_image_are_black_there():
    where = np.array([0.0, 0.0, 1.0])
    seen = crops.cut(np.full((300, 300, 3), 200, np.uint8), where)
    assert (seen[:126] == 0).all()
    assert (seen[:, :94] == 0).all()
    assert (seen[130:, 98:] == 200).all()
    assert (crops.cut(np.full((9, 9, 3), 200, np.uint8), np.array([5000.0, 5000, 1])) == 0).all()


def test_the_mirrored_reference_is_where_the_joints_are_in_the_mirrored_maps():
    places = torch.from_numpy(crops.reference(_people(1)))
    maps = torch.randn(1, 5, 16, 12)
    sample = torch.nn.functional.grid_sample
    seen = sample(maps, places[:, :, None], align_corners=True)
    mirrored = H36M17.flip(places)
    other = sample(maps.flip(-1), mirrored[:, :, None].float(), align_corners=True)
    torch.testing.assert_close(other[:, :, list(H36M17.mirror)], seen)


# ------------------------------------------------------------------------------------------------ backbones
def test_a_backbone_is_known_by_its_weights(tmp_path, backbone):
    assert backbone.channels == small_backbone.CHANNELS
    assert [s[1:] for s in backbone.shapes] == [(64, 48), (32, 24), (16, 12), (8, 6)]
    assert open_backbone(SMALL).fingerprint == backbone.fingerprint != open_backbone(OTHER).fingerprint
    save_file(small_backbone.small().state_dict(), tmp_path / "w.safetensors")
    assert open_backbone(OTHER, tmp_path / "w.safetensors").fingerprint == backbone.fingerprint
    torch.save(
        {
            "model": {f"module.backbone.{k}": v for k, v in small_backbone.small().state_dict().items()}
            | {"module.volume_net.head.weight": torch.zeros(2)}
        },
        tmp_path / "whole.bin",
    )
    assert open_backbone(OTHER, tmp_path / "whole.bin").fingerprint == backbone.fingerprint


def test_weights_that_do_not_fit_are_named():
    module, state = small_backbone.small(), small_backbone.small().state_dict()
    first = next(iter(state))
    for wrong, text in (
        ({k: v for k, v in state.items() if k != first}, f"lacks {first}"),
        ({**state, "head.weight": torch.zeros(1)}, "unknown head.weight"),
        ({**state, first: torch.zeros(1)}, f"another shape of {first}"),
    ):
        with pytest.raises(PrmlError, match=text):
            load_weights(module, wrong, "w.pth")
    module.not_used = ("head.",)
    load_weights(module, {**state, "head.weight": torch.zeros(1)}, "w.pth")


@pytest.mark.parametrize(
    ("name", "weights", "text"),
    [
        (f"{small_backbone.__file__}:no_maps", None, "returned"),
        (f"{small_backbone.__file__}:none", None, "none"),
        ("nowhere.py:small", None, "no file"),
        ("resnet50", None, "unknown backbone"),
        (SMALL, "absent.pth", "no file"),
    ],
)
def test_backbones_that_cannot_be_used_are_refused(name, weights, text):
    with pytest.raises(PrmlError, match=text):
        open_backbone(name, weights)


def test_hrnet_without_a_timm_that_works_is_refused_plainly(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(PrmlError, match=r"prml-pose\[backbone\]|cannot be imported"):
        open_backbone("hrnet_w32", "w.pth")

    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("prml.networks.backbone.import_module", broken)
    with pytest.raises(PrmlError, match=r"nms does not exist.*torchvision that belongs"):
        open_backbone("hrnet_w32", "w.pth")
    monkeypatch.setattr("prml.networks.backbone.import_module", lambda name: SimpleNamespace(create_model=_no_model))
    with pytest.raises(PrmlError, match="no backbone 'hrnet_w1'"):
        open_backbone("hrnet_w1", "w.pth")


def _no_model(*_, **__):
    raise RuntimeError("Unknown model (hrnet_w1)")


@pytest.mark.slow
def test_hrnet_w32_has_the_parameters_that_the_authors_have(tmp_path):
    try:
        import timm
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"timm does not work here: {error}")
    state = timm.create_model("hrnet_w32").state_dict()
    torch.save(state, tmp_path / "w.pth")
    opened = open_backbone("hrnet_w32", tmp_path / "w.pth")
    # all of CA-PF with this backbone, less its lifter
    assert sum(p.numel() for p in opened.module.parameters()) == 42_629_699 - 14_094_147
    assert opened.shapes == ((32, 64, 48), (64, 32, 24), (128, 16, 12), (256, 8, 6))


# ------------------------------------------------------------------------------------------------ the cache
def test_a_cache_holds_what_the_backbone_returns_for_the_frames(film, cache, clip, backbone):
    s = clip.sequence
    present = np.flatnonzero(s.has_person)
    rows = present[present % 2 == 0]
    assert cache.frames == len(rows)
    k = len(rows) // 2
    frame = next(f.image for f in read_frames(film) if f.index == rows[k])
    crop = crops.cut(frame, crops.boxes(s.keypoints_px[rows[k] : rows[k] + 1].astype(float))[0])[None]
    for name, image in (("map", crop), ("mirrored", crop[:, :, ::-1])):
        for kept, made in zip(cache.maps(name), backbone.features(crops.normalised(image.copy())), strict=True):
            np.testing.assert_allclose(kept[k], made[0], atol=1e-5, rtol=1e-5)  # batches round differently
    np.testing.assert_allclose(cache.targets[k], s.joints_m[rows[k]], atol=1e-6)
    found = list(cache.features(s, rows[[2, 5]], mirrored=True))
    np.testing.assert_array_equal(found[0].maps[1][1], cache.maps()[1][5])
    with pytest.raises(PrmlError, match="every=1"):
        list(cache.features(s, rows[[2]] + 1))
    with pytest.raises(PrmlError, match="other 2D"):
        list(cache.features(s.with_(keypoints_px=s.keypoints_px[:, ::-1]), rows[[2, 3]]))
    copy = pickle.loads(pickle.dumps(cache))  # what a worker process gets
    np.testing.assert_array_equal(copy.maps()[0][3], cache.maps()[0][3])
    assert len(pickle.dumps(cache)) < 1000


def test_half_precision_takes_half_the_space(cache, clip, backbone, tmp_path):
    short = replace(clip, sequence=clip.sequence.take(slice(24)))
    build_cache(tmp_path / "half", [short], backbone, CacheOptions(mirrored=False))
    half = FeatureCache(tmp_path / "half")
    values = sum(int(np.prod(shape)) for shape in half.shapes)
    assert sum((tmp_path / "half" / f"map{i}.bin").stat().st_size for i in range(4)) == 2 * values * half.frames
    np.testing.assert_allclose(half.maps()[0][4], cache.maps()[0][2], rtol=2e-3, atol=1e-3)
    with pytest.raises(PrmlError, match="needs mirrored features"):
        FeatureWindows([half], WindowOptions(frames=1, stride=1), part="train", seed=0)
    with pytest.raises(PrmlError, match="no mirrored features"):
        list(half.features(short.sequence, np.array([0]), mirrored=True))


def test_a_stale_cache_is_refused_or_rebuilt(clip, backbone, tmp_path):
    short, out = replace(clip, sequence=clip.sequence.take(slice(6))), tmp_path / "c"
    options = CacheOptions(mirrored=False)
    assert build_cache(out, [short], backbone, options)
    before = (out / INDEX).stat().st_mtime_ns
    assert not build_cache(out, [short], backbone, options)
    moved = replace(short, sequence=short.sequence.with_(keypoints_px=short.sequence.keypoints_px + 1))
    for changed, text in (
        (([short], open_backbone(OTHER), options), "backbone or its weights"),
        (([moved], backbone, options), "poses"),
        (([short], backbone, replace(options, every=2)), "options"),
    ):
        with pytest.raises(PrmlError, match=f"stale.*{text}.*overwrite=True"):
            build_cache(out, *changed)
    assert (out / INDEX).stat().st_mtime_ns == before
    assert build_cache(out, [moved], backbone, options, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("keep")
    with pytest.raises(PrmlError, match="not a feature cache"):
        build_cache(tmp_path / "mine", [short], backbone, options, overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "keep"


def test_damaged_and_old_caches_are_refused(clip, backbone, tmp_path, monkeypatch):
    short, out = replace(clip, sequence=clip.sequence.take(slice(4))), tmp_path / "c"
    build_cache(out, [short], backbone, CacheOptions(mirrored=False))
    with monkeypatch.context() as patch:
        patch.setattr(crops, "RULE", "another")
        with pytest.raises(PrmlError, match="stale: its crops"):
            FeatureCache(out)
    (out / "map2.bin").write_bytes((out / "map2.bin").read_bytes()[:-1])
    with pytest.raises(PrmlError, match=r"map2.bin is damaged"):
        FeatureCache(out)
    with pytest.raises(PrmlError, match="not a feature cache"):
        FeatureCache(tmp_path)


def test_a_build_that_fails_leaves_nothing(clip, backbone, tmp_path):
    names = ("keypoints_px", "confidence", "joints_m", "has_person", "filled")
    twice = {k: np.concatenate([getattr(clip.sequence, k)] * 2) for k in names}
    times_s = np.arange(len(twice["filled"])) / 30
    long = clip.sequence.with_(times_s=times_s, std_m=None, inferred=None, detection=None, **twice)
    with pytest.raises(PrmlError, match="is it their video"):
        build_cache(tmp_path / "c", [replace(clip, sequence=long)], backbone, CacheOptions(every=30))
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------------ windows
def test_windows_hold_out_the_end_and_mirror_whole_samples(cache):
    options = WindowOptions(frames=1, stride=1, batch=8, in_channels=2, flip=0.5)
    train, val = (FeatureWindows([cache], options, part=part, seed=0) for part in ("train", "val"))
    assert not set(np.concatenate(train.rows)) & set(np.concatenate(val.rows))
    assert len(train.index) + len(val.index) == cache.frames
    row = train.index[3:4]
    plain, flipped = (
        FeatureWindows([cache], replace(options, flip=p), part="train", seed=0).make(np.random.default_rng(0), row)
        for p in (0.0, 1.0)
    )
    assert plain["input"].shape == (1, 1, 17, 2)
    assert plain["map0"].shape == (1, 1, *cache.shapes[0])
    mirror = list(H36M17.mirror)
    for name in ("input", "target", "reference"):
        sign = torch.tensor([-1.0, 1.0, 1.0])[: plain[name].shape[-1]]
        torch.testing.assert_close(flipped[name][..., mirror, :] * sign, plain[name])
    at = train.rows[0][3]
    np.testing.assert_array_equal(flipped["map1"][0, 0], cache.maps("mirrored")[1][at])
    again = train[(0, 1)]
    torch.testing.assert_close(train[(0, 1)]["map3"], again["map3"])
    reference, maps = context_of(again)
    assert [len(m) for m in maps] == [8] * 4
    assert reference.shape == (8, 1, 17, 2)


def test_caches_of_different_frame_rates_are_refused(cache):
    faster = FeatureCache(cache.folder)
    faster.index["clips"] = [{**clip, "fps": 2 * clip["fps"]} for clip in faster.index["clips"]]
    with pytest.raises(PrmlError, match="cannot be trained on together: their frames a second are"):
        FeatureWindows([cache, faster], WindowOptions(flip=0.0), part="train", seed=0)


# ------------------------------------------------------------------------------------------------ training and lifting
def _config(name, folder, *more):
    arguments = ",".join(f"{k}: {v}" for k, v in ARGUMENTS.items())
    config = read_config(
        str(ROOT / "configs" / "paper" / f"{name}.yaml"),
        [
            f"--data.directory={folder}",
            "--data.windows.batch=8",
            "--data.workers=0",
            "--run.max_steps=60",
            "--optimiser.learning_rate=3e-3",
            "--run.epochs=100",
            "--run.progress=false",
            "--run.log_every=1",
            *more,
        ],
    )
    config.network.arguments |= yaml.safe_load("{" + arguments + "}")
    return config


@pytest.fixture(scope="module")
def trained(cache, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "capf"
    return fit(_config("table7_capf_dual", cache.folder), out)


@pytest.mark.filterwarnings("ignore")
def test_capf_learns_from_a_cache_and_its_record_says_of_what(trained, cache):
    log = (trained / "logs" / "csv" / "metrics.csv").read_text().splitlines()
    column = log[0].split(",").index("train/loss")
    losses = [float(v) for line in log[1:] if (v := line.split(",")[column])]
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:5])
    card = load_record(trained).card
    assert card.context["fingerprint"] == cache.fingerprint
    assert (card.normalisation, card.output, card.data_licence) == ("screen", "camera_m", "BSD-3")
    assert card.weights_licence == "that of the data: BSD-3"
    assert set(card.scores["validation"]) >= {"mpjpe"}


@pytest.mark.filterwarnings("ignore")
def test_the_video_is_lifted_by_the_verb(film, trained, tmp_path, lifted):
    out = tmp_path / "out"
    words = ["lift", str(film), "--weights", str(trained), "--model", "lite", "--out", str(out)]
    words += ["--overlay", "false", "--viewer", "false"]
    assert main(words) == 2  # its backbone is code: never run unless it is named
    assert main([*words, "--backbone", OTHER]) == 2
    assert not out.exists()
    assert main([*words, "--backbone", SMALL]) == 0
    got = read_poses(out / "poses.npz")
    np.testing.assert_array_equal(got.has_person, lifted.has_person)
    error = np.linalg.norm(got.joints_m - lifted.joints_m, axis=-1)[got.has_person].mean()
    assert error < 0.35  # metres; it has seen most of these frames, for a minute


def test_video_and_cache_give_the_same_poses(film, trained, cache, clip, backbone):
    present = np.flatnonzero(clip.sequence.has_person)
    gone = np.setdiff1d(np.arange(len(clip.sequence)), present[present % 2 == 0][:12])
    keypoints = clip.sequence.keypoints_px.copy()
    keypoints[gone] = np.nan
    sequence, options = clip.sequence.with_(keypoints_px=keypoints, joints_m=None), LiftOptions(flip=True)
    sources = (FrameFeatures(film, backbone, batch=5), cache)
    a, b = (Lifter(load_record(trained), options, image_features=s).lift(sequence).joints_m for s in sources)
    assert np.isfinite(a).all((1, 2)).sum() == 12
    np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(a[~np.isnan(a).any((1, 2)), 0], 0, atol=1e-7)


def test_what_does_not_belong_together_is_refused(film, trained, cache, tmp_path, lifted):
    with pytest.raises(PrmlError, match="needs image features"):
        load(trained)
    with pytest.raises(PrmlError, match="was trained on features from"):
        Lifter(load_record(trained), image_features=FrameFeatures(film, open_backbone(OTHER)))
    with pytest.raises(PrmlError, match="needs no image features"):
        lift(film, weights="prml-xs", backbone=SMALL)
    keypoints = tmp_path / "k.npz"
    write_keypoints(lifted, keypoints)
    with pytest.raises(PrmlError, match="keypoints only"):
        lift(keypoints, weights=str(trained))
    with pytest.raises(PrmlError, match="needs image features beside the 2D"):
        open_source(_config("table7_capf_single", cache.folder, "--data.kind=mocap"))
    with pytest.raises(PrmlError, match="takes no image features"):
        open_source(_config("table7_capf_single", cache.folder, "--network.name=motionbert"))
    wide = _config("table7_capf_single", cache.folder)
    wide.network.arguments["features"] = "hrnet_32"
    with pytest.raises(PrmlError, match=r"the cache has \[4, 6, 8, 10\]"):
        open_source(wide)
    with pytest.raises(PrmlError, match="no feature cache in"):
        open_source(_config("table7_capf_single", tmp_path))
    card = Card(
        name="old",
        network="capf",
        arguments=ARGUMENTS,
        window=1,
        context={"crop": "another", "fingerprint": cache.fingerprint},
    )
    with pytest.raises(PrmlError, match="trained on crops"):
        Lifter(Record(registry.build("capf", **ARGUMENTS), None, card), image_features=cache)


def test_one_and_two_heads_take_a_step(cache):
    for name in ("table7_capf_single", "table7_capf_dual"):
        config = _config(name, cache.folder)
        module = LiftingModule(config, steps_per_epoch=1, total_steps=1)
        terms = module.losses(open_source(config).train[(0, 0)])
        terms["loss"].backward()
        assert torch.isfinite(terms["loss"])
        assert (type(module.network.head).__name__ == "DualHead") == name.endswith("dual")


# ------------------------------------------------------------------------------------------------ the command
def test_prml_data_features_from_a_lifted_clip_and_from_own_files(film, lifted, tmp_path, capsys):
    short = lifted.take(slice(8))
    write_poses(short, tmp_path / "poses.npz", {"made": "here"})
    words = ["data", "features", str(film), str(tmp_path / "poses.npz"), "--backbone", SMALL, "--every", "2"]
    assert main([*words, "--out", str(tmp_path / "c")]) == 0
    assert "4 frames" in capsys.readouterr().out
    assert main([*words, "--out", str(tmp_path / "c")]) == 0
    assert "up to date" in capsys.readouterr().out
    assert main([*words[:-1], "4", "--out", str(tmp_path / "c")]) == 2
    assert "stale" in capsys.readouterr().err
    assert main([*words, "--out", str(tmp_path / "d"), "--weights", str(tmp_path / "poses.npz")]) == 2
    (tmp_path / "videos").mkdir()
    for name in ("a", "b"):
        (tmp_path / "videos" / f"{name}.mp4").symlink_to(film)
    parts = [short.with_(name=n, labels={"split": s}) for n, s in (("a", "train"), ("b", "val"))]
    write_sequences(tmp_path / "own.npz", parts)
    clips = clips_of(tmp_path / "videos", tmp_path / "own.npz")
    assert [(c.frames.name, c.split) for c in clips] == [("a.mp4", "train"), ("b.mp4", "val")]
    (tmp_path / "videos" / "b.mp4").unlink()
    with pytest.raises(PrmlError, match="no video of the clip 'b'"):
        clips_of(tmp_path / "videos", tmp_path / "own.npz")


def test_human36m_finds_the_release_s_videos(tmp_path, monkeypatch):
    from fixtures import human36m

    monkeypatch.setenv("PRML_CACHE", str(tmp_path / "cache"))
    human36m.write_npz_pair(tmp_path / "npz", actions=("Photo 1",), frames=6)
    human36m.write_cameras_json(tmp_path / "npz" / "camera-parameters.json")
    with pytest.raises(PrmlError, match="no video of the clip"):
        clips_of(tmp_path, tmp_path / "npz", keypoints="gt")
    for subject in ("S1", "S5", "S6", "S7", "S8", "S9", "S11"):
        for camera in ("54138969", "55011271", "58860488", "60457274"):
            video = tmp_path / subject / "Videos" / f"TakingPhoto 1.{camera}.mp4"
            video.parent.mkdir(parents=True, exist_ok=True)
            video.touch()
    clips = clips_of(tmp_path, tmp_path / "npz", keypoints="gt")
    assert {c.split for c in clips if c.sequence.subject in ("S9", "S11")} == {"val"}
    assert all(c.sequence.name.split("/")[2] in c.frames.name for c in clips)


def test_a_folder_of_images_is_a_clip(film, clip, backbone, tmp_path):
    from PIL import Image

    for frame in read_frames(film):
        if frame.index == 5:
            break
        Image.fromarray(frame.image).save(tmp_path / f"{frame.index:06d}.png")
    short = clip.sequence.take(slice(5))
    a, b = (next(FrameFeatures(p, backbone).features(short, np.arange(5))) for p in (tmp_path, film))
    for x, y in zip(a.maps, b.maps, strict=True):
        torch.testing.assert_close(x, y)
