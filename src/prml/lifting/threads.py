"""Torch's threads in a process that was forked from one that used them."""

import os
from threading import local

import torch

_LOADED_IN = os.getpid()
_settled = local()


def settle_after_fork() -> None:
    """Let torch compute on one thread in a forked child; to be called in every thread before it computes.

    The threads of GNU OpenMP do not survive a fork, and whoever waits for them waits for ever. A process that is
    spawned loads torch again and keeps all threads.
    """
    if os.getpid() != _LOADED_IN and getattr(_settled, "pid", None) != os.getpid():
        torch.set_num_threads(1)
        _settled.pid = os.getpid()
