"""Processes that torchrun has started, perhaps again after one of them has failed."""

import os
from datetime import timedelta
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only
from torch import distributed

from prml.training.folder import RECORD

_TIMEOUT = timedelta(minutes=30)  # torch's own


def first_process() -> bool:
    """Whether this is rank 0 (or the only process), from what the launcher has set."""
    return int(getattr(rank_zero_only, "rank", None) or 0) == 0


def _attempt() -> int:
    """How often torchrun has started the processes again; 0 without torchrun."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT") or 0)


def restarted(folder: Path) -> bool:
    """Whether torchrun has started the processes again, and the run in this folder had begun before."""
    return _attempt() > 0 and (folder / RECORD).is_file()


def join_again(backend: str) -> None:
    """Join the other processes of a later attempt under names of its own; does nothing in the first.

    torchrun keeps one store for all attempts. The addresses in it are those of the attempt before until the new ones
    are written, and who reads them too early is refused (findings/torchrun_second_attempt.sh).

    Args:
        backend: of torch.distributed, "gloo" or "nccl".
    """
    if not _attempt() or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" or distributed.is_initialized():
        return
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = distributed.TCPStore(address, port, world, is_master=False, timeout=_TIMEOUT)  # type: ignore[attr-defined]
    named = distributed.PrefixStore(f"prml_attempt_{_attempt()}", store)  # type: ignore[attr-defined]
    distributed.init_process_group(backend, store=named, rank=rank, world_size=world)
