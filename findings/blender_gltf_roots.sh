#!/usr/bin/env bash
# Blender makes one armature of two people in a glTF file, unless each has a node around the skeleton.
#
# Guess:   every skin becomes an armature of its own.
# Seen:    two skeletons that are roots of the scene become one armature, with bones "Hips" and "Hips.001". With a node
#          around each there are two. Of two animations, one per person, only the first one's bones move.
# Matters: the second person cannot be retargeted, or stands still. prml puts a node around every person, gives the
#          second one's bones a prefix, and moves all in one animation (io/glb.py).
#
# Needs python3.11, its venv module and the package registry (360 MB). Not part of CI.
set -euo pipefail

version=4.5.15
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check "bpy==$version"

cat >"$work/look.py" <<'PYTHON'
"""Two skeletons of two bones with and without a node around each, one or two animations; print what Blender makes of them."""
import base64
import json
import struct
import sys

import bpy


def write(path, wrapped, animations):
    matrices = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] * 2
    data = struct.pack("<32f2f6f", *matrices, 0, 1, 0, 0, 0, 0, 5, 0)  # two matrices, two times, two places
    nodes, roots, skins, moved = [], [], [], []
    for person in range(2):
        hips = len(nodes)
        nodes += [{"name": "Hips", "children": [hips + 1]}, {"name": "Spine", "translation": [0, 1, 0]}]
        skins.append({"joints": [hips, hips + 1], "inverseBindMatrices": 0, "skeleton": hips})
        moved.append({"sampler": 0, "target": {"node": hips, "path": "translation"}})
        if wrapped:
            nodes.append({"name": f"Person{person}", "children": [hips]})
        roots.append(len(nodes) - 1 if wrapped else hips)
    for person in range(2):  # meshes that the skins move
        roots.append(len(nodes))
        nodes.append({"name": f"Body{person}", "mesh": 0, "skin": person})
    corners = struct.pack("<9f12B12f", 0, 0, 0, 1, 0, 0, 0, 1, 0, *[0] * 12, *[1, 0, 0, 0] * 3)
    sampler = {"input": 1, "output": 2}
    channels = [moved] if animations == 1 else [[channel] for channel in moved]
    views = ((0, 128), (128, 8), (136, 24), (160, 36), (196, 12), (208, 48))
    kinds = ((5126, 2, "MAT4"), (5126, 2, "SCALAR"), (5126, 2, "VEC3"), (5126, 3, "VEC3"), (5121, 3, "VEC4"), (5126, 3, "VEC4"))
    accessors = [{"bufferView": k, "componentType": c, "count": n, "type": t} for k, (c, n, t) in enumerate(kinds)]
    accessors[1] |= {"min": [0], "max": [1]}
    accessors[3] |= {"min": [0, 0, 0], "max": [1, 1, 0]}
    blob = data + corners
    made = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": roots}],
        "nodes": nodes,
        "skins": skins,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 3, "JOINTS_0": 4, "WEIGHTS_0": 5}}]}],
        "animations": [{"name": f"a{k}", "channels": c, "samplers": [sampler]} for k, c in enumerate(channels)],
        "buffers": [{"byteLength": len(blob), "uri": "data:application/octet-stream;base64," + base64.b64encode(blob).decode()}],
        "bufferViews": [{"buffer": 0, "byteOffset": a, "byteLength": n} for a, n in views],
        "accessors": accessors,
    }
    with open(path, "w") as file:
        json.dump(made, file)


def look(wrapped, animations):
    path = f"{sys.argv[1]}/two.gltf"
    write(path, wrapped, animations)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=path)
    scene = bpy.context.scene
    armatures = [thing for thing in scene.objects if thing.type == "ARMATURE"]
    scene.frame_set(24)
    moving = sum(abs(b.location.length - 5) < 0.1 for a in armatures for b in a.pose.bones)
    bones = sorted(bone.name for armature in armatures for bone in armature.pose.bones)
    around = "a node around each" if wrapped else "roots"
    print(f"{around}, {animations} animation(s): {len(armatures)} armature(s), bones {', '.join(bones)}; {moving} hips move")
    return len(armatures), bones, moving


print("Blender", bpy.app.version_string)
roots, two, one = look(False, 1), look(True, 2), look(True, 1)
sys.exit(not (roots[0] == 1 and "Hips.001" in roots[1] and two[0] == one[0] == 2 and two[2] == 1 and one[2] == 2))
PYTHON

if "$work/venv/bin/python" "$work/look.py" "$work" 2>/dev/null | grep -v "INFO\|^$"; then
    echo "as described: skeletons at the root are joined, and only the first animation plays"
else
    echo "changed: every skin is an armature of its own, or all animations play"
    exit 1
fi
