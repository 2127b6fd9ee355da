"""Views of motion capture: cameras at their elevations, the same every time, each view scored apart."""

import numpy as np
import pytest
import torch

from prml.batches.virtual_camera import VIEWS, view_cameras
from prml.datasets.mocap import load_sets
from prml.evaluation import protocols
from prml.evaluation.metrics import bend_bias, bend_error, bends_deg
from prml.evaluation.predictor import predictor_of
from prml.evaluation.protocols.mocap_benchmark import view_sequences
from prml.evaluation.run import evaluate
from prml.networks import registry
from prml.skeleton import H36M17
from prml.weights.record import Card, save_record

J = H36M17.index
KNEE = ("Hip", "Knee", "Ankle")


@pytest.fixture(scope="module")
def clip():
    return load_sets(("ui_prmd",))[0].clip_m(4)


@pytest.fixture(scope="module")
def seen():
    return list(view_sequences(("ui_prmd",), limit=2))


def elevation_of(camera, centre):
    sight = -camera.R_world_to_camera.T @ camera.t_m - centre
    return np.degrees(np.arcsin(sight[2] / np.linalg.norm(sight))), np.arctan2(sight[1], sight[0])


def test_views_differ_in_elevation_alone(clip):
    cameras = view_cameras("ui_prmd/x", clip)
    assert list(cameras) == ["low", "level", "high", "overhead"]
    centre = (clip.min((0, 1)).astype(float) + clip.max((0, 1))) / 2
    places = {name: elevation_of(camera, centre) for name, camera in cameras.items()}
    for name, (low, high) in VIEWS.items():
        assert low - 1e-6 <= places[name][0] <= high + 1e-6
        assert places[name][1] == pytest.approx(places["level"][1])
        assert (cameras[name].fx, cameras[name].width) == (cameras["level"].fx, cameras["level"].width)
        px = cameras[name].project(cameras[name].to_camera(clip.astype(float)))
        assert (px >= 0).all()
        assert (px < [cameras[name].width, cameras[name].height]).all()


def test_the_picture_is_as_steep_as_the_view(clip):
    """The world's up leans away from the image plane by the camera's elevation: R's third row, third entry."""
    for name, camera in view_cameras("ui_prmd/x", clip).items():
        low, high = VIEWS[name]
        assert np.sin(np.radians(low)) - 1e-9 <= -camera.R_world_to_camera[2, 2] <= np.sin(np.radians(high)) + 1e-9
        assert camera.R_world_to_camera[0, 2] == pytest.approx(0)  # no roll


def test_every_clip_has_four_views_and_the_same_every_time(seen):
    again = list(view_sequences(("ui_prmd",), limit=2))
    assert [s.source for s in seen] == ["low", "level", "high", "overhead"] * 2
    assert len({s.name for s in seen}) == 8
    for a, b in zip(seen, again, strict=True):
        np.testing.assert_array_equal(a.keypoints_px, b.keypoints_px)
        np.testing.assert_array_equal(a.confidence, b.confidence)


def test_all_views_of_a_clip_have_one_person_and_one_detectors_errors(seen):
    """Distances between joints are those of the clip; errors at the person's depth and confidences are equal."""
    errors = []
    for s in seen[:4]:
        np.testing.assert_array_equal(s.confidence, seen[0].confidence)
        lengths = np.linalg.norm(s.joints_m[:, J("LHip")] - s.joints_m[:, J("LKnee")], axis=-1)
        np.testing.assert_allclose(
            lengths, np.linalg.norm(seen[0].joints_m[:, J("LHip")] - seen[0].joints_m[:, J("LKnee")], axis=-1)
        )
        wrist = J("LWrist")
        off_px = s.keypoints_px[:, wrist] - s.camera.project(s.joints_m)[:, wrist]
        errors.append(off_px * s.joints_m[:, :1, 2] / s.camera.fx)
    calm = np.linalg.norm(errors[0] - errors[1], axis=-1) < 1e-4  # all but the frames of swapped sides
    assert calm.mean() > 0.9
    for other in errors[2:]:
        assert (np.linalg.norm(errors[0] - other, axis=-1) < 1e-4).mean() > 0.9


def bent(degrees):
    """A pose with left and right knee bent by so much, and straight elbows."""
    pose = torch.zeros(17, 3)
    for side, angle in zip("LR", degrees, strict=True):
        turn = np.radians(angle)
        pose[J(side + "Knee")] = torch.tensor([0.0, 0.4, 0.0])
        pose[J(side + "Ankle")] = pose[J(side + "Knee")] + torch.tensor([0.0, 0.4 * np.cos(turn), 0.4 * np.sin(turn)])
        pose[J(side + "Elbow")] = torch.tensor([0.3, 0.0, 0.0])
        pose[J(side + "Wrist")] = torch.tensor([0.5, 0.0, 0.0])
    return pose[None]


def test_bends_by_hand():
    np.testing.assert_allclose(bends_deg(bent((30, 120)), KNEE)[0], (30, 120), atol=1e-4)
    np.testing.assert_allclose(bends_deg(bent((30, 120)), ("Shoulder", "Elbow", "Wrist"))[0], 0, atol=1e-4)
    assert bend_error(bent((35, 110)), bent((30, 120)), KNEE).item() == pytest.approx(7.5, abs=1e-4)


def test_a_bias_counts_the_limbs_of_its_range_alone():
    """Left straight and 12 too bent, right deep and 9 too straight; neither range covers a bend of 30."""
    wrong, true = bent((17, 91)), bent((5, 100))
    assert bend_bias(wrong, true, KNEE, (0, 10)).item() == pytest.approx(12, abs=1e-4)
    assert bend_bias(wrong, true, KNEE, (90, 150)).item() == pytest.approx(-9, abs=1e-4)
    assert bend_bias(bent((20, 40)), bent((30, 30)), KNEE, (0, 10)).isnan().all()


def test_bends_do_not_depend_on_the_frame():
    q, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    pose = bent((33, 77)).double()
    np.testing.assert_allclose(bends_deg(pose @ q * 1.7 + 2, KNEE), bends_deg(pose, KNEE), atol=1e-6)


def test_the_truth_has_no_error_in_any_view():
    """A predictor that knows the truth scores zero in every view."""
    rules = protocols.get("mocap-views")
    truth = {s.name: rules.space.target(s) for s in view_sequences(("cmu", "ui_prmd"), limit=1)}
    scores = evaluate(lambda s: truth[s.name], rules, limit=1).scores
    assert set(scores.per_source) == set(VIEWS)
    for row in scores.per_source.values():
        assert all(abs(value) < 1e-3 for value in row.values())


def test_a_network_is_scored_in_each_view(tmp_path):
    """An untrained network: every metric of every view, and the mean of all frames is that of the views."""
    from prml import load

    tiny = {"frames": 9, "width": 16, "heads": 2, "branch_blocks": 1, "in_channels": 3}
    save_record(tmp_path, Card("tiny", "prml-xs", tiny, window=9), registry.build("prml-xs", **tiny))
    rules = protocols.get("mocap-views")
    scores = evaluate(predictor_of(load(tmp_path / "tiny.safetensors", flip=False), rules), rules, limit=1).scores
    assert set(scores.per_source) == set(VIEWS)
    views = [scores.per_source[view]["mpjpe"] for view in VIEWS]
    assert scores.overall["mpjpe"] == pytest.approx(np.mean(views))  # views have equally many frames
    assert {"knee", "elbow"} <= set(scores.per_source["low"])
    assert len(set(views)) == 4
