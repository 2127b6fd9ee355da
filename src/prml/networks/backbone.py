"""Backbones: what turns the crop of a person into the feature maps that a network looks at.

A backbone is any ``nn.Module`` that maps images (N, 3, 256, 192), RGB normalised with ImageNet's mean and deviation, to
maps (N, c, h, w), finest first; CA-PF takes four. HRNet comes from timm (an extra); the maps that CA-PF takes are not
the four outputs of timm's ``features_only``, but stage 4's finest output and what *enters* stage 4's three coarser
branches.
"""

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from prml.errors import PrmlError
from prml.networks.base import MAX_MAPS
from prml.networks.peers.capf import LEVELS

_HRNET = re.compile(r"hrnet_w(\d+)")
_PARTS = (
    "conv1",
    "bn1",
    "act1",
    "conv2",
    "bn2",
    "act2",
    "layer1",
    "transition1",
    "stage2",
    "transition2",
    "stage3",
    "transition3",
    "stage4",
)


def check_maps(maps: Any, images: int) -> list[Tensor]:
    """The maps; raises PrmlError for anything else that a backbone may have returned."""
    found = list(maps) if isinstance(maps, list | tuple) else [maps]
    good = [m for m in found if isinstance(m, Tensor) and m.ndim == 4 and len(m) == images]
    if not 0 < len(found) <= MAX_MAPS or len(good) != len(found):
        shapes = ", ".join(str(tuple(m.shape)) if isinstance(m, Tensor) else type(m).__name__ for m in found[:6])
        raise PrmlError(
            f"a backbone returns 1 to {MAX_MAPS} maps ({images}, c, h, w), finest first; this one returned {shapes}"
        )
    return good


def _timm() -> Any:
    try:
        return import_module("timm")
    except ModuleNotFoundError as error:
        if error.name == "timm":
            raise PrmlError("HRNet needs timm: pip install 'prml-pose[backbone]', or give a custom backbone") from None
        raise _unusable(error) from error
    except (ImportError, RuntimeError, AttributeError, OSError) as error:  # a torchvision of another torch
        raise _unusable(error) from error


def _unusable(error: Exception) -> PrmlError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return PrmlError(
        f"timm cannot be imported ({reason}): it needs the torchvision that belongs to this torch; install that, "
        "or give a custom backbone"
    )


class HRNet(nn.Module):
    """HRNet as CA-PF uses it: four maps of c, 2c, 4c and 8c channels at strides 4, 8, 16 and 32.

    The names of the weights are those of the original pose HRNet, of timm's HRNet and of ``backbone.`` in CA-PF's
    checkpoints; heads, and the outputs of stage 4 that are not used, are not part of it (``not_used``).

    Args:
        name: timm's, e.g. "hrnet_w32".

    Raises:
        PrmlError: no HRNet of this name, or timm cannot be imported.
    """

    conv1: nn.Module
    bn1: nn.Module
    act1: nn.Module
    conv2: nn.Module
    bn2: nn.Module
    act2: nn.Module
    layer1: nn.Module
    transition1: nn.ModuleList
    stage2: nn.Module
    transition2: nn.ModuleList
    stage3: nn.Module
    transition3: nn.ModuleList
    stage4: nn.Sequential

    def __init__(self, name: str) -> None:
        super().__init__()
        if not _HRNET.fullmatch(name):
            raise PrmlError(f"unknown backbone {name!r}; expected hrnet_w32, hrnet_w48, ... or a custom backbone")
        try:
            trunk = _timm().create_model(name, pretrained=False, num_classes=0, head="")
        except RuntimeError as error:
            raise PrmlError(f"timm has no backbone {name!r}: {str(error).splitlines()[0]}") from error
        for part in _PARTS:
            setattr(self, part, getattr(trunk, part))
        last: Any = self.stage4[-1]
        unused = [f"stage4.{len(self.stage4) - 1}.fuse_layers.{i}." for i in range(1, LEVELS)]
        last.fuse_layers = last.fuse_layers[:1]
        self.not_used = ("incre_modules.", "downsamp_modules.", "final_layer.", "classifier.", *unused)

    def forward(self, images: Float[Tensor, "N 3 H W"]) -> list[Float[Tensor, "N _ _ _"]]:
        """Maps of the crops, finest first."""
        x = self.act2(self.bn2(self.conv2(self.act1(self.bn1(self.conv1(images))))))
        x = self.layer1(x)
        maps = self.stage2([move(x) for move in self.transition1])
        maps = self.stage3(_enter(self.transition2, maps))
        maps = _enter(self.transition3, maps)
        return [self.stage4(list(maps))[0], *maps[1:]]


def _enter(transition: nn.ModuleList, maps: Sequence[Tensor]) -> list[Tensor]:
    """What enters the next stage: every branch as it is or converted; a new, coarser one made of the last."""
    return [
        maps[i] if isinstance(move, nn.Identity) else move(maps[-1] if i >= len(maps) else maps[i])
        for i, move in enumerate(transition)
    ]
