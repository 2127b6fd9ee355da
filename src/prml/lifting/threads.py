"""Torch threads in forked processes."""

import os
from threading import local

import torch

_LOADED_IN = os.getpid()
_settled = local()


def settle_after_fork() -> None:
    """Limit torch to one thread in a forked child; call it in every thread before computing.

    GNU OpenMP threads do not survive a fork, and waiting for them hangs. A spawned process loads torch again and is not
    affected.
    """
    if os.getpid() != _LOADED_IN and getattr(_settled, "pid", None) != os.getpid():
        torch.set_num_threads(1)
        _settled.pid = os.getpid()
