"""Frozen networks of diffusers and transformers as backbones: SDXL's VAE (Table 13), Depth Anything (Table 14).

Weights are a folder in these packages' own layout (``config.json`` and safetensors). Only ``hf:owner/name`` downloads,
and only if the user gives it. Loading is strict.
"""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.image_features.crops import DEVIATION, MEAN
from prml.networks.peers.capf import SIZES

SDXL_VAE, DEPTH_ANYTHING = "sdxl-vae", "depth-anything"
HUB = "hf:"  # in front of the name of a repository of the Hugging Face hub, which is downloaded
SCALING = 0.13025  # of SDXL's latents, as published
_ENCODER = ("encoder.", "quant_conv.")
_EXAMPLES = {SDXL_VAE: "stabilityai/sdxl-vae", DEPTH_ANYTHING: "depth-anything/Depth-Anything-V2-Small-hf"}
_EXTRAS = {"diffusers": "vae", "transformers": "depth"}
_QUIETLY: dict[str, dict[str, Any]] = {"diffusers": {"low_cpu_mem_usage": False}, "transformers": {}}
# what the packages raise for files that are missing, damaged or of another network
_LOADING = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError)
_PATCHES = (24, 18)  # of the depth network in a crop, 3 : 4 as the crop
_MIN_SPREAD = 1e-6


class Latents(nn.Module):
    """Crops to one map of latents: the mean of the encoder's distribution times SDXL's scaling factor.

    Args:
        vae: diffusers' ``AutoencoderKL``; its decoder is dropped.
    """

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.vae = vae
        for part in ("decoder", "post_quant_conv"):
            setattr(self.vae, part, None)

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> list[Float[Tensor, "N c h w"]]:
        """Latents of normalised crops."""
        mean, deviation = (images.new_tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
        signed = (images * deviation + mean) * 2 - 1
        return [self.vae.encode(signed).latent_dist.mode() * SCALING]  # type: ignore[operator]


class RelativeDepth(nn.Module):
    """Crops to one map: relative depth and the features that it is made of, both of a depth network.

    The first channel is the network's output, nearer is larger, with mean 0 and deviation 1 over the crop, since its
    scale and shift are arbitrary. The others are the finest fused features before its head.

    Args:
        model: transformers' ``DepthAnythingForDepthEstimation``.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.patch = int(model.config.patch_size)  # type: ignore[union-attr, arg-type]

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> list[Float[Tensor, "N c h w"]]:
        """Depth, then features, at a quarter of the crop's resolution."""
        model: Any = self.model
        size = [n * self.patch for n in _PATCHES]
        seen = F.interpolate(images, size, mode="bicubic", align_corners=False)
        fused = model.neck(model.backbone(seen).feature_maps, *_PATCHES)
        depth = F.adaptive_avg_pool2d(model.head(fused, *_PATCHES)[:, None], SIZES[0])
        centred = depth - depth.mean((2, 3), keepdim=True)
        spread = centred.square().mean((2, 3), keepdim=True).sqrt().clamp(min=_MIN_SPREAD)
        return [torch.cat([centred / spread, F.adaptive_avg_pool2d(fused[-1], SIZES[0])], 1)]


class Joined(nn.Module):
    """The maps of several backbones, one after the other.

    Args:
        parts: backbones.
    """

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> list[Float[Tensor, "N c h w"]]:
        """All maps."""
        found: list[Tensor] = []
        for part in self.parts:
            maps = part(images)
            found += maps if isinstance(maps, list | tuple) else [maps]
        return found


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise PrmlError(f"{name} cannot be imported ({error}); install what it lacks") from error
        raise PrmlError(f"this backbone needs {name}: pip install 'prml-pose[{_EXTRAS[name]}]'") from None
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        raise PrmlError(f"{name} cannot be imported ({(str(error).splitlines() or [''])[0]})") from error


def _place(name: str, weights: str | os.PathLike[str] | None) -> tuple[str, bool]:
    """Folder or name on the hub, and whether it is the latter; PrmlError if neither can be."""
    given = "" if weights is None else Path(weights).as_posix()
    hub = given.startswith(HUB)
    if hub and given.removeprefix(HUB).count("/") == 1 and all(given.removeprefix(HUB).split("/")):
        return given.removeprefix(HUB), True
    if not hub and given and (Path(given) / "config.json").is_file():
        return given, False
    raise PrmlError(
        f"{name} needs weights: a folder with config.json and safetensors, or {HUB}{_EXAMPLES[name]} to download them; "
        f"got {given or 'none'}"
    )


def _loaded(name: str, package: str, kind: str, weights: str | os.PathLike[str] | None, needed: tuple[str, ...]) -> Any:
    """A network of a package, strictly: all that starts with ``needed`` is in the file, and nothing unknown is."""
    place, hub = _place(name, weights)
    try:
        model, told = getattr(_package(package), kind).from_pretrained(
            place, local_files_only=not hub, use_safetensors=True, output_loading_info=True, **_QUIETLY[package]
        )
    except PrmlError:
        raise
    except _LOADING as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PrmlError(f"{name}: {place} cannot be loaded as {kind}: {reason}") from error
    for what, keys in (
        ("lacks", [k for k in told["missing_keys"] if k.startswith(needed)]),
        ("has the unknown", list(told["unexpected_keys"])),
        ("has another shape of", [k[0] for k in told.get("mismatched_keys", ())]),
    ):
        if keys:
            raise PrmlError(f"{name}: {place} does not fit {kind}: it {what} {sorted(keys)[0]}")
    return model.float()


def open_vae(weights: str | os.PathLike[str] | None) -> Latents:
    """SDXL's VAE.

    Raises:
        PrmlError: diffusers or the weights are missing, or they are of another VAE.
    """
    vae = _loaded(SDXL_VAE, "diffusers", "AutoencoderKL", weights, _ENCODER)
    found = float(vae.config.scaling_factor)
    if abs(found - SCALING) > 1e-6:
        raise PrmlError(f"{SDXL_VAE}: expected SDXL's VAE with the scaling factor {SCALING}, this one has {found:g}")
    return Latents(vae)


def open_depth(weights: str | os.PathLike[str] | None) -> RelativeDepth:
    """Depth Anything.

    Raises:
        PrmlError: transformers or the weights are missing, or they are of another network.
    """
    model = _loaded(DEPTH_ANYTHING, "transformers", "AutoModelForDepthEstimation", weights, ("",))
    if not all(hasattr(model, part) for part in ("backbone", "neck", "head")):
        raise PrmlError(f"{DEPTH_ANYTHING}: expected a Depth Anything network, got {type(model).__name__}")
    return RelativeDepth(model)
