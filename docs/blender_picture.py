"""Draw frames of a GLB, BVH or USD file with Blender, side by side: what stands in docs/images/blender.jpg.

    FOLDER/venv/bin/python docs/blender_picture.py out/jump/motion.glb docs/images/blender.jpg --frames 0,10,16,22,34,50

Runs in an environment with the package bpy, such as the one that ``benchmarks/check_formats.py`` makes. The cube is
half a metre large and stands behind the person; nothing is turned, moved or scaled after the import.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

SIZE, SAMPLES = (225, 315), 24


def build(path: Path, rate: int) -> bpy.types.Object:
    """Import a file into an empty scene with a floor, a cube, light and a camera; return the first armature."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = rate
    if path.suffix == ".bvh":
        bpy.ops.import_anim.bvh(filepath=str(path), global_scale=0.01, update_scene_fps=True)
    elif path.suffix == ".usda":
        bpy.ops.wm.usd_import(filepath=str(path))
    else:
        bpy.ops.import_scene.gltf(filepath=str(path))
    person = next(thing for thing in scene.objects if thing.type == "ARMATURE")
    bpy.ops.mesh.primitive_plane_add(size=40)
    bpy.ops.mesh.primitive_cube_add(size=0.5, location=(0.9, 0.9, 0.25))
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy, sun.rotation_euler = 3, (0.7, 0.2, 0.4)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    for thing in (sun, camera):
        scene.collection.objects.link(thing)
    scene.camera = camera
    scene.world = bpy.data.worlds.new("sky")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs[0].default_value = (0.6, 0.65, 0.7, 1)
    scene.render.engine, scene.cycles.samples, scene.cycles.device = "CYCLES", SAMPLES, "CPU"
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    return person


def look(person: bpy.types.Object, azimuth_deg: float, distance_m: float) -> None:
    """Put the camera 1.4 m high at a direction from where the person is in the first frame, seen from above."""
    scene = bpy.context.scene
    scene.frame_set(0)
    hips = person.matrix_world @ person.pose.bones[0].head
    angle = np.radians(azimuth_deg)
    scene.camera.location = hips.x + distance_m * np.cos(angle), hips.y + distance_m * np.sin(angle), 1.4
    way = Vector((hips.x, hips.y, 0.95)) - scene.camera.location
    scene.camera.rotation_euler = way.to_track_quat("-Z", "Y").to_euler()


def sticks(person: bpy.types.Object) -> None:
    """Put a cylinder along every bone, in place of those of the frame before: a BVH has no body to look at."""
    for old in [thing for thing in bpy.context.scene.objects if thing.name.startswith("stick")]:
        bpy.data.objects.remove(old)
    for bone in person.pose.bones:
        start, end = (person.matrix_world @ at for at in (bone.head, bone.tail))
        if (long := (end - start).length) > 0.01:
            bpy.ops.mesh.primitive_cylinder_add(radius=0.03, depth=long, location=(start + end) / 2)
            stick = bpy.context.active_object
            stick.name, stick.rotation_euler = "stick", (end - start).to_track_quat("Z", "Y").to_euler()


def draw(person: bpy.types.Object, frame: int, folder: Path) -> np.ndarray:
    """Return a frame as rows of RGBA, the lowest row first."""
    scene = bpy.context.scene
    scene.frame_set(frame)
    if not any(thing.parent is person for thing in scene.objects):
        sticks(person)
    scene.render.filepath = str(folder / f"{frame}.png")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    return np.array(image.pixels[:]).reshape(SIZE[1], SIZE[0], 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--rate", type=int, default=30, help="frames per second of the scene")
    parser.add_argument("--frames", default="0", help="frames to draw, separated by commas")
    parser.add_argument("--azimuth", type=float, default=-90, help="where the camera stands, degrees from +x")
    parser.add_argument("--distance", type=float, default=4.0, help="how far, metres")
    given = parser.parse_args()
    person = build(given.file.resolve(), given.rate)
    look(person, given.azimuth, given.distance)
    with tempfile.TemporaryDirectory() as name:
        row = np.concatenate([draw(person, int(frame), Path(name)) for frame in given.frames.split(",")], 1)
    image = bpy.data.images.new("row", row.shape[1], row.shape[0])
    image.pixels.foreach_set(row.astype(np.float32).ravel())
    kind = "JPEG" if given.picture.suffix == ".jpg" else "PNG"
    image.filepath_raw, image.file_format = str(given.picture.resolve()), kind
    image.save()


if __name__ == "__main__":
    sys.exit(main())
