"""pyomeca: markers of a TRC or points of a C3D."""

from importlib.metadata import version

import numpy as np
from pyomeca import Markers
from wanted import given, say, worst_mm, z_up

path, wanted = given()
if path.endswith(".trc"):
    markers = Markers.from_trc(path, pandas_kwargs={"sep": "\t"})
    turn, scale = z_up, 1.0
else:
    markers = Markers.from_c3d(path)
    turn, scale = np.asarray, 0.001
names = [str(name) for name in markers.channel.values]
points = scale * markers.values[:3].transpose(2, 1, 0)
times = markers.time.values
error = worst_mm(wanted["people"], lambda number, name: turn(points[:, names.index(name)]))
say(version=version("pyomeca"), error_mm=error, fps=(len(times) - 1) / (times[-1] - times[0]))
