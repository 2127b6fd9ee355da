"""PrML with image features (Table 13): fusion, windows over a cache, training, scoring, lifting; stopped builds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fixtures import backbone as small_backbone
from fixtures import human36m
from prml.batches.depth import standardised
from prml.batches.options import WindowOptions
from prml.cli import main
from prml.commands.fit import read_config
from prml.datasets.human36m_sh import PICKLE, read_human36m_sh
from prml.errors import PrmlError
from prml.image_features import build, crops
from prml.image_features.backbones import open_backbone
from prml.image_features.build import Clip, build_cache
from prml.image_features.cache import FeatureCache
from prml.image_features.feature_windows import FeatureWindows
from prml.image_features.options import CacheOptions
from prml.image_features.source import Features, FrameFeatures
from prml.io.poses import read_poses
from prml.lifting.image_features import nearest_frames
from prml.lifting.lifter import Lifter, LiftOptions
from prml.networks import registry
from prml.networks.prml.image_fusion import ImageFusion, grid, waves
from prml.skeleton import H36M17
from prml.training.data import open_source
from prml.training.engine import fit
from prml.training.module import LiftingModule
from prml.weights.record import Card, Record, load_record, save_record

ROOT = Path(__file__).parents[2]
LATENTS = f"{small_backbone.__file__}:latents"
SMALL = {"frames": 5, "width": 16, "heads": 2, "branch_blocks": 1}


def _network(**more):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return registry.build("prml", **{**SMALL, **more}).eval()


def _images(batch=2, frames=5, size=(6, 5)):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, frames, 17, 3, generator=generator)
    places = torch.rand(batch, frames, 17, 2, generator=generator) * 2 - 1
    return x, places, [torch.randn(batch * frames, 4, *size, generator=generator)]


# ------------------------------------------------------------------------------------------------ the fusion
@pytest.mark.parametrize(("tasks", "moved"), [("2d", (True, False)), ("depth", (False, True)), ("both", (True, True))])
def test_each_branch_is_given_images_by_itself(tasks, moved):
    network = _network(image_features=tasks, decoder=False)
    x, places, maps = _images()
    assert network.image_channels == (4,)
    with torch.no_grad():
        poses = [network(x, places, [scale * m for m in maps]) for scale in (1, 3)]
    changed = (poses[0] - poses[1]).abs().amax((0, 1, 2)) > 1e-6
    assert changed.tolist() == [moved[0], moved[0], moved[1]]


def test_a_network_takes_image_features_exactly_if_it_is_built_for_them():
    plain, images = _network(), _network(image_features="both")
    added = {k.split(".")[0] for k in images.state_dict() if k not in plain.state_dict()}
    assert added == {"image_2d", "image_depth"}
    assert plain.image_channels == ()
    x, *_ = _images()
    with pytest.raises(PrmlError, match="takes no image features"):
        plain(*_images())
    with pytest.raises(PrmlError, match=r"expects joints in the crop and maps of \[4\] channels for each of 10 frames"):
        images(x)


def test_every_joint_asks_its_own_frame_only():
    fusion = ImageFusion(width=8, heads=2, mlp_ratio=2.0, channels=(4,)).eval()
    _, places, (m,) = _images()
    feature = torch.randn(2, 5, 17, 8, generator=torch.Generator().manual_seed(2))
    other = m.clone()
    other[7] += 1  # the third frame of the second window
    with torch.no_grad():
        differs = (fusion(feature, places, [m]) - fusion(feature, places, [other])).abs().amax((2, 3)) > 1e-7
    assert differs.nonzero().tolist() == [[1, 2]]


def test_places_of_a_map_are_those_at_which_features_are_sampled():
    places = grid((4, 3), torch.zeros(1))
    m = torch.randn(1, 2, 4, 3)
    sampled = torch.nn.functional.grid_sample(m, places[None, :, None], align_corners=True)[..., 0]
    torch.testing.assert_close(sampled, m.flatten(2))
    assert waves(places).shape == (12, 24)
    assert len({tuple(row) for row in waves(places).round(decimals=5).tolist()}) == 12


@pytest.mark.parametrize("step", [lambda: torch.autocast("cpu", torch.bfloat16), torch.enable_grad])
def test_a_context_of_another_length_trains_in_every_precision(step):
    network = _network(image_features="both").train()
    with step():
        network(*_images()).square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    assert network.image_2d.values[0].weight.grad.abs().sum() > 0


# ------------------------------------------------------------------------------------------------ training to lifting
@pytest.fixture(scope="module")
def latents():
    return open_backbone(LATENTS)


@pytest.fixture(scope="module")
def latent_cache(tmp_path_factory, clip, latents):
    out = tmp_path_factory.mktemp("latents") / "jump"
    build_cache(out, [clip], latents, CacheOptions(half=False))
    return FeatureCache(out)


def _config(folder, *more):
    words = [f"--data.directory={folder}", "--data.windows.batch=4", "--data.workers=0", "--run.max_steps=2"]
    words += ["--data.windows.frames=5", "--run.progress=false", "--run.log_every=1", *more]
    config = read_config(str(ROOT / "configs" / "paper" / "table13_image-2d.yaml"), words)
    config.network.arguments |= SMALL
    return config


@pytest.fixture(scope="module")
def trained(latent_cache, tmp_path_factory):
    return fit(_config(latent_cache.folder), tmp_path_factory.mktemp("run") / "prml")


@pytest.mark.filterwarnings("ignore")
def test_prml_with_images_trains_and_lifts_the_video(film, trained, latent_cache, lifted, tmp_path):
    card = load_record(trained).card
    assert card.context["fingerprint"] == latent_cache.fingerprint
    assert card.arguments["image_features"] == "2d"
    words = ["lift", str(film), "--weights", str(trained), "--model", "lite", "--out", str(tmp_path / "out")]
    words += ["--overlay", "false", "--viewer", "false", "--motion", "false"]
    assert main(words) == 2  # its backbone is code: never run unless it is named
    assert main([*words, "--backbone", LATENTS]) == 0
    got = read_poses(tmp_path / "out" / "poses.npz")
    np.testing.assert_array_equal(got.has_person, lifted.has_person)
    assert np.isfinite(got.joints_m[got.has_person]).all()


def test_windows_of_a_video_and_of_a_cache_give_the_same_poses(film, trained, latent_cache, lifted, latents):
    record, piece = load_record(trained), lifted.take(slice(40))
    for options in (LiftOptions(flip=True, overlap=2, batch=3), LiftOptions(flip=False, centre=True, batch=7)):
        sources = (FrameFeatures(film, latents, batch=5), latent_cache)
        a, b = (Lifter(record, options, image_features=s).lift(piece).joints_m for s in sources)
        np.testing.assert_allclose(a, b, atol=1e-5)
        assert np.isfinite(a[piece.has_person]).all()


def test_windows_ask_for_the_frames_that_they_show(trained, latent_cache, lifted):
    """One window, its frames given by hand: what the lifter blends is what the network says."""
    record, rows = load_record(trained), np.flatnonzero(lifted.has_person)[:5]
    piece = lifted.take(slice(int(rows[0]), int(rows[-1]) + 1))
    lifter = Lifter(record, LiftOptions(flip=False, centre=True), image_features=latent_cache)
    seen = next(latent_cache.features(piece, np.arange(5)))
    x = torch.from_numpy(lifter.inputs(piece, piece.times_s))[None]
    with torch.inference_mode():
        pose = record.network(x, torch.from_numpy(seen.reference)[None], seen.maps)[0, 2].numpy()
    np.testing.assert_allclose(lifter.lift(piece).joints_m[2], pose - pose[:1], atol=1e-5)


def test_a_slower_network_takes_the_nearest_frames(film, trained, lifted, latents):
    record, asked = load_record(trained), []
    slower = Record(record.network, record.uncertainty, replace(record.card, fps=lifted.fps / 2))

    class Noted(FrameFeatures):
        def features(self, sequence, rows, *, mirrored=False):
            asked.extend(rows.tolist())
            return super().features(sequence, rows, mirrored=mirrored)

    got = Lifter(slower, image_features=Noted(film, latents)).lift(lifted)
    present = int(lifted.has_person.sum())
    assert present / 2 <= len(asked) <= present / 2 + 2
    assert np.isfinite(got.joints_m[lifted.has_person]).all()
    times = np.array([0.0, 1.0, 2.0])
    assert nearest_frames(times, np.array([-1, 0.4, 0.6, 1.5, 9])).tolist() == [0, 0, 1, 1, 2]
    assert nearest_frames(times[:1], np.array([0.0, 3.0])).tolist() == [0, 0]


def test_the_information_loss_sees_the_features_of_images(latent_cache):
    module = LiftingModule(_config(latent_cache.folder), steps_per_epoch=1, total_steps=1)
    batch = FeatureWindows([latent_cache], WindowOptions(frames=5, stride=5, batch=2), part="train", seed=0)[(0, 0)]
    terms = module.losses(batch)
    terms["loss"].backward()
    assert "mi" in terms
    assert module.network.image_2d.place.weight.grad.abs().sum() > 0


def test_windows_do_not_reach_over_frames_without_a_person(clip, latents, tmp_path):
    keypoints = clip.sequence.keypoints_px.copy()
    start = int(np.flatnonzero(clip.sequence.has_person)[0])
    keypoints[start + 12 : start + 15] = np.nan
    gapped = clip.sequence.with_(keypoints_px=keypoints).take(slice(start, start + 40))
    build_cache(tmp_path / "c", [replace(clip, sequence=gapped)], latents, CacheOptions(mirrored=False))
    cache = FeatureCache(tmp_path / "c")
    windows = FeatureWindows([cache], WindowOptions(frames=5, stride=1, flip=0), part="train", seed=0)
    for _, piece, first in windows.index:
        rows = windows.rows[piece][np.minimum(first + np.arange(5), len(windows.rows[piece]) - 1)]
        assert np.diff(cache.times_s[rows]).max() < 1.5 / clip.sequence.fps
    single = FeatureWindows([cache], WindowOptions(frames=1, stride=1, flip=0), part="train", seed=0)
    assert len(single.rows) == 1


def test_targets_in_image_space_keep_their_units(latents, clip, tmp_path):
    """Human3.6M's Stacked-Hourglass pickle: its training split does not say what a pixel is worth."""
    human36m.write_sh_pickle(tmp_path / PICKLE, frames=6, short=False)
    (tmp_path / "film").mkdir()
    for number in range(6):
        Image.new("RGB", (1000, 1002), (40 * number, 90, 30)).save(tmp_path / "film" / f"{number}.png")
    filmed = [
        Clip(next(read_human36m_sh(tmp_path / PICKLE, split)), tmp_path / "film", part, "image")
        for split, part in (("train", "train"), ("test", "val"))
    ]
    build_cache(tmp_path / "c", filmed, latents, CacheOptions(mirrored=False))
    cache = FeatureCache(tmp_path / "c")
    assert cache.label == "image"
    options = WindowOptions(frames=3, stride=3, batch=2, flip=0)
    train, val = (FeatureWindows([cache], options, part=part, seed=0) for part in ("train", "val"))
    assert "unit_m" not in train[(0, 0)]
    batch, s = val.make(np.random.default_rng(0), val.index[:1]), filmed[1].sequence
    metres = batch["target"][0].numpy() * batch["unit_m"][0].numpy()[:, None, None]
    np.testing.assert_allclose(metres, s.joints_m[:3] - s.joints_m[:3, :1], atol=1e-5)
    assert open_source(_config(tmp_path / "c", "--data.windows.flip=0")).output == "image"
    with pytest.raises(PrmlError, match="one kind of label, got camera_m and image"):
        build_cache(tmp_path / "d", [clip, filmed[0]], latents)


# ------------------------------------------------------------------------------------------------ relative depth
class _Depth:
    """A source of features whose first channel is x of the crop, so that its value at a joint is the joint's x."""

    fingerprint = "depth"

    def features(self, sequence, rows, *, mirrored=False):
        places = crops.reference(sequence.to_skeleton(H36M17).keypoints_px[rows].astype(float))
        ramp = torch.linspace(-1, 1, 48).expand(1, 64, -1)
        level = torch.stack([ramp, torch.zeros(1, 64, 48)], 1)
        for i in range(0, len(rows), 7):
            part = rows[i : i + 7]
            yield Features(part, places[i : i + 7], [level.expand(len(part), -1, -1, -1)], None)


def test_a_network_of_four_channels_is_given_depth_sampled_at_the_joints(lifted):
    network, seen = _network(in_channels=4), []
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    card = Card(name="deep", network="prml", arguments={"in_channels": 4}, window=5, fps=lifted.fps)
    first = int(np.flatnonzero(lifted.has_person)[0])
    piece = lifted.take(slice(first, first + 30))
    options = LiftOptions(flip=True, centre=True, batch=30)
    got = Lifter(Record(network, None, card), options, image_features=_Depth()).lift(piece)
    assert np.isfinite(got.joints_m).all()
    plain, mirrored = seen[0].numpy().reshape(2, -1, 5, 17, 4)
    places = crops.reference(piece.keypoints_px.astype(float))[..., 0]
    np.testing.assert_allclose(plain[2, ..., 3], standardised(places[:5]), atol=1e-4)
    np.testing.assert_allclose(mirrored[..., 3], plain[..., 3][..., list(H36M17.mirror)], atol=1e-6)


def test_weights_with_depth_ask_for_a_depth_network(film, tmp_path, capsys):
    card = Card(name="deep", network="prml", arguments={**SMALL, "in_channels": 4}, window=5, fps=30.0)
    save_record(tmp_path, card, _network(in_channels=4))
    words = ["lift", str(film), "--weights", str(tmp_path / "deep.yaml"), "--out", str(tmp_path / "out")]
    for more, told in (
        (["--backbone", LATENTS], "needs relative depth at the joints; give --backbone depth-anything"),
        ([], "depth-anything needs weights"),
    ):
        assert main([*words, *more]) == 2
        assert told in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ a build that stops
class _Stopping:
    """A backbone that the user stops after some batches."""

    def __init__(self, backbone, batches):
        self.backbone, self.left = backbone, batches

    def __getattr__(self, name):
        return getattr(self.backbone, name)

    def features(self, images):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.backbone.features(images)


def _contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_a_stopped_build_is_continued_and_gives_the_same(clip, latents, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_BATCH", 8)
    first = replace(clip, sequence=clip.sequence.take(slice(20)).with_(name="first"))
    clips, options = [first, replace(clip, sequence=clip.sequence.take(slice(40)))], CacheOptions()
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    build_cache(whole, clips, latents, options)
    with pytest.raises(KeyboardInterrupt):
        build_cache(parts, clips, _Stopping(latents, 9), options)
    assert not parts.exists()
    draft = tmp_path / ".parts.part"
    with (draft / "map0.bin").open("ab") as file:
        file.write(b"half a frame")
    done = []
    assert build_cache(parts, clips, latents, options, progress=lambda n, total: done.append(n))
    assert done[0] > 8  # what was computed is not computed again
    assert _contents(parts) == _contents(whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["parts", "whole"]


def test_a_draft_of_other_settings_is_begun_again(clip, latents, tmp_path):
    short = replace(clip, sequence=clip.sequence.take(slice(40)))
    with pytest.raises(KeyboardInterrupt):
        build_cache(tmp_path / "c", [short], _Stopping(latents, 1), CacheOptions(mirrored=False))
    done = []
    options = CacheOptions(mirrored=False, half=False)
    build_cache(tmp_path / "c", [short], latents, options, progress=lambda n, total: done.append(n))
    assert done[0] <= 16
    assert FeatureCache(tmp_path / "c").dtype == np.float32
