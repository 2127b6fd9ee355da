"""Run some tests with the lowest versions that pyproject.toml admits of the small dependencies.

They are installed into a folder that comes before the environment's own packages; torch, scipy, lightning and
mediapipe stay as they are: they are big, or hang together closely.
"""

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SMALL = ("numpy", "av", "jaxtyping", "pillow", "rich", "safetensors")
TESTS = (
    "tests/test_cli.py",
    "tests/test_package.py",
    "tests/media",
    "tests/io/test_motion_formats.py",
    "tests/io/test_poses.py",
    "tests/weights",
    "tests/view/test_overlay.py",
)


def floors(dependencies: list[str]) -> list[str]:
    """``name==lowest`` of the small ones, without their extras."""
    pairs = [d.split(">=") for d in dependencies]
    return [f"{name.split('[')[0]}=={low}" for name, low in pairs if name.split("[")[0] in SMALL]


def main() -> int:
    lowest = floors(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--target", folder, *lowest]
        subprocess.run(pip, check=True)
        print("with", ", ".join(lowest))
        path = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "pytest", "-n", "auto", *TESTS]
        return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}).returncode


if __name__ == "__main__":
    sys.exit(main())
