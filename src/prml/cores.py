"""How many processor cores this process may use."""

import os
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cores() -> int:
    """Return how many cores (logical ones) this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def physical_cores() -> int:
    """Return how many physical cores this process may use, at most those that a container's quota allows.

    Where the system does not tell which logical cores share one, all count.
    """
    found = len(_physical()) or cores()
    quota = _quota()
    return max(1, found if quota is None else min(found, round(quota)))


def _physical() -> set[str]:
    """Return a name for every physical core of the allowed logical ones; empty if the system does not tell."""
    if not hasattr(os, "sched_getaffinity"):
        return set()
    try:
        return {(_CPUS / f"cpu{n}" / "topology" / "thread_siblings_list").read_text() for n in os.sched_getaffinity(0)}
    except OSError:
        return set()


def _quota() -> float | None:
    """Return the processor time per time that a container is allowed, as a number of cores; None without a limit."""
    try:
        allowed, period = _QUOTA.read_text().split()
        return None if allowed == "max" else float(allowed) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
