"""USD files: what the text says, and usd-core where it is installed."""

import re

import numpy as np
import pytest

import prml
from fixtures.moving import moving
from prml.io.usd import usda_text
from prml.rig import to_rig
from prml.scene import Scene


@pytest.fixture
def pair():
    return Scene((moving(20, 0, fps=59.94, track_id=1), moving(20, 1, fps=59.94, track_id=2)))


@pytest.fixture
def text(pair, tmp_path):
    prml.save_file(pair, tmp_path / "x.usda")
    return (tmp_path / "x.usda").read_text()


def _numbers(text):
    return np.array(re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text), float)


def test_the_head_of_the_file(text):
    head = text[: text.index("def ")]
    assert text.startswith("#usda 1.0\n")
    for line in ('defaultPrim = "Scene"', "metersPerUnit = 1", 'upAxis = "Y"', "timeCodesPerSecond = 59.94"):
        assert line in head
    assert "framesPerSecond = 59.94" in head
    assert "endTimeCode = 19" in head
    assert text.count("{") == text.count("}")
    assert text.count("[") == text.count("]")


def test_joints_are_paths_of_identifiers(text):
    lists = re.findall(r"token\[\] joints = \[(.*)\]", text)
    assert len(lists) == 4  # of the skeleton and the animation of two people
    assert lists[0] == lists[1]
    paths = re.findall(r'"([^"]*)"', lists[0])
    assert all(re.fullmatch(r"[A-Za-z_]\w*(/[A-Za-z_]\w*)*", path) for path in paths)
    assert paths[0] == "Hips"
    assert all(path.rpartition("/")[0] in paths for path in paths[1:])


def test_every_frame_has_a_rotation_a_translation_and_a_scale_for_every_joint(text, pair):
    motion = to_rig(pair.people[0])
    bones = len(motion.rig)
    (scales,) = set(re.findall(r"half3\[\] scales = \[(.*)\]", text))
    np.testing.assert_array_equal(_numbers(scales), np.ones(3 * bones))
    turns = re.search(r"quatf\[\] rotations.timeSamples = {(.*?)}", text, re.DOTALL)[1].strip().splitlines()
    places = re.search(r"float3\[\] translations.timeSamples = {(.*?)}", text, re.DOTALL)[1].strip().splitlines()
    assert len(turns) == len(places) == 20
    for frame in (0, 19):
        stated, _, row = turns[frame].partition(":")
        assert int(stated) == frame
        np.testing.assert_allclose(_numbers(row).reshape(bones, 4), motion.rotations[frame], atol=1e-6)
        at = _numbers(places[frame].partition(":")[2]).reshape(bones, 3)
        np.testing.assert_allclose(at[0], motion.root_m[frame], atol=1e-6)
        np.testing.assert_allclose(at[1:], motion.rig.offsets_m[1:], atol=1e-6)


def test_usd_core_finds_the_joints(pair, tmp_path):
    pytest.importorskip("pxr", reason="usd-core is not installed")
    from pxr import Usd, UsdGeom, UsdSkel

    prml.save_file(pair, tmp_path / "x.usda")
    stage = Usd.Stage.Open(str(tmp_path / "x.usda"))
    assert (stage.GetTimeCodesPerSecond(), UsdGeom.GetStageMetersPerUnit(stage)) == (59.94, 1)
    cache, frame = UsdSkel.Cache(), UsdGeom.XformCache()
    roots = [UsdSkel.Root(prim) for prim in stage.Traverse() if prim.IsA(UsdSkel.Root)]
    for root, person in zip(roots, pair, strict=True):
        cache.Populate(root, Usd.PrimDefaultPredicate)
        (skeleton,) = (UsdSkel.Skeleton(p) for p in Usd.PrimRange(root.GetPrim()) if p.IsA(UsdSkel.Skeleton))
        query, motion = cache.GetSkelQuery(skeleton), to_rig(person)
        heads = motion.pose()[1]
        names = [str(joint).rpartition("/")[2] for joint in query.GetJointOrder()]
        assert query.GetTopology().Validate()[0]
        for t in (0, 7, 19):
            frame.SetTime(t)
            for name, matrix in zip(names, query.ComputeJointWorldTransforms(frame), strict=True):
                at = heads[t, motion.rig.index(name)]
                np.testing.assert_allclose(list(matrix.ExtractTranslation()), at, atol=1e-5)


def test_length_is_linear():
    short, long = (len(usda_text([to_rig(moving(frames))])) for frames in (10, 110))
    each = (long - short) / 100
    assert short - 10 * each < 600_000  # the mesh
    assert each < 3000
