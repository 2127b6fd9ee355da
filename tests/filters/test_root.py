import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prml.camera import Camera
from prml.errors import PrmlError
from prml.filters.root import Placement
from prml.sequence import PoseSequence

FRAMES = 6
TURN = Rotation.from_euler("xyz", [95, 10, 20], degrees=True).as_matrix()
LENS = Camera(
    *(1280, 720, 900, 910, 630, 370),
    radial=(-0.12, 0.03, 0.001),
    tangential=(0.002, -0.004),
    R_world_to_camera=TURN,
    t_m=np.array([0.3, -0.2, 4.5]),
)


@pytest.fixture
def walk():
    """Root-relative joints, and where the root is: three to five metres in front of the camera."""
    rng = np.random.default_rng(0)
    joints = rng.normal(size=(FRAMES, 17, 3)) * 0.4
    joints[:, 0] = 0
    return joints, np.stack([rng.uniform(-1, 1, FRAMES), rng.uniform(-0.5, 0.5, FRAMES), rng.uniform(3, 5, FRAMES)], -1)


def relative(walk, **fields):
    joints, roots = walk
    fields = {"keypoints_px": LENS.project(joints + roots[:, None]), "joints_m": joints} | fields
    return PoseSequence.regular(FRAMES, 25, camera=LENS, root_relative=True, **fields)


def test_root_relative_joints_stand_where_they_were_seen(walk):
    placed = Placement.of(relative(walk))
    np.testing.assert_allclose(placed.origins_m, walk[1], atol=1e-6)
    np.testing.assert_allclose(placed.project(walk[0]), relative(walk).keypoints_px, atol=1e-4)


def test_joints_that_were_not_found_have_no_say(walk):
    sequence = relative(walk)
    points, confidence = sequence.keypoints_px.copy(), np.ones((FRAMES, 17))
    points[:, 3], confidence[:, 3] = np.nan, np.nan
    points[:, 9], confidence[:, 9] = 0.0, 0.0  # where many detectors put what they do not find
    placed = Placement.of(sequence.with_(keypoints_px=points, confidence=confidence))
    np.testing.assert_allclose(placed.origins_m, walk[1], atol=1e-3)


def test_frames_without_a_pose_have_no_place(walk):
    joints = walk[0].copy()
    joints[2] = np.nan
    placed = Placement.of(relative(walk, joints_m=joints))
    assert np.isnan(placed.origins_m[2]).all()
    assert np.isnan(placed.project(joints)[2]).all()
    np.testing.assert_allclose(placed.origins_m[3:], walk[1][3:], atol=1e-6)


def test_stated_places_are_taken_as_they_are(walk):
    joints = walk[0] + walk[1][:, None]
    camera = PoseSequence.regular(FRAMES, 25, joints_m=joints, camera=LENS)
    np.testing.assert_array_equal(Placement.of(camera).project(joints), LENS.project(joints))
    world_m = LENS.to_world(joints)
    world = PoseSequence.regular(FRAMES, 25, joints_m=world_m, camera=LENS, frame="world")
    np.testing.assert_allclose(Placement.of(world).project(world_m), LENS.project(joints), atol=1e-9)


def test_a_root_relative_pose_in_the_world_s_axes(walk):
    turned = walk[0] @ LENS.R_world_to_camera  # the inverse rotation
    placed = Placement.of(relative(walk, joints_m=turned, frame="world"))
    np.testing.assert_allclose(placed.origins_m, walk[1], atol=1e-6)
    np.testing.assert_allclose(placed.project(turned), relative(walk).keypoints_px, atol=1e-4)


def test_long_sequences_are_the_same_block_by_block(walk, monkeypatch):
    whole = Placement.of(relative(walk)).origins_m
    monkeypatch.setattr("prml.filters.root._BLOCK", 4)
    np.testing.assert_array_equal(Placement.of(relative(walk)).origins_m, whole)


def test_what_cannot_be_placed_is_refused(walk):
    for missing in ({"keypoints_px": None}, {"joints_m": None}):
        with pytest.raises(PrmlError, match="keypoints_px"):
            Placement.of(relative(walk, **missing))
    with pytest.raises(PrmlError, match="camera"):
        Placement.of(relative(walk).with_(camera=None))
