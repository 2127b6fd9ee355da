"""bvhio: joints of a BVH in every frame."""

from importlib.metadata import version

import bvhio
from wanted import given, say, worst_mm, z_up

path, wanted = given()
root = bvhio.readAsHierarchy(path)
places: dict[str, list] = {bone: [] for bone in wanted["people"][0]}
for frame in range(wanted["frames"]):
    root.loadPose(frame)
    for joint, _, _ in root.layout():
        places[joint.Name].append(list(joint.PositionWorld))
error = worst_mm(wanted["people"], lambda number, bone: z_up(places[bone]) / 100)
say(version=version("bvhio"), error_mm=error, fps=1 / bvhio.readAsBvh(path).FrameTime)
