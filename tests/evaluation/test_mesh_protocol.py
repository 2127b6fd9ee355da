"""Laws of linear blend skinning, and errors in the files it needs."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fixtures.made_up import body_arrays, write_mesh_files
from prml.datasets.pw3d_mesh import BodyModel, read_3dpw_mesh
from prml.datasets.registry import dataset_at
from prml.errors import PrmlError
from prml.evaluation import protocols


@pytest.fixture
def body():
    return BodyModel._from(body_arrays())


def test_at_rest_the_vertices_are_the_template_and_shape_adds_linearly(body):
    still, shape = np.zeros((1, 72)), np.random.default_rng(0).normal(size=(1, 10))
    assert np.allclose(body.vertices(still, np.zeros((1, 10))), body.template_m)
    one, two = (body.vertices(still, k * shape) - body.template_m for k in (1, 2))
    assert np.allclose(two, 2 * one)


def test_turning_the_first_joint_turns_the_whole_body_about_it(body):
    rng = np.random.default_rng(1)
    pose, shape = rng.normal(0, 0.4, (1, 72)), rng.normal(size=(1, 10))
    pose[:, :3] = 0
    turn = Rotation.from_rotvec([0.3, -1.0, 0.5])
    turned = pose.copy()
    turned[:, :3] = turn.as_rotvec()
    root = np.einsum("v,tvc->tc", body.joints[0], body.vertices(np.zeros((1, 72)), shape))
    expected = (body.vertices(pose, shape) - root) @ turn.as_matrix().T + root
    assert np.allclose(body.vertices(turned, shape), expected)


def test_a_rigid_limb_keeps_its_distances_and_others_stay(body):
    """With hard weights and no blend shapes, only the part below the elbow moves, rigidly."""
    arrays = body_arrays()
    arrays["posedirs"] *= 0
    owner = np.arange(40) % 24
    arrays["weights"] = np.eye(24)[owner]
    hard = BodyModel._from(arrays)
    pose = np.zeros((1, 72))
    pose[:, 3 * 18 : 3 * 18 + 3] = [0.2, 0.9, -0.4]
    moved, rest = hard.vertices(pose, np.zeros((1, 10)))[0], hard.template_m
    below = np.isin(owner, (18, 20, 22))
    assert np.allclose(moved[~below], rest[~below])
    assert not np.allclose(moved[below], rest[below])

    def distances(v):
        return np.linalg.norm(v[:, None] - v[None], axis=-1)

    assert np.allclose(distances(moved[below]), distances(rest[below]))


def test_frames_in_chunks_are_frames_at_once(body):
    rng = np.random.default_rng(2)
    pose, shape, regressor = rng.normal(size=(150, 72)), rng.normal(size=(150, 10)), rng.random((17, 40))
    whole = np.einsum("jv,tvc->tjc", regressor, body.vertices(pose, shape))
    assert np.allclose(body.regress(regressor, pose, shape), whole)


def test_the_sequences_are_people_in_videos(tmp_path):
    write_mesh_files(tmp_path / "mesh")
    people = list(protocols.get("3dpw-mesh").sequences(tmp_path / "mesh"))
    assert [p.name for p in people] == ["downtown_walking_000", "downtown_walking_001"]
    assert [len(p) for p in people] == [22, 18]
    assert np.allclose(people[0].joints_m[:, 0], 0)
    assert people[0].action == "downtown_walking"


def test_what_is_missing_or_does_not_fit_is_named(tmp_path):
    folder = tmp_path / "mesh"
    write_mesh_files(folder)
    protocol = protocols.get("3dpw-mesh")
    np.save(folder / "J_regressor_h36m_correct.npy", np.zeros((17, 39)))
    with pytest.raises(PrmlError, match=r"must be \(17, 40\)"):
        next(protocol.sequences(folder))
    arrays = body_arrays()
    np.savez(folder / "SMPL_NEUTRAL.npz", **{**arrays, "weights": arrays["weights"][:-1]})
    with pytest.raises(PrmlError, match="do not fit each other"):
        next(protocol.sequences(folder))
    arrays.pop("posedirs")
    np.savez(folder / "SMPL_NEUTRAL.npz", **arrays)
    with pytest.raises(PrmlError, match="posedirs"):
        next(protocol.sequences(folder))
    (folder / "SMPL_NEUTRAL.npz").unlink()
    with pytest.raises(PrmlError, match=r"no SMPL_NEUTRAL\.npz"):
        next(protocol.sequences(folder))


def test_human36m_is_trained_on_too_where_its_file_is(tmp_path):
    write_mesh_files(tmp_path / "one")
    write_mesh_files(tmp_path / "two", human36m=True)
    assert [s.name for s in read_3dpw_mesh(tmp_path / "one", "train")] == ["outdoors_fencing_000"]
    both = list(read_3dpw_mesh(tmp_path / "two", "train"))
    assert [(s.camera.width, s.camera.height, s.fps) for s in both] == [(1920, 1920, 30), (1000, 1002, 50)]
    assert len(list(read_3dpw_mesh(tmp_path / "two"))) == 2  # the test split is 3DPW's
    assert dataset_at(tmp_path / "two").name == "3dpw-mesh"
    with pytest.raises(PrmlError, match="splits train and test"):
        read_3dpw_mesh(tmp_path / "one", "validation")
    (tmp_path / "one" / "mesh_det_pw3d.pkl").unlink()
    with pytest.raises(PrmlError, match=r"no mesh_det_pw3d\.pkl in"):
        list(read_3dpw_mesh(tmp_path / "one", "train"))
