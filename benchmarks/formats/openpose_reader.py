"""Pose2Sim: reads a folder of OpenPose JSON as its triangulation does, frame by frame, person by person."""

from importlib.metadata import version
from pathlib import Path

import without_detector  # noqa: F401

# isort: split
import numpy as np
from anytree import PreOrderIter
from Pose2Sim.skeletons import BODY_25
from Pose2Sim.triangulation import extract_files_frame_f
from wanted import given, say

path, wanted = given()
ids = {node.name: node.id for node in PreOrderIter(BODY_25) if node.id is not None}
files, people, worst, errors = sorted(Path(path).glob("*.json")), wanted["people"], 0.0, 0
for frame in range(wanted["frames"]):
    x, y, likelihood, *_ = extract_files_frame_f([str(files[frame])], list(ids.values()), len(people))
    found = [np.array([x[n][0], y[n][0]], float).T for n in range(len(people))]
    for joints in people:
        right = np.array([joints[name if name != "CHip" else "Hip"][frame] for name in ids])
        off = [np.abs(points - right).max() for points in found if np.isfinite(points).all()]
        worst = max(worst, min(off, default=np.inf) if np.isfinite(right).all() else 0.0)
errors += int(len(files) != wanted["frames"])
say(version=version("pose2sim"), error_px=worst, errors=errors)
