"""The skeleton fit: lengths, exactness, and what a pose gains from it."""

import numpy as np
import pytest

from fixtures.standing import standing
from prml.camera import Camera
from prml.datasets.mocap import load_sets
from prml.filters.bones import (
    bone_lengths,
    bone_spread_m,
    fit_pose,
    from_root,
    seen_lengths,
    stature_m,
    with_lengths,
)
from prml.skeleton import BODY28, H36M17

CAMERA = Camera.from_fov(1000, 1000, 60)


def _walk(skeleton=BODY28):
    cmu = load_sets(("cmu",))[0]
    clip = cmu.sequence(int(np.flatnonzero(cmu.clip_name == "02_01")[0]), skeleton)
    joints = np.asarray(clip.joints_m, np.float64)[..., [1, 2, 0]] * [1, -1, 1]  # y down, seen along x
    return with_lengths(joints - joints[:, :1], bone_lengths(joints, skeleton), skeleton)


@pytest.mark.parametrize("skeleton", [BODY28, H36M17], ids=lambda s: s.name)
def test_parents_come_before_children(skeleton):
    order = from_root(skeleton)
    assert sorted(order) == list(range(len(skeleton)))
    assert all(order.index(p) < order.index(c) for p, c in skeleton.bones)


@pytest.mark.parametrize("skeleton", [BODY28, H36M17], ids=lambda s: s.name)
def test_a_pose_that_fits_is_left_alone(skeleton):
    true = _walk(skeleton)
    points = CAMERA.project(true + [0, 0, 4])
    lengths = bone_lengths(true, skeleton)
    std = np.full(true.shape, 0.05)
    fitted = fit_pose(true, std, lengths, skeleton, CAMERA, points, np.ones(points.shape[:2]))
    np.testing.assert_allclose(fitted, true, atol=2e-4)


def test_bones_are_exact_and_the_pose_gets_better():
    true, rng = _walk(), np.random.default_rng(0)
    std = np.broadcast_to([0.01, 0.01, 0.06], true.shape)
    noisy = true + rng.normal(size=true.shape) * std
    noisy -= noisy[:, :1]
    lengths = bone_lengths(true, BODY28)
    points = CAMERA.project(true + [0, 0, 4]) + rng.normal(size=(*true.shape[:2], 2)) * 3
    alone = fit_pose(noisy, std, lengths, BODY28)
    fitted = fit_pose(noisy, std, lengths, BODY28, CAMERA, points)
    assert bone_spread_m(fitted, BODY28) < 1e-9
    np.testing.assert_allclose(bone_lengths(fitted, BODY28), lengths, atol=1e-9)
    before, bones, both = (np.linalg.norm(x - true, axis=-1).mean() for x in (noisy, alone, fitted))
    assert both < bones < before


def test_what_the_detector_does_not_see_does_not_count():
    true = _walk()[:20]
    std, lengths = np.full(true.shape, 0.05), bone_lengths(_walk(), BODY28)
    points = CAMERA.project(true + [0, 0, 4])
    lost = points.copy()
    lost[:, 5] = np.nan
    wild = points.copy()
    wild[:, 5] = 0
    seen = np.ones(points.shape[:2])
    seen[:, 5] = 0
    np.testing.assert_allclose(
        fit_pose(true, std, lengths, BODY28, CAMERA, lost),
        fit_pose(true, std, lengths, BODY28, CAMERA, wild, seen),
        atol=1e-5,
    )


def test_points_show_proportions_that_a_network_does_not_know():
    true = _walk()
    right, usual = bone_lengths(true, BODY28), bone_lengths(true, BODY28)
    for name, factor in (("Knee", 0.9), ("Ankle", 1.1), ("Elbow", 1.1), ("Thorax", 0.92)):
        for joint in [j for j in BODY28.joints if j.endswith(name)]:
            usual[BODY28.index(joint)] *= factor
    network, std = with_lengths(true, usual, BODY28), np.full(true.shape, 0.04)
    points = CAMERA.project(true + [0, 0, 4])
    points += np.random.default_rng(1).normal(size=points.shape) * 3
    known = right > 0.1
    seen = seen_lengths(network, std, BODY28, CAMERA, points)
    before, after = (
        np.abs(lengths[known] / right[known] - 1).max() for lengths in (bone_lengths(network, BODY28), seen)
    )
    assert after < 0.6 * before


def test_points_that_agree_with_the_network_change_no_length():
    true = _walk()
    points = CAMERA.project(true + [0, 0, 4])
    points[:, 5] = np.nan
    seen = seen_lengths(true, np.full(true.shape, 0.05), BODY28, CAMERA, points)
    np.testing.assert_allclose(seen, bone_lengths(true, BODY28), atol=1e-3)


def test_lengths_are_medians_and_alike_on_both_sides():
    joints = np.repeat(standing()[None], 9, 0)
    joints[:2, BODY28.index("LAnkle")] *= 3  # outliers
    joints[:, BODY28.index("RWrist"), 2] -= 0.02
    lengths = bone_lengths(joints, BODY28)
    np.testing.assert_allclose(lengths, lengths[list(BODY28.mirror)])
    assert lengths[BODY28.index("LAnkle")] == pytest.approx(0.47)
    assert lengths[BODY28.index("LWrist")] == pytest.approx(0.26)


def test_a_joint_that_no_frame_has_is_nan_or_its_twin():
    joints = np.repeat(standing()[None], 3, 0)
    joints[:, BODY28.index("LHand")] = np.nan
    joints[:, BODY28.index("NoseTip")] = np.nan
    lengths = bone_lengths(joints, BODY28)
    assert lengths[BODY28.index("LHand")] == pytest.approx(0.08)
    assert np.isnan(lengths[BODY28.index("NoseTip")])


def test_stature_is_the_height_of_a_standing_body():
    assert stature_m(bone_lengths(standing()[None], BODY28), BODY28) == pytest.approx(1.75, abs=0.01)
