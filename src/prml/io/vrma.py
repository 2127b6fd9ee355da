"""VRMA: the motion of one person for VRM avatars (VRMC_vrm_animation 1.0), a glTF file without a mesh.

https://github.com/vrm-c/vrm-specification/tree/master/specification/VRMC_vrm_animation-1.0. Metres, Y up, seconds from
0. The rest pose is the T pose with the hips at their height above the soles: players scale the path of the hips by the
heights of both, so an avatar's strides are as long as its legs. Bones rotate, only the hips move, nothing is scaled. A
person who is absent stays in the last pose seen.
"""

from pathlib import Path

import numpy as np

from prml.io.files import write_file
from prml.io.gltf import Gltf
from prml.io.registry import Format, only_person
from prml.rig import RigMotion, to_rig
from prml.scene import Scene

_EXTENSION = "VRMC_vrm_animation"
_LIMBS = {
    "Shoulder": "Shoulder",
    "Arm": "UpperArm",
    "ForeArm": "LowerArm",
    "Hand": "Hand",
    "UpLeg": "UpperLeg",
    "Leg": "LowerLeg",
    "Foot": "Foot",
    "ToeBase": "Toes",
}
HUMAN_BONES = {"Hips": "hips", "Spine": "spine", "Spine1": "chest", "Neck": "neck", "Head": "head"} | {
    side + ours: side.lower() + theirs for side in ("Left", "Right") for ours, theirs in _LIMBS.items()
}  # bone of a rig -> bone of a VRM avatar


def vrma_data(motion: RigMotion) -> bytes:
    """Return a person's motion as the bytes of a VRMA file."""
    motion = motion.regular()
    file = Gltf()
    bones = file.bones(motion, motion.rig.hip_height_m)
    file.json["scenes"][0]["nodes"].append(bones[0])
    animation = file.json.setdefault("animations", [{"name": "motion", "channels": [], "samplers": []}])[0]
    file.animate(animation, motion, bones, file.array(motion.times_s.astype(np.float32), limits=True))
    nodes = dict(zip(motion.rig.names, bones, strict=True))
    human = {theirs: {"node": nodes[ours]} for ours, theirs in HUMAN_BONES.items()}
    file.json["extensionsUsed"] = [_EXTENSION]
    file.json["extensions"] = {_EXTENSION: {"specVersion": "1.0", "humanoid": {"humanBones": human}}}
    return file.data()


def write_vrma(scene: Scene, path: Path, overwrite: bool = False) -> None:
    """Write the only person of a scene; raise PrmlError as :func:`prml.rig.to_rig` does, or if there are more."""
    write_file(path, vrma_data(to_rig(only_person(scene, "a VRMA file"))), overwrite)


FORMAT = Format(
    "vrma",
    (".vrma",),
    "the motion of one person for VRM avatars",
    write=write_vrma,
    wants="world",
    gap_rule="the last pose is held",
    one_person=True,
)
