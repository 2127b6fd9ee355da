"""Build the wheel and see that ``prml lift`` has in it all that it needs, and nothing that must stay out."""

import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
WANTED = {
    "the detector": "prml/detect/models/pose_landmarker_full.task",
    "the small detector": "prml/detect/models/pose_landmarker_lite.task",
    "the viewer's page": "prml/view/page/assets/template.html",
    "three.js": "prml/view/page/assets/three.bundle.js",
    "the detector's measured errors": "prml/batches/detector_noise.json",
    "type annotations": "prml/py.typed",
}
WANTED_SUFFIXES = {"weights": ("prml/weights/", ".safetensors"), "model cards": ("prml/weights/", ".yaml")}


def faults(names: list[str]) -> list[str]:
    """What is wrong with a wheel that holds ``names``."""
    found = [f"lacks {what}: {name}" for what, name in WANTED.items() if name not in names]
    for what, (folder, suffix) in WANTED_SUFFIXES.items():
        if sum(name.startswith(folder) and name.endswith(suffix) for name in names) < 2:
            found.append(f"lacks {what}: {folder}*{suffix} of prml-s and prml-xs")
    found += [f"carries {name}" for name in names if "mocap/" in name or name.startswith(("tests/", "docs/"))]
    return found


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, str(ROOT)]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("prml_pose-*.whl")
        size_mb = wheel.stat().st_size / 1e6
        with ZipFile(wheel) as archive:
            found = faults(archive.namelist())
    for fault in found:
        print(f"{wheel.name} {fault}")
    print(f"{wheel.name}: {size_mb:.1f} MB")
    return 1 if found or size_mb > 60 else 0


if __name__ == "__main__":
    sys.exit(main())
