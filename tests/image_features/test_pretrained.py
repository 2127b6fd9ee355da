"""SDXL's VAE and Depth Anything as backbones, tiny and random, on real frames: features, training, scoring, lifting.

They need diffusers and transformers (the extras vae and depth), which the locked environment leaves out.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from prml.cli import main
from prml.commands.fit import read_config
from prml.errors import PrmlError
from prml.image_features import crops, pretrained
from prml.image_features.backbones import open_backbone
from prml.image_features.build import build_cache
from prml.image_features.cache import FeatureCache
from prml.image_features.options import CacheOptions
from prml.io.poses import read_poses
from prml.io.sequences import write_sequences
from prml.lifting.lifter import Lifter
from prml.networks import registry
from prml.training.engine import fit
from prml.weights.record import Card, load_record, save_record

QUICK = ("--overlay", "false", "--viewer", "false", "--motion", "false")
CONFIGS = Path(__file__).parents[2] / "configs" / "paper"
SMALL = {
    "prml": {"frames": 5, "width": 16, "heads": 2, "branch_blocks": 1},
    "capf": {"width": 16, "heads": 2},
}


def tiny_vae(folder: Path, **more: object) -> Path:
    """A random AutoencoderKL with SDXL's latents."""
    diffusers = pytest.importorskip("diffusers", reason="needs diffusers (pip install 'prml-pose[vae]')")
    kinds = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    sizes = {"block_out_channels": [4, 4, 8, 8], "norm_num_groups": 2, "layers_per_block": 1}
    torch.manual_seed(0)
    vae = diffusers.AutoencoderKL(**kinds, **sizes, **{"scaling_factor": pretrained.SCALING, **more})
    vae.save_pretrained(folder)
    return folder


def tiny_depth(folder: Path) -> Path:
    """A random Depth Anything on a random DINOv2."""
    transformers = pytest.importorskip("transformers", reason="needs transformers (pip install 'prml-pose[depth]')")
    dinov2 = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = transformers.DepthAnythingConfig(
        backbone_config=dinov2, reassemble_hidden_size=16, neck_hidden_sizes=[4, 4, 8, 8], fusion_hidden_size=6,
        head_hidden_size=4,
    )  # fmt: skip
    model, generator = transformers.DepthAnythingForDepthEstimation(config), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():  # its own are so small that the depth is the same everywhere
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    return tiny_vae(tmp_path_factory.mktemp("vae"))


@pytest.fixture(scope="module")
def depth(tmp_path_factory):
    return tiny_depth(tmp_path_factory.mktemp("depth"))


def _fit(name, folder, out, *more):
    words = [f"--data.directory={folder}", "--data.windows.batch=4", "--data.workers=0", "--run.max_steps=2"]
    config = read_config(str(CONFIGS / f"{name}.yaml"), [*words, "--run.progress=false", *more])
    config.network.arguments |= SMALL[config.network.name]
    return fit(config, out)


# ------------------------------------------------------------------------------------------------ refusals
@pytest.mark.parametrize("name", [pretrained.SDXL_VAE, pretrained.DEPTH_ANYTHING])
@pytest.mark.parametrize("weights", [None, "absent", "hf:", "hf:only-a-name", "hf:a/b/c"])
def test_weights_that_cannot_be_are_refused_before_anything_is_loaded(name, weights):
    with pytest.raises(PrmlError, match=f"{name} needs weights: a folder .* or hf:"):
        open_backbone(name, weights)


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    for name, package, extra in (
        (pretrained.SDXL_VAE, "diffusers", "vae"),
        (pretrained.DEPTH_ANYTHING, "transformers", "depth"),
    ):

        def missing(asked):
            raise ModuleNotFoundError(f"No module named {asked!r}", name=asked)

        monkeypatch.setattr(pretrained, "import_module", missing)
        with pytest.raises(PrmlError, match=rf"needs {package}: pip install 'prml-pose\[{extra}\]'"):
            open_backbone(name, tmp_path)


# ------------------------------------------------------------------------------------------------ SDXL's VAE
@pytest.mark.slow
def test_latents_are_the_encoder_s_mean_times_the_published_factor(vae):
    diffusers = pytest.importorskip("diffusers")
    opened = open_backbone("sdxl-vae", vae)
    assert opened.shapes == ((4, 32, 24),)
    assert opened.fingerprint == open_backbone("sdxl-vae", vae).fingerprint
    crop = np.random.default_rng(0).integers(0, 256, (2, 256, 192, 3), dtype=np.uint8)
    model = diffusers.AutoencoderKL.from_pretrained(vae).eval()
    with torch.inference_mode():
        signed = torch.from_numpy(crop).permute(0, 3, 1, 2).float() / 127.5 - 1
        mean = model.encode(signed).latent_dist.mean * 0.13025
    torch.testing.assert_close(opened.features(crops.normalised(crop))[0], mean, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_another_vae_and_damaged_weights_are_refused(vae, tmp_path):
    with pytest.raises(PrmlError, match=r"expected SDXL's VAE .* 0.13025, this one has 0.18215"):
        open_backbone("sdxl-vae", tiny_vae(tmp_path / "sd", scaling_factor=0.18215))
    whole = load_file(vae / "diffusion_pytorch_model.safetensors")
    config = (vae / "config.json").read_text()
    for name, state, text in (
        ("less", {k: v for k, v in whole.items() if k != "encoder.conv_in.bias"}, "lacks encoder.conv_in.bias"),
        ("more", {**whole, "surplus": torch.zeros(1)}, "has the unknown surplus"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(config)
        save_file(state, tmp_path / name / "diffusion_pytorch_model.safetensors")
        with pytest.raises(PrmlError, match=text):
            open_backbone("sdxl-vae", tmp_path / name)
    (tmp_path / "less" / "diffusion_pytorch_model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(PrmlError, match="cannot be loaded as AutoencoderKL"):
        open_backbone("sdxl-vae", tmp_path / "less")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_prml_trains_on_latents_is_scored_and_lifts_the_video(film, lifted, vae, tmp_path, capsys):
    write_sequences(tmp_path / "own.npz", [lifted.with_(name="jump", labels={"split": "train"})])
    words = ["data", "features", str(film), str(tmp_path / "own.npz"), "--backbone", "sdxl-vae", "--weights", str(vae)]
    assert main([*words, "--out", str(tmp_path / "c")]) == 0
    assert main([*words, "--out", str(tmp_path / "c")]) == 0
    assert "up to date" in capsys.readouterr().out
    run = _fit("table13_image-all", tmp_path / "c", tmp_path / "run", "--data.windows.frames=5")
    card = load_record(run).card
    assert (card.context["name"], card.window) == ("sdxl-vae", 5)
    scored = Lifter(load_record(run), image_features=FeatureCache(tmp_path / "c")).lift(lifted).joints_m
    lift = ["lift", str(film), "--weights", str(run), "--model", "lite", *QUICK]
    assert main([*lift, "--backbone-weights", str(vae), "--flip", "--out", str(tmp_path / "out")]) == 0
    got = read_poses(tmp_path / "out" / "poses.npz")
    np.testing.assert_array_equal(got.has_person, lifted.has_person)
    # the cache is float16
    np.testing.assert_allclose(got.joints_m[got.has_person], scored[got.has_person], atol=2e-3)


# ------------------------------------------------------------------------------------------------ Depth Anything
@pytest.mark.slow
def test_depth_is_relative_and_its_features_follow(depth):
    transformers = pytest.importorskip("transformers")
    opened = open_backbone("depth-anything", depth)
    assert opened.shapes == ((7, 64, 48),)
    crop = np.random.default_rng(0).integers(0, 256, (2, 256, 192, 3), dtype=np.uint8)
    images = crops.normalised(crop)
    found = opened.features(images)[0]
    torch.testing.assert_close(found[:, 0].mean((1, 2)), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(found[:, 0].std((1, 2), correction=0), torch.ones(2), atol=1e-3, rtol=0)
    model = transformers.DepthAnythingForDepthEstimation.from_pretrained(depth).eval()
    with torch.inference_mode():
        given = torch.nn.functional.interpolate(images, (336, 252), mode="bicubic")
        predicted = model(given).predicted_depth[:, None]
        pooled = torch.nn.functional.adaptive_avg_pool2d(predicted, (64, 48))[:, 0]
    for ours, theirs in zip(found[:, 0], pooled, strict=True):
        slope = float((ours * (theirs - theirs.mean())).mean())
        torch.testing.assert_close(ours * slope + theirs.mean(), theirs, atol=1e-5, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_capf_trains_with_depth_features_as_one_more_level(film, clip, lifted, depth, tmp_path):
    from fixtures import backbone as small_backbone

    name = f"{small_backbone.__file__}:small"
    opened = open_backbone(name, depth_weights=depth)
    assert opened.name == "backbone.py:small+depth-anything"
    assert opened.channels == (*small_backbone.CHANNELS, 7)
    with pytest.raises(PrmlError, match="depth-anything needs weights"):
        open_backbone(f"{name}+depth-anything")
    short = replace(clip, sequence=clip.sequence.take(slice(40)))
    build_cache(tmp_path / "c", [short], opened, CacheOptions(every=2))
    config = "table14_capf_depth"
    with pytest.raises(PrmlError, match=r"the cache has \[4, 6, 8, 10, 7\]"):
        _fit(config, tmp_path / "c", tmp_path / "none")
    SMALL["capf"]["features"] = list(opened.channels)
    run = _fit(config, tmp_path / "c", tmp_path / "run")
    lift = ["lift", str(film), "--weights", str(run), "--model", "lite", *QUICK]
    words = [*lift, "--backbone", name, "--out", str(tmp_path / "out")]
    assert main(words) == 2  # without the depth network it is another backbone
    assert main([*words, "--depth-weights", str(depth)]) == 0
    got = read_poses(tmp_path / "out" / "poses.npz")
    assert np.isfinite(got.joints_m[got.has_person]).all()


@pytest.mark.slow
def test_prml_with_relative_depth_as_an_input_lifts_the_video(film, lifted, depth, tmp_path):
    arguments = {**SMALL["prml"], "in_channels": 4}
    card = Card(name="deep", network="prml", arguments=arguments, window=5, fps=10.0)
    save_record(tmp_path, card, registry.build("prml", **arguments))
    words = ["lift", str(film), "--weights", str(tmp_path / "deep.yaml"), "--model", "lite", *QUICK]
    assert main([*words, "--backbone-weights", str(depth), "--flip", "--out", str(tmp_path / "out")]) == 0
    got = read_poses(tmp_path / "out" / "poses.npz")
    np.testing.assert_array_equal(got.has_person, lifted.has_person)
    assert np.isfinite(got.joints_m[got.has_person]).all()
