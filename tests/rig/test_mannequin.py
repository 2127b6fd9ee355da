"""The mannequin: closed bodies around the bones, of the size of the person."""

import numpy as np
import pytest

from fixtures.moving import body, moving
from prml.rig import to_rig
from prml.rig.mannequin import mannequin, rounded
from prml.skeleton import H36M17


@pytest.fixture(params=["body28", "h36m17"])
def rig(request):
    person = body() if request.param == "body28" else body().to_skeleton(H36M17)
    return to_rig(person).rig


def test_every_bone_but_no_other_has_a_body(rig):
    assert set(mannequin(rig).bones) == set(range(len(rig)))


def test_bodies_are_closed_and_face_outwards(rig):
    mesh = mannequin(rig)
    corners = mesh.points_m[mesh.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    large = np.linalg.norm(normals, axis=-1) > 1e-12
    assert ((normals * mesh.normals[mesh.triangles].mean(1)).sum(-1)[large] > 0).all()
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=-1), 1, atol=1e-9)
    volume = (np.cross(corners[:, 0], corners[:, 1]) * corners[:, 2]).sum() / 6
    assert 0.03 < volume < 0.12  # cubic metres; bodies overlap
    assert len(np.unique(mesh.bones[mesh.triangles].T, axis=1)) == 3
    assert (mesh.bones[mesh.triangles] == mesh.bones[mesh.triangles][:, :1]).all()


def test_it_is_symmetric_stands_on_its_soles_and_looks_ahead(rig):
    mesh = mannequin(rig)
    low, high = mesh.points_m.min(0), mesh.points_m.max(0)
    assert low[0] == pytest.approx(-high[0], abs=1e-6)
    assert low[1] == pytest.approx(-rig.hip_height_m, abs=0.012)
    head = mesh.points_m[mesh.bones == rig.index("Head")]
    assert head[head[:, 2].argmax(), 0] == pytest.approx(0, abs=0.02)  # the nose


def test_it_grows_with_the_person():
    person = moving(3)
    small, large = (to_rig(person.with_(joints_m=person.joints_m * k)).rig for k in (1, 2))
    np.testing.assert_allclose(mannequin(large).points_m, 2 * mannequin(small).points_m, atol=2e-3)


def test_rounded_reaches_past_both_ends():
    points, normals = rounded(np.zeros(3), np.array([0, 2.0, 0]), 0.5, 0.25, np.array([1.0, 0, 0]))
    np.testing.assert_allclose(points.min(0), [-0.5, -0.25, -0.25], atol=1e-12)
    np.testing.assert_allclose(points.max(0), [0.5, 2.25, 0.25], atol=1e-12)
    assert np.isfinite(normals).all()
