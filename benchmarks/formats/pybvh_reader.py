"""pybvh: joints of a BVH in every frame."""

import numpy as np
import pybvh
from wanted import given, say, worst_mm, z_up

path, wanted = given()
read = pybvh.read_bvh_file(path)
places = dict(zip(read.joint_names, np.moveaxis(np.asarray(read.joint_positions()), 1, 0), strict=True))
error = worst_mm(wanted["people"], lambda number, bone: z_up(places[bone]) / 100)
say(version=pybvh.__version__, error_mm=error, fps=read.fps)
