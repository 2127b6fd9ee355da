"""Which device torch computes on, and what it is called in results."""

from typing import TYPE_CHECKING

from prml.errors import PrmlError
from prml.provenance import processor

if TYPE_CHECKING:
    import torch


def usable_device(device: "str | torch.device") -> "torch.device":
    """Return the device, such as cpu, cuda, cuda:1 or mps.

    Raises:
        PrmlError: torch does not know it, this machine lacks it, or nothing is computed on it (meta).
    """
    import torch

    try:
        found: torch.device = torch.zeros(1, device=device).device
        if found.type == "meta":
            raise RuntimeError("it holds no numbers")
        return found
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise PrmlError(f"cannot compute on the device {str(device)!r} ({reason}); give another, such as cpu") from None


def device_name(device: "torch.device") -> str:
    """Return the device and the name of its hardware, such as ``cuda:0 (NVIDIA H100)``."""
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor() if device.type == "cpu" else ""
    return f"{device} ({name})" if name else str(device)
