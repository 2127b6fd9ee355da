"""Provenance of results: commit, package versions, processor."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prml._version import __version__

NO_COMMIT = f"no commit (prml-pose {__version__})"
PACKAGES = ("torch", "lightning", "numpy", "scipy", "mediapipe", "av")


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


def commit() -> str:
    """Return the commit of this package's checkout, with "+" if it has changes; else "no commit" and the version."""
    here = Path(__file__)
    try:
        if Path(_git("rev-parse", "--show-toplevel")).resolve() != here.resolve().parents[2]:
            return NO_COMMIT  # installed inside another project, with an unrelated commit
        _git("ls-files", "--error-unmatch", here.name)
        return _git("describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return NO_COMMIT


def versions() -> dict[str, str]:
    """Return the versions that results depend on."""
    found = {"prml-pose": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """Return the name of the processor; "" if unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        import platform

        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
