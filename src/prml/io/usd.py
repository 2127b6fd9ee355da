"""USD as text (.usda): mannequins that move, for Omniverse, Houdini, Blender, Unreal; several people in one file.

Metres, Y up, one time code per frame from 0. Every person is a ``SkelRoot`` with a ``Skeleton`` in T pose, a ``Mesh``
whose points move with one joint each, and a ``SkelAnimation``: rotations and translations relative to the parent, and
scales of 1 (without them a figure does not move). Names of joints are identifiers: with other marks in them readers
take the skeleton to have no hierarchy. A person who is absent stays in the last pose seen.
https://openusd.org/release/api/_usd_skel__schemas.html
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from prml.io.files import write_file
from prml.io.registry import Format
from prml.rig import RigMotion, rigs_of
from prml.rig.mannequin import mannequin
from prml.scene import Scene

Array = np.ndarray
_COLOURS = ("(0.80, 0.46, 0.20)", "(0.20, 0.48, 0.75)", "(0.35, 0.62, 0.28)", "(0.66, 0.34, 0.62)")  # linear
_PLACE = "({:.6f}, {:.6f}, {:.6f})"


def usda_text(motions: list[RigMotion]) -> str:
    """Return the motions of people on one clock as the text of a USD file."""
    motions = [motion.regular() for motion in motions]
    fps, frames = motions[0].fps, len(motions[0])
    lines = [
        "#usda 1.0",
        "(",
        '    defaultPrim = "Scene"',
        "    metersPerUnit = 1",
        '    upAxis = "Y"',
        f"    framesPerSecond = {fps:.10g}",
        f"    timeCodesPerSecond = {fps:.10g}",
        "    startTimeCode = 0",
        f"    endTimeCode = {frames - 1}",
        ")",
        "",
        'def Xform "Scene"',
        "{",
    ]
    for number, motion in enumerate(motions):
        lines += ("    " + line for line in _person(motion, number))
    return "\n".join([*lines, "}", ""])


def _person(motion: RigMotion, number: int) -> Iterator[str]:
    rig, name = motion.rig, f"Person{number + 1}"
    paths: list[str] = []
    for bone, parent in enumerate(rig.parents):
        paths.append((f"{paths[parent]}/" if parent >= 0 else "") + rig.names[bone])
    joints = f"uniform token[] joints = {json.dumps(paths)}"
    up = np.array([0, rig.hip_height_m, 0])
    local = rig.offsets_m + up * (np.arange(len(rig)) == 0)[:, None]
    yield f'def SkelRoot "{name}" ('
    yield '    prepend apiSchemas = ["SkelBindingAPI"]'
    yield ")"
    yield "{"
    yield '    def Skeleton "Skeleton" ('
    yield '        prepend apiSchemas = ["SkelBindingAPI"]'
    yield "    )"
    yield "    {"
    yield f"        {joints}"
    yield f"        uniform matrix4d[] bindTransforms = {_matrices(rig.heads_m + up)}"
    yield f"        uniform matrix4d[] restTransforms = {_matrices(local)}"
    yield f"        rel skel:animationSource = </Scene/{name}/Animation>"
    yield "    }"
    for line in _mesh(motion, number, up):
        yield f"    {line}"
    yield '    def SkelAnimation "Animation"'
    yield "    {"
    yield f"        {joints}"
    yield f"        half3[] scales = [{', '.join(['(1, 1, 1)'] * len(rig))}]"
    for line in _samples(motion, local):
        yield f"        {line}"
    yield "    }"
    yield "}"


def _samples(motion: RigMotion, local: Float[Array, "B 3"]) -> Iterator[str]:
    """Rotations (real part first) and translations of all frames; only the hips have other ones than at rest."""
    turn = ", ".join(["(%.7g, %.7g, %.7g, %.7g)"] * len(motion.rig))
    rest = ", ".join(_PLACE.format(*at) for at in local[1:].tolist())
    yield "quatf[] rotations.timeSamples = {"
    for frame, values in enumerate(motion.rotations.reshape(len(motion), -1).tolist()):
        yield f"    {frame}: [{turn % tuple(values)}],"
    yield "}"
    yield "float3[] translations.timeSamples = {"
    for frame, at in enumerate(motion.root_m.tolist()):
        yield f"    {frame}: [{_PLACE.format(*at)}, {rest}],"
    yield "}"


def _mesh(motion: RigMotion, number: int, up: Float[Array, "3"]) -> Iterator[str]:
    mesh, name = mannequin(motion.rig), f"Person{number + 1}"
    points = mesh.points_m + up
    colour, paint = _COLOURS[number % len(_COLOURS)], f"/Scene/{name}/Paint"
    yield 'def Material "Paint"'
    yield "{"
    yield f"    token outputs:surface.connect = <{paint}/Surface.outputs:surface>"
    yield '    def Shader "Surface"'
    yield "    {"
    yield '        uniform token info:id = "UsdPreviewSurface"'
    yield f"        color3f inputs:diffuseColor = {colour}"
    yield "        float inputs:roughness = 0.7"
    yield "        token outputs:surface"
    yield "    }"
    yield "}"
    yield 'def Mesh "Body" ('
    yield '    prepend apiSchemas = ["SkelBindingAPI", "MaterialBindingAPI"]'
    yield ")"
    yield "{"
    yield f"    float3[] extent = {_tuples([points.min(0), points.max(0)])}"
    yield f"    int[] faceVertexCounts = {_numbers([3] * len(mesh.triangles))}"
    yield f"    int[] faceVertexIndices = {_numbers(mesh.triangles.ravel().tolist())}"
    yield f"    point3f[] points = {_tuples(points)}"
    yield f'    normal3f[] normals = {_tuples(mesh.normals)} (interpolation = "vertex")'
    yield f"    color3f[] primvars:displayColor = [{colour}]"
    yield f"    rel material:binding = <{paint}>"
    yield '    uniform token subdivisionScheme = "none"'
    yield f"    rel skel:skeleton = </Scene/{name}/Skeleton>"
    yield f"    int[] primvars:skel:jointIndices = {_numbers(mesh.bones.tolist())} ("
    yield "        elementSize = 1"
    yield '        interpolation = "vertex"'
    yield "    )"
    yield f"    float[] primvars:skel:jointWeights = {_numbers([1] * len(mesh.bones))} ("
    yield "        elementSize = 1"
    yield '        interpolation = "vertex"'
    yield "    )"
    yield "    matrix4d primvars:skel:geomBindTransform = ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))"
    yield "}"


def _numbers(values: Iterable[int]) -> str:
    return f"[{', '.join(map(str, values))}]"


def _tuples(rows: Iterable[Float[Array, "3"]]) -> str:
    return f"[{', '.join(_PLACE.format(*row) for row in np.asarray(rows).tolist())}]"


def _matrices(places: Float[Array, "B 3"]) -> str:
    """Translations as matrices for row vectors."""
    rows = "((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (%.6f, %.6f, %.6f, 1))"
    return f"[{', '.join(rows % tuple(at) for at in places.tolist())}]"


def write_usd(scene: Scene, path: Path, overwrite: bool = False) -> None:
    """Write all people of a scene; raise PrmlError as :func:`prml.rig.rigs_of` does."""
    write_file(path, usda_text(rigs_of(scene)), overwrite)


FORMAT = Format(
    "usd",
    (".usda",),
    "mannequins that move, for Omniverse, Houdini, Blender, Unreal",
    write=write_usd,
    wants="world",
    gap_rule="the last pose is held",
)
