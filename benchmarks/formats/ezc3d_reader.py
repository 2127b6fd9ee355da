"""ezc3d: points of a C3D, residuals of those that are not known, and the rate."""

from importlib.metadata import version

import ezc3d
import numpy as np
from wanted import given, say, worst_mm

path, wanted = given()
file = ezc3d.c3d(path)
point = file["parameters"]["POINT"]
labels = [label for key in point if key.startswith("LABELS") for label in point[key]["value"]]
points = file["data"]["points"][:3].transpose(2, 1, 0) / 1000
lost = file["data"]["meta_points"]["residuals"][0].T < 0
points = np.where(lost[..., None], np.nan, points)
error = worst_mm(wanted["people"], lambda number, name: points[:, labels.index(name)])
wrong = [point["UNITS"]["value"] != ["mm"], point["Y_SCREEN"]["value"] != ["+Z"], len(points) != wanted["frames"]]
say(version=version("ezc3d"), error_mm=error, fps=file["header"]["points"]["frame_rate"], errors=sum(wrong))
