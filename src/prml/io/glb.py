"""GLB: mannequins that move, for Blender, three.js, Unity, Godot and browsers; several people in one file.

Metres, Y up, seconds from 0. Every person is a node of their own (without one Blender joins two skeletons into one)
that holds the bones of :mod:`prml.rig` in T pose, with a mesh that moves with them. One animation moves all, since
readers play the first only. A person who is absent stays in the last pose seen. The joints of a person who is not the
first have a prefix, ``P2_``, because names must be unique.
"""

from pathlib import Path

import numpy as np

from prml.io.files import write_file
from prml.io.gltf import INDICES, VERTICES, Gltf
from prml.io.registry import Format
from prml.rig import RigMotion, rigs_of
from prml.rig.mannequin import mannequin
from prml.scene import Scene

_COLOURS = ((0.80, 0.46, 0.20), (0.20, 0.48, 0.75), (0.35, 0.62, 0.28), (0.66, 0.34, 0.62))  # linear


def glb_data(motions: list[RigMotion]) -> bytes:
    """Return the motions of people on one clock as the bytes of a GLB file."""
    motions = [motion.regular() for motion in motions]
    file = Gltf()
    times = file.array(motions[0].times_s.astype(np.float32), limits=True)
    animation = file.json.setdefault("animations", [{"name": "motion", "channels": [], "samplers": []}])[0]
    for number, motion in enumerate(motions):
        prefix = f"P{number + 1}_" if number else ""
        height = motion.rig.hip_height_m
        bones = file.bones(motion, height, prefix)
        file.json["scenes"][0]["nodes"].append(
            file.add("nodes", {"name": f"Person{number + 1}", "children": [bones[0]]})
        )
        _add_mesh(file, motion, bones, number)
        file.animate(animation, motion, bones, times)
    return file.data()


def _add_mesh(file: Gltf, motion: RigMotion, bones: list[int], number: int) -> None:
    rig, up = motion.rig, np.array([0, motion.rig.hip_height_m, 0])
    mesh = mannequin(rig)
    weights = np.zeros((len(mesh.bones), 4), np.float32)
    weights[:, 0] = 1
    joints = np.zeros((len(mesh.bones), 4), np.uint8)
    joints[:, 0] = mesh.bones
    bind = np.tile(np.eye(4, dtype=np.float32), (len(rig), 1, 1))
    bind[:, :3, 3] = -(rig.heads_m + up)
    attributes = {
        "POSITION": file.array((mesh.points_m + up).astype(np.float32), VERTICES, limits=True),
        "NORMAL": file.array(mesh.normals.astype(np.float32), VERTICES),
        "JOINTS_0": file.array(joints, VERTICES),
        "WEIGHTS_0": file.array(weights, VERTICES),
    }
    surface = {"baseColorFactor": [*_COLOURS[number % len(_COLOURS)], 1], "metallicFactor": 0, "roughnessFactor": 0.7}
    name = f"Person{number + 1}"
    primitive = {
        "attributes": attributes,
        "indices": file.array(mesh.triangles.astype(np.uint32).ravel(), INDICES),
        "material": file.add("materials", {"name": name, "pbrMetallicRoughness": surface}),
    }
    skin = {"name": name, "joints": bones, "skeleton": bones[0], "inverseBindMatrices": file.array(bind)}
    node = {
        "name": f"{name}_mesh",
        "mesh": file.add("meshes", {"name": name, "primitives": [primitive]}),
        "skin": file.add("skins", skin),
    }
    file.json["scenes"][0]["nodes"].append(file.add("nodes", node))


def write_glb(scene: Scene, path: Path, overwrite: bool = False) -> None:
    """Write all people of a scene; raise PrmlError as :func:`prml.rig.rigs_of` does."""
    write_file(path, glb_data(rigs_of(scene)), overwrite)


FORMAT = Format(
    "glb",
    (".glb",),
    "mannequins that move, for Blender, three.js, Unity and browsers",
    write=write_glb,
    wants="world",
    gap_rule="the last pose is held",
)
