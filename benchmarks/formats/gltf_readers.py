"""pygltflib and trimesh: a GLB loads, with as many skins as people, and stands on the floor in its rest pose."""

from importlib.metadata import version

import pygltflib
import trimesh
from wanted import given, say

path, wanted = given()
read, scene = pygltflib.GLTF2.load(path), trimesh.load(path)
people = len(wanted["people"])
assert (len(read.skins), len(read.meshes), len(read.animations)) == (people, people, 1)
assert abs(scene.bounds[0][1]) < 0.02, f"the lowest point is at {scene.bounds[0][1]} m"
say(
    version=f"{version('pygltflib')}, trimesh {version('trimesh')}",
    height_m=round(float(scene.extents[1]), 3),
)
