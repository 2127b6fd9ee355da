"""Pose2Sim: scale its model to the markers of a TRC and solve inverse kinematics with OpenSim, as its kinematics does.

``error_mm`` is 0 if every frame is solved, as the model's joints are not ours. Pose2Sim is installed without the
packages of its detector; names that it imports from these and that kinematics does not use stand empty here.
"""

import contextlib
import io
import logging
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from unittest.mock import MagicMock

from wanted import given, say

UNUSED = ("cv2", "rtoml", "statsmodels", "statsmodels.nonparametric", "statsmodels.nonparametric.smoothers_lowess")
UNUSED += ("filterpy", "filterpy.kalman", "filterpy.common", "PyQt5", "PyQt5.QtWidgets")
for name in UNUSED:
    sys.modules.setdefault(name, MagicMock())

import opensim  # noqa: E402
import Pose2Sim.kinematics as kinematics  # noqa: E402

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
