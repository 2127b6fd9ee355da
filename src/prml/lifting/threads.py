"""Torch's threads in a process that was forked from one that used them."""

import os

import torch

_loaded_in = os.getpid()


def settle_after_fork() -> None:
    """Let torch compute on one thread in a forked child, once.

    The threads of GNU OpenMP do not survive a fork, and whoever waits for them waits for ever. A process that is
    spawned loads torch itself and keeps all threads.
    """
    global _loaded_in
    if os.getpid() != _loaded_in:
        _loaded_in = os.getpid()
        torch.set_num_threads(1)
