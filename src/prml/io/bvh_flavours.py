"""BVH as particular programs want it: their bones, their names, their axes. ``io/bvh.py`` writes the usual one.

* ``bvh_mixamo``: three bones from hips to neck, names with the prefix ``mixamorig_`` (Mixamo's own is ``mixamorig:``,
  but a colon stops all motion in three.js).
* ``bvh_rokoko``: the skeleton "Newton" of Rokoko Studio: Spine1 to Spine4, Thigh, Shin, Toe.
* ``bvh_lafan1``: Ubisoft's LAFAN1, which General Motion Retargeting (GMR) turns into robots' motion: its bones, its
  order of rotations, and its axes: x runs along a bone; y points ahead in trunk and legs, back in arms, up in toes. As
  in LAFAN1 itself, a rest pose without rotations is then no T pose, because all bones lie in a line.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from prml.io.bvh import bvh_text
from prml.io.files import write_file
from prml.io.registry import Format, only_person
from prml.rig import RigMotion, to_rig
from prml.rotations import frame
from prml.scene import Scene

Array = np.ndarray


def renamed(motion: RigMotion, names: Mapping[str, str], prefix: str = "") -> RigMotion:
    """Return a motion whose bones have other names; those that are not in ``names`` only get the prefix."""
    new = {name: prefix + names.get(name, name) for name in motion.rig.names}
    rig = replace(
        motion.rig,
        names=tuple(new.values()),
        ends_m={new[bone]: end for bone, end in motion.rig.ends_m.items()},
        points={joint: (new[bone], at) for joint, (bone, at) in motion.rig.points.items()},
        inferred=tuple(new[bone] for bone in motion.rig.inferred),
    )
    return replace(motion, rig=rig)


def as_mixamo(motion: RigMotion) -> RigMotion:
    """Return the motion on Mixamo's bones."""
    return renamed(motion.split("Spine1", "Spine2"), {}, "mixamorig_")


def as_rokoko(motion: RigMotion) -> RigMotion:
    """Return the motion on the bones of Rokoko's Newton."""
    names = {"Spine": "Spine1", "Spine1": "Spine3"}
    for side in ("Left", "Right"):
        names |= {f"{side}{a}": f"{side}{b}" for a, b in (("UpLeg", "Thigh"), ("Leg", "Shin"), ("ToeBase", "Toe"))}
    return renamed(renamed(motion, names).split("Spine1", "Spine2").split("Spine3", "Spine4"), {})


def as_lafan1(motion: RigMotion) -> RigMotion:
    """Return the motion on the bones of LAFAN1, with their axes."""
    names = {"LeftToeBase": "LeftToe", "RightToeBase": "RightToe"}
    motion = renamed(motion.split("Spine1", "Spine2"), names)
    return motion.with_rest({name: axes.T for name, axes in _lafan1_axes(motion).items()})


def _lafan1_axes(motion: RigMotion) -> dict[str, Float[Array, "3 3"]]:
    """Return the axes of every bone of LAFAN1 in T pose, one per column."""
    left, up, ahead = np.eye(3)
    axes = {name: frame(up, ahead) for name in motion.rig.names}
    for side, out in (("Left", left), ("Right", -left)):
        axes |= {f"{side}{part}": frame(out, -ahead) for part in ("Shoulder", "Arm", "ForeArm", "Hand")}
        axes |= {f"{side}{part}": frame(-up, ahead) for part in ("UpLeg", "Leg")}
        instep = motion.rig.offsets_m[motion.rig.index(f"{side}Toe")]
        axes |= {f"{side}Foot": frame(instep, up), f"{side}Toe": frame(ahead, up)}
    return axes


def _format(name: str, convert: Callable[[RigMotion], RigMotion], order: str, what: str) -> Format:
    def write(scene: Scene, path: Path, overwrite: bool = False) -> None:
        write_file(path, bvh_text(convert(to_rig(only_person(scene, "a BVH file"))), order), overwrite)

    return Format(name, (".bvh",), what, write=write, wants="world", gap_rule="the last pose is held", one_person=True)


MIXAMO = _format("bvh_mixamo", as_mixamo, "ZXY", "BVH with the bones and names of Mixamo")
ROKOKO = _format("bvh_rokoko", as_rokoko, "ZXY", "BVH with the bones and names of Rokoko Studio")
LAFAN1 = _format("bvh_lafan1", as_lafan1, "ZYX", "BVH as in LAFAN1, which robots' retargeting (GMR) reads")
