"""Nine faults that laws cannot see, made by hand: each breaks the reference test that stands beside it.

A round trip or an invariance holds for a convention that is wrong on both sides. These faults survived a suite of laws;
the tests in this folder compare with independent values instead. Here a copy of the package gets one fault after the
other, and the test that must notice is run on it.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import prml

REPOSITORY = Path(__file__).parents[2]
PACKAGE = Path(prml.__file__).parent
TESTS = "tests/reference/"


@dataclass(frozen=True)
class Fault:
    """A text that stands once in the package, what replaces it, and the test that must fail then."""

    name: str
    text: str
    replacement: str
    test: str


FAULTS = (
    Fault(
        "p2 read as p1",
        "p1, p2 = self.tangential",
        "p1 = p2 = self.tangential[0]",
        "test_camera_reference.py::test_distortion_worked_by_hand",
    ),
    Fault(
        "variance not rotated",
        "variance = output[..., 3:] @ seen.R_camera_to_input**2",
        "variance = output[..., 3:]",
        "test_lifter_reference.py::test_deviations_turn_back_to_the_cameras_axes",
    ),
    Fault(
        "root solved without weights",
        "np.where(known, np.maximum(confidence, 1e-3), 0.0)",
        "np.where(known, 1.0, 0.0)",
        "test_root_and_scale_reference.py::test_the_root_minimises_the_weighted_squares",
    ),
    Fault(
        "training noise halved",
        "return error / np.float32(1000), confidence",
        "return error / np.float32(2000), confidence",
        "test_noise_reference.py::test_errors_are_metres_at_the_persons_depth",
    ),
    Fault(
        "dropped joints stay confident",
        " - 4.0 * drop",
        "",
        "test_noise_reference.py::test_lost_joints_come_as_often_as_stated_and_lose_their_confidence",
    ),
    Fault(
        "NaN filter of scoring removed",
        "known = ~torch.isnan(judged)",
        "known = torch.ones_like(judged, dtype=torch.bool)",
        "test_scoring_reference.py::test_frames_that_cannot_be_judged_are_left_out",
    ),
    Fault(
        "size ratio of tracking ten times too large",
        "SIZE_RATIO = 2.2",
        "SIZE_RATIO = 22.0",
        "test_tracking_reference.py::test_who_is_more_than_two_and_a_fifth_times_as_large_is_somebody_else",
    ),
    Fault(
        "smoothing cut at 0.3 s",
        "MARGIN_S = 0.8",
        "MARGIN_S = 0.3",
        "test_normalise_reference.py::test_a_frame_is_felt_up_to_forty_frames_away_and_not_beyond",
    ),
    Fault(
        "deviations ten times coarser in the viewer",
        "STD_STEP_M = 0.002",
        "STD_STEP_M = 0.02",
        "test_viewer_reference.py::test_deviations_are_bytes_of_two_millimetres",
    ),
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder with a copy of the package, without models and weights."""
    folder = tmp_path_factory.mktemp("source")
    unneeded = shutil.ignore_patterns("__pycache__", "*.task", "*.safetensors")
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=unneeded)
    return folder


def run_on(source, *tests):
    """Run tests of this folder on the copied package."""
    # without bytecode: a fault of the same length within the same second would go unnoticed
    environment = os.environ | {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"]
    chosen = [TESTS + test for test in tests]
    return subprocess.run([*command, *chosen], cwd=REPOSITORY, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_the_copy_without_a_fault_passes(source):
    script = "import prml; print(prml.__file__)"
    environment = os.environ | {"PYTHONPATH": str(source)}
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert Path(found.stdout.strip()).parent == source / PACKAGE.name
    result = run_on(source, *(fault.test for fault in FAULTS))
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_each_fault_breaks_its_test(source, fault):
    having = [path for path in (source / PACKAGE.name).rglob("*.py") if fault.text in path.read_text("utf-8")]
    places = [str(path.relative_to(source)) for path in having]
    assert len(having) == 1, f"expected {fault.text!r} in one file, found it in {places}: adapt the table above"
    original = having[0].read_text("utf-8")
    assert original.count(fault.text) == 1, f"expected {fault.text!r} once in {places[0]}: adapt the table above"
    having[0].write_text(original.replace(fault.text, fault.replacement), "utf-8")
    try:
        result = run_on(source, fault.test)
    finally:
        having[0].write_text(original, "utf-8")
    assert result.returncode == 1, f"{fault.name}: expected a failing test\n{result.stdout}{result.stderr}"


def test_every_fault_still_has_its_place_in_the_package():
    """Fail quickly, not only in the slow stage, if a text was moved or reworded."""
    code = [path.read_text("utf-8") for path in PACKAGE.rglob("*.py")]
    assert {fault.name: sum(text.count(fault.text) for text in code) for fault in FAULTS} == dict.fromkeys(
        (fault.name for fault in FAULTS), 1
    )
