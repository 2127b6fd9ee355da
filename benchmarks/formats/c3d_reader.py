"""python-c3d: points of a C3D, and residuals of those that are not known."""

from importlib.metadata import version
from pathlib import Path

import c3d
import numpy as np
from wanted import given, say, worst_mm

path, wanted = given()
with Path(path).open("rb") as file:
    reader = c3d.Reader(file)
    frames = np.array([points for _, points, _ in reader.read_frames()])
    labels = [label.strip() for label in reader.point_labels]
    rate = reader.point_rate
points = np.where(frames[..., 3:4] < 0, np.nan, frames[..., :3] / 1000)
error = worst_mm(wanted["people"], lambda number, name: points[:, labels.index(name)])
say(version=version("c3d"), error_mm=error, fps=float(rate), errors=int(len(points) != wanted["frames"]))
