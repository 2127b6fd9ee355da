"""holosoma's retargeting: its own function loads the motion as its ``smplx`` format, with its order of joints.

It is installed without the packages of its solver and viewer; names that it imports from these, and that loading does
not use, stand empty here.
"""

import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

from wanted import given, say, worst_mm

UNUSED = ("cvxpy", "igl", "jinja2", "mujoco", "robot_descriptions", "smplx", "torch", "tqdm", "viser", "viser.extras")
UNUSED += ("yourdfpy", "tyro", "tyro.conf", "trimesh")
for name in UNUSED:
    sys.modules.setdefault(name, MagicMock())

from holosoma_retargeting.config_types.data_type import DEMO_JOINTS_REGISTRY, MotionDataConfig  # noqa: E402
from holosoma_retargeting.examples.robot_retarget import load_motion_data  # noqa: E402

path, wanted = given()
names = DEMO_JOINTS_REGISTRY["smplx"]
with tempfile.TemporaryDirectory() as folder:
    shutil.copy(path, Path(folder) / "task.npz")
    robot = SimpleNamespace(ROBOT_HEIGHT=1.32)
    setting = MotionDataConfig(data_format="smplx", robot_type="g1")
    joints, _, scale = load_motion_data("robot_only", "smplx", Path(folder), "task", robot, setting)
height = robot.ROBOT_HEIGHT / float(scale)
error = worst_mm(wanted["people"], lambda number, name: joints[:, names.index(name)])
errors = int(joints.shape != (wanted["frames"], len(names), 3)) + int(not 1.4 < height < 2.1)
say(version=version("holosoma-retargeting"), error_mm=error, errors=errors)
