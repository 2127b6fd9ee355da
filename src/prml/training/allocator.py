"""How glibc gives memory back, and what that costs torch on a CPU."""

import os
import sys

ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_TOP_PAD_": "268435456"}


def allocator_advice() -> str | None:
    """What to set for glibc's allocator on a CPU; None if it is set, replaced (jemalloc, tcmalloc) or not glibc's."""
    import torch

    if sys.platform != "linux" or "malloc" in os.environ.get("LD_PRELOAD", "") or torch.cuda.is_available():
        return None
    missing = {k: v for k, v in ALLOCATOR.items() if k not in os.environ}
    if not missing:
        return None
    setting = " ".join(f"{k}={v}" for k, v in missing.items())
    return f"memory allocation may slow this run down several times; start it with {setting} (or preload jemalloc)"
