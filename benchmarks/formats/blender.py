"""Blender: BVH by its importer with a scale of 0.01, glTF and USD; bones of the armatures at the time of every frame.

glTF plays at the right speed in a scene of any rate, so it is read at 24 frames/s; BVH sets the rate of the scene, USD
counts frames, so the scene gets the file's rate first.
"""

import bpy
from wanted import given, say, worst_mm

path, wanted = given()
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
first = 0
if path.endswith(".bvh"):
    bpy.ops.import_anim.bvh(filepath=path, global_scale=0.01, update_scene_fps=True, update_scene_duration=True)
    first = 1
elif path.endswith(".usda"):
    scene.render.fps, scene.render.fps_base = round(wanted["fps"]), round(wanted["fps"]) / wanted["fps"]
    bpy.ops.wm.usd_import(filepath=path)
else:
    bpy.ops.import_scene.gltf(filepath=path)
rate = scene.render.fps / scene.render.fps_base
people = sorted((o for o in scene.objects if o.type == "ARMATURE"), key=lambda o: o.name)
places: list[dict[str, list]] = [{bone: [] for bone in bones} for bones in wanted["people"]]
for frame in range(wanted["frames"]):
    moment = first + frame / wanted["fps"] * rate
    scene.frame_set(int(moment + 1e-6), subframe=max(min(moment - int(moment + 1e-6), 0.999999), 0.0))
    for person, found in zip(people, places, strict=True):
        for bone, at in found.items():
            at.append(list(person.matrix_world @ person.pose.bones[bone].head))
error = worst_mm(wanted["people"], lambda number, bone: places[number][bone])
say(version=bpy.app.version_string, error_mm=error, fps=rate if path.endswith(".bvh") else wanted["fps"])
