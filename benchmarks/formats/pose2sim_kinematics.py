"""Pose2Sim: scale its model to the markers of a TRC and solve inverse kinematics with OpenSim, as its kinematics does.

``error_mm`` is 0 if every frame is solved, as the model's joints are not ours.
"""

import contextlib
import io
import logging
import tempfile
from importlib.metadata import version
from pathlib import Path

import without_detector  # noqa: F401

# isort: split
import opensim
import Pose2Sim.kinematics as kinematics
from wanted import given, say

logging.disable(logging.INFO)
opensim.Logger.setLevelString("error")
path, wanted = given()
setup = Path(kinematics.__file__).parent / "OpenSim_Setup"
with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
    work = Path(folder)
    trc = work / "motion.trc"
    trc.write_bytes(Path(path).read_bytes())
    kinematics.perform_scaling(trc, "HALPE_26", work, setup, use_simple_model=True)
    kinematics.perform_IK(trc, work, setup, "HALPE_26")
    times = opensim.TimeSeriesTable(str(work / "motion.mot")).getIndependentColumn()
solved = len(times) == wanted["frames"]
rate = (len(times) - 1) / (times[-1] - times[0])
say(version=version("pose2sim"), error_mm=0.0 if solved else float("nan"), fps=rate)
