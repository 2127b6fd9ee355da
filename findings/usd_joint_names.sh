#!/usr/bin/env bash
# A USD skeleton whose joints have a colon in their names is flat, and is valid all the same.
#
# Guess:   joint paths such as "mixamorig:Hips/mixamorig:Spine" are text; UsdSkel takes the parent up to the last slash, and
#          UsdSkelTopology.Validate() says if something is wrong. Scales that are not given are 1.
# Seen:    with a colon (or a space, a dot, a hyphen, a digit in front) no joint has a parent, and Validate() returns True.
#          Without "scales" an animation has no transforms at all, so the figure keeps its rest pose.
# Matters: such a figure falls apart or stands still in every viewer. prml writes identifiers, and scales of 1 (io/usd.py).
#
# Needs python3, its venv module and the package registry. Not part of CI.
set -euo pipefail

version=26.11
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check "usd-core==$version"

cat >"$work/look.py" <<'PYTHON'
"""Two joints, with and without a colon, with and without scales; print parents, validity and transforms."""
import sys

from pxr import Gf, Usd, UsdSkel, Vt


def look(joints, scales):
    stage = Usd.Stage.CreateInMemory()
    root = UsdSkel.Root.Define(stage, "/Man")
    skeleton, motion = UsdSkel.Skeleton.Define(stage, "/Man/Skel"), UsdSkel.Animation.Define(stage, "/Man/Anim")
    still = Vt.Matrix4dArray([Gf.Matrix4d(1)] * 2)
    for part in (skeleton, motion):
        part.CreateJointsAttr(joints)
    skeleton.CreateRestTransformsAttr(still)
    skeleton.CreateBindTransformsAttr(still)
    motion.CreateTranslationsAttr([Gf.Vec3f(0, 1, 0)] * 2)
    motion.CreateRotationsAttr([Gf.Quatf(1, 0, 0, 0)] * 2)
    if scales:
        motion.CreateScalesAttr([Gf.Vec3h(1, 1, 1)] * 2)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([motion.GetPath()])
    cache = UsdSkel.Cache()
    cache.Populate(root, Usd.PrimDefaultPredicate)
    query = cache.GetSkelQuery(skeleton)
    topology = query.GetTopology()
    valid, parents = topology.Validate()[0], list(topology.GetParentIndices())
    moved = [m.ExtractTranslation()[1] for m in query.ComputeJointSkelTransforms(Usd.TimeCode(0))]
    print(f"{joints[1]!r}, scales {'given' if scales else 'left out'}: valid {valid}, parents {parents}, heights {moved}")
    return valid, parents, moved


print("usd-core", ".".join(map(str, Usd.GetVersion()[1:])))
plain, colon = look(["Hips", "Hips/Spine"], True), look(["m:Hips", "m:Hips/m:Spine"], True)
bare = look(["Hips", "Hips/Spine"], False)
right = plain == (True, [-1, 0], [1, 2])
sys.exit(not (right and colon[:2] == (True, [-1, -1]) and bare[2] == [0, 0]))
PYTHON

if "$work/venv/bin/python" "$work/look.py"; then
    echo "as described: a colon flattens the skeleton, missing scales freeze it"
else
    echo "changed: names with a colon keep their parents or are refused, or scales may be left out"
    exit 1
fi
