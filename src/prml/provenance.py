"""Which code made a result: commit, package versions, processor."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prml._version import __version__

PACKAGES = ("torch", "lightning", "numpy", "scipy", "mediapipe", "av")


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


def commit() -> str:
    """Commit of the checkout that this package runs from, "+" if it has changes; "" outside a checkout of its own."""
    here = Path(__file__)
    try:
        if Path(_git("rev-parse", "--show-toplevel")).resolve() != here.resolve().parents[2]:
            return ""  # installed below somebody else's project, whose commit says nothing of this code
        _git("ls-files", "--error-unmatch", here.name)
        return _git("describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return ""


def versions() -> dict[str, str]:
    """Versions that results depend on."""
    found = {"prml-pose": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """Name of the processor that speeds were measured on; "" if the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        import platform

        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
