"""Open a backbone: by name with weights by path, or a custom one. Nothing is downloaded; loading is strict."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prml.device import usable_device
from prml.errors import PrmlError
from prml.image_features.pretrained import DEPTH_ANYTHING, SDXL_VAE, Joined, open_depth, open_vae
from prml.networks.backbone import HRNet, check_maps
from prml.networks.peers.capf import CROP_PX
from prml.networks.published.convert import strip_common
from prml.weights.import_checkpoint import read_checkpoint, state_dict_of

_PREFIX = "backbone."  # of the frozen 2D network in CA-PF's checkpoints
_PRETRAINED: dict[str, Callable[[str | os.PathLike[str] | None], nn.Module]] = {
    SDXL_VAE: open_vae,
    DEPTH_ANYTHING: open_depth,
}
_WITH_DEPTH = f"+{DEPTH_ANYTHING}"


@dataclass(frozen=True)
class Backbone:
    """A backbone that is ready to run.

    Attributes:
        name: as given, without folders.
        module: in evaluation mode, frozen.
        shapes: (c, h, w) of its maps of a 192 x 256 crop.
        fingerprint: SHA-256 of its weights and shapes; training and lifting must use the same.
    """

    name: str
    module: nn.Module
    shapes: tuple[tuple[int, int, int], ...]
    fingerprint: str

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next((p.device for p in self.module.parameters()), torch.device("cpu"))

    @property
    def channels(self) -> tuple[int, ...]:
        """Of the maps, finest first."""
        return tuple(shape[0] for shape in self.shapes)

    @torch.inference_mode()
    def features(self, images: Float[Tensor, "N 3 256 192"]) -> list[Float[Tensor, "N c h w"]]:
        """Maps of normalised crops."""
        maps = check_maps(self.module(images.to(self.device)), len(images))
        if tuple(tuple(m.shape[1:]) for m in maps) != self.shapes:
            raise PrmlError(f"backbone {self.name} returned maps of other shapes than {self.shapes}")
        return [m.float().cpu() for m in maps]

    def record(self) -> dict[str, Any]:
        """Plain values for cards and caches."""
        return {"name": self.name, "fingerprint": self.fingerprint, "shapes": [list(s) for s in self.shapes]}


def _custom(name: str) -> nn.Module:
    """A backbone from ``file.py:function`` or ``package.module:function``."""
    place, _, attribute = name.rpartition(":")
    try:
        if place.endswith(".py"):
            spec = spec_from_file_location(Path(place).stem, place)
            if spec is None or spec.loader is None or not Path(place).is_file():
                raise ImportError(f"no file {place}")
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = import_module(place)
        make: Callable[[], Any] = getattr(module, attribute)
    except (ImportError, AttributeError, ValueError, SyntaxError) as error:
        raise PrmlError(f"no backbone {name!r}: {error}; expected FILE.py:FUNCTION or MODULE:FUNCTION") from error
    made = make()
    if not isinstance(made, nn.Module):
        raise PrmlError(f"{name} must return a torch.nn.Module, got {type(made).__name__}")
    return made


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state of a backbone from safetensors or a checkpoint (of CA-PF: what is under ``backbone.``).

    Raises:
        PrmlError: no such file, or no weights in it.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if not path.is_file():
            raise PrmlError(f"no file {path}")
        try:
            state = load_file(path)
        except SafetensorError as error:
            raise PrmlError(f"{path.name} is not a safetensors file: {error}") from error
    else:
        state, _ = state_dict_of(read_checkpoint(path), path.name)
    state = strip_common(state)
    if any(key.startswith(_PREFIX) for key in state):
        state = {k.removeprefix(_PREFIX): v for k, v in state.items() if k.startswith(_PREFIX)}
    return state


def load_weights(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Load strictly; keys under the module's ``not_used`` prefixes (heads) may be there.

    Raises:
        PrmlError: missing or unexpected keys or wrong shapes; the first is named.
    """
    unused = tuple(getattr(module, "not_used", ()))
    given = {k: v for k, v in state.items() if not k.startswith(unused)} if unused else dict(state)
    wanted = module.state_dict()
    # a counter that inference does not read; old checkpoints lack it
    missing = [k for k in wanted if k not in given and not k.endswith("num_batches_tracked")]
    extra = [k for k in given if k not in wanted]
    unlike = [k for k in given if k in wanted and given[k].shape != wanted[k].shape]
    for what, keys in (("lacks", missing), ("has the unknown", extra), ("has another shape of", unlike)):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise PrmlError(f"{origin} does not fit the backbone: it {what} {keys[0]}{more}")
    module.load_state_dict({**wanted, **given})


def _fingerprint(module: nn.Module, shapes: tuple[tuple[int, int, int], ...]) -> str:
    digest = hashlib.sha256(str(shapes).encode())
    for key, value in sorted(module.state_dict().items()):
        if not key.endswith("num_batches_tracked"):
            digest.update(f"{key}{tuple(value.shape)}{value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _module(name: str, weights: str | os.PathLike[str] | None) -> nn.Module:
    """A backbone's module with its weights."""
    if name in _PRETRAINED:
        return _PRETRAINED[name](weights)
    own = ":" in name
    module = _custom(name) if own else HRNet(name)
    if weights is not None:
        load_weights(module, read_weights(Path(weights)), Path(weights).name)
    elif not own:
        raise PrmlError(f"{name} needs weights: give the path of a pose HRNet or CA-PF checkpoint; none is downloaded")
    return module


def open_backbone(
    name: str,
    weights: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    *,
    depth_weights: str | os.PathLike[str] | None = None,
) -> Backbone:
    """A backbone, frozen.

    Args:
        name: ``hrnet_w32``, ``hrnet_w48`` ... (timm's), ``sdxl-vae``, ``depth-anything``, or a custom
            ``FILE.py:FUNCTION`` or ``MODULE:FUNCTION``: a function without arguments that returns an ``nn.Module`` (see
            ``prml.networks.backbone``). ``+depth-anything`` at its end says that depth features follow.
        weights: safetensors or a torch checkpoint; a custom backbone may bring its own weights. Of the VAE and of Depth
            Anything a folder or ``hf:owner/name`` (``prml.image_features.pretrained``).
        device: where it computes; its maps come back to the CPU.
        depth_weights: of Depth Anything, whose features become one more map after those of the backbone.

    Raises:
        PrmlError: an unknown backbone, weights that are missing or do not fit (the key is named), or something other
            than a few maps.
    """
    first, joined = name.removesuffix(_WITH_DEPTH), name.endswith(_WITH_DEPTH)
    own, module = ":" in first, _module(first, weights)
    if joined or depth_weights is not None:
        module = Joined(module, open_depth(depth_weights))
    module.eval().requires_grad_(False)
    place = usable_device(device)
    with torch.inference_mode():
        maps = check_maps(module(torch.zeros(1, 3, CROP_PX[1], CROP_PX[0])), 1)
    shapes = tuple((int(m.shape[1]), int(m.shape[2]), int(m.shape[3])) for m in maps)
    folder, _, function = first.rpartition(":")
    label = f"{Path(folder).name}:{function}" if own else first
    label += _WITH_DEPTH if isinstance(module, Joined) else ""
    return Backbone(label, module.to(place), shapes, _fingerprint(module, shapes))
