"""Laws of the metrics: invariances, bounds, and slow direct implementations of their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from prml.errors import PrmlError
from prml.evaluation import metrics
from prml.skeleton import H36M17

seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=40, deadline=None)


def poses(seed: int, *shape: int) -> torch.Tensor:
    """Random poses of a person's size, in metres."""
    return torch.from_numpy(np.random.default_rng(seed).normal(0.0, 0.4, (*shape, 17, 3)))


def similarity(seed: int, x: torch.Tensor) -> torch.Tensor:
    rng = np.random.default_rng(seed + 1)
    R = torch.from_numpy(Rotation.random(rng=rng).as_matrix())
    return float(rng.uniform(0.3, 3)) * x @ R.T + torch.from_numpy(rng.normal(size=3))


def centred(x: torch.Tensor) -> torch.Tensor:
    return x - x.mean(-2, keepdim=True)


def rms_mm(p: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    return (p - g).square().sum(-1).mean(-1).sqrt() * 1000


@given(seeds)
@quick
def test_p_mpjpe_is_unchanged_by_any_similarity_of_the_prediction(seed):
    p, g = poses(seed, 2, 3), poses(seed + 7, 2, 3)
    assert torch.allclose(metrics.p_mpjpe(similarity(seed, p), g), metrics.p_mpjpe(p, g), atol=1e-8)


@given(seeds)
@quick
def test_p_mpjpe_is_zero_for_a_similarity_and_only_then(seed):
    g = poses(seed, 4)
    assert metrics.p_mpjpe(similarity(seed, g), g).max() < 1e-9
    bent = similarity(seed, g)
    bent[:, 3, 0] += 0.05  # one joint moved by 5 cm is no similarity
    assert metrics.p_mpjpe(bent, g).min() > 0.1


@given(seeds)
@quick
def test_alignment_never_raises_the_squared_error_and_bounds_the_mean_distance(seed):
    p, g = poses(seed, 8), poses(seed + 1, 8)
    before, after = rms_mm(centred(p), centred(g)), rms_mm(metrics.procrustes(p, g), g)
    assert (after <= before + 1e-9).all()
    assert (metrics.p_mpjpe(p, g) <= after + 1e-9).all()  # Jensen: a mean never exceeds the root mean square
    assert (metrics.p_mpjpe(p, g) <= before + 1e-9).all()


def test_near_the_target_p_mpjpe_stays_below_mpjpe_but_one_outlier_breaks_the_naive_law():
    g = poses(3, 200)
    near = g + 0.02 * poses(4, 200)
    assert metrics.p_mpjpe(near, g).mean() < metrics.mpjpe(centred(near), centred(g)).mean()
    outlier = g.clone()
    outlier[:, 0] += 5.0  # the squared error bends all joints towards the one that is lost
    naive = metrics.mpjpe(outlier - outlier[:, 1:].mean(1, keepdim=True), g - g[:, 1:].mean(1, keepdim=True))
    assert (metrics.p_mpjpe(outlier, g) > naive).any()


@given(seeds)
@quick
def test_a_reflection_is_not_forgiven(seed):
    g = poses(seed, 3)
    mirrored = g * torch.tensor([-1.0, 1.0, 1.0])
    assert metrics.p_mpjpe(mirrored, g).min() > 50.0


@given(seeds)
@quick
def test_batched_p_mpjpe_agrees_with_scipys_procrustes(seed):
    p, g = poses(seed, 3, 4), poses(seed + 5, 3, 4) * 0.3 + poses(seed, 3, 4)  # close: the best rotation is proper
    batched = metrics.p_mpjpe(p, g)
    compared = 0
    for i in np.ndindex(3, 4):
        a, b = centred(p[i]).numpy(), centred(g[i]).numpy()
        R, total = orthogonal_procrustes(a, b)
        if np.linalg.det(R) < 0:  # scipy allows reflections; we do not
            continue
        error = np.linalg.norm(total / (a * a).sum() * a @ R - b, axis=-1).mean() * 1000
        assert batched[i].item() == pytest.approx(error, abs=1e-7)
        compared += 1
    assert compared > 6


def test_a_prediction_without_extent_goes_to_the_centroid():
    g = poses(1, 2)
    expected = metrics.mpjpe(torch.zeros_like(g), centred(g))
    assert torch.allclose(metrics.p_mpjpe(torch.ones_like(g), g), expected)
    assert torch.isfinite(metrics.n_mpjpe(torch.zeros_like(g), g)).all()


@given(seeds, st.floats(0.2, 5))
@quick
def test_n_mpjpe_is_unchanged_by_scale_and_its_scale_is_the_best(seed, factor):
    p, g = poses(seed, 3), poses(seed + 2, 3)
    assert torch.allclose(metrics.n_mpjpe(p * factor, g), metrics.n_mpjpe(p, g), atol=1e-8)
    scale = (p * g).sum((-2, -1)) / (p * p).sum((-2, -1))
    best = rms_mm(scale[:, None, None] * p, g)
    assert (best <= rms_mm(scale[:, None, None] * factor * p, g) + 1e-9).all()


def test_mpjpe_of_a_known_shift():
    g = poses(0, 2, 5)
    p = g + torch.tensor([0.003, -0.004, 0.012])
    assert torch.allclose(metrics.mpjpe(p, g), torch.full((2, 5), 13.0, dtype=torch.float64))
    assert torch.allclose(metrics.axis_errors(p, g)[0, 0], torch.tensor([3.0, 4.0, 12.0], dtype=torch.float64))


@given(seeds)
@quick
def test_axis_errors_bound_mpjpe_on_both_sides(seed):
    p, g = poses(seed, 6), poses(seed + 1, 6)
    axes, whole = metrics.axis_errors(p, g), metrics.mpjpe(p, g)
    assert (axes.norm(dim=-1) <= whole + 1e-9).all()
    assert (whole <= axes.sum(-1) + 1e-9).all()


def test_motion_errors_ignore_a_constant_offset_and_a_constant_velocity():
    g = poses(0, 9)
    steps = torch.arange(9, dtype=torch.float64)[:, None, None]
    assert metrics.velocity_error(g + 0.3, g).max() < 1e-9
    assert torch.allclose(metrics.velocity_error(g + 0.001 * steps, g), torch.full((8,), 3**0.5, dtype=torch.float64))
    assert metrics.acceleration_error(g + 0.001 * steps, g).max() < 1e-9
    assert metrics.acceleration_error(g, g).shape == (7,)


def test_velocity_error_by_the_letter_of_its_definition():
    p, g = poses(0, 5), poses(1, 5)
    slow = [
        np.mean([np.linalg.norm((p[t + 1, j] - p[t, j]) - (g[t + 1, j] - g[t, j])) for j in range(17)]) * 1000
        for t in range(4)
    ]
    assert np.allclose(metrics.velocity_error(p, g), slow)


@given(seeds)
@quick
def test_pck_and_auc_by_a_direct_transcription_of_the_official_script(seed):
    errors = np.random.default_rng(seed).gamma(2.0, 40.0, (5, 14)).round(0)  # whole mm: ties with thresholds do occur
    per_joint = []
    for joint in range(14):
        hits = []
        for threshold in range(0, 151, 5):
            count = sum(1 for frame in range(5) if errors[frame, joint] < threshold)
            hits.append(count / 5)
        per_joint.append((sum(hits) / 31, hits[-1]))
    assert metrics.auc(torch.tensor(errors)).mean().item() == pytest.approx(100 * np.mean([a for a, _ in per_joint]))
    assert metrics.pck(torch.tensor(errors)).mean().item() == pytest.approx(100 * np.mean([b for _, b in per_joint]))


def test_pck_is_strict_and_auc_ends_at_30_of_31():
    assert metrics.pck(torch.tensor([[150.0, 149.999]])).item() == 50.0
    assert metrics.auc(torch.zeros(1, 14)).item() == pytest.approx(100 * 30 / 31)


def test_pckh_counts_within_half_a_head_whatever_the_image_scale():
    target = torch.rand(4, 17, 2, dtype=torch.float64) * 100
    target[:, 8], target[:, 10] = torch.tensor([50.0, 50.0]), torch.tensor([50.0, 10.0])
    moved = target.clone()
    moved[:, 3, 0] += 21.0  # more than 0.5 * 40
    moved[:, 4, 0] += 19.0
    assert torch.allclose(metrics.pckh(moved, target), torch.full((4,), 100 * 16 / 17, dtype=torch.float64))
    assert torch.equal(metrics.pckh(moved * 7, target * 7), metrics.pckh(moved, target))


def test_bone_lengths_see_scale_but_not_rotation():
    g = poses(0, 6)
    turned = g @ torch.from_numpy(Rotation.from_euler("xyz", [0.3, 1, 2]).as_matrix()).T
    assert metrics.bone_length_error(turned, g).max() < 1e-9
    expected = 0.1 * metrics.bone_lengths(g).mean(-1)
    assert torch.allclose(metrics.bone_length_error(1.1 * g, g), expected)
    assert metrics.bone_lengths(g).shape == (6, len(H36M17.bones))


def test_bone_length_variation_is_zero_for_a_rigid_motion_and_the_std_otherwise():
    g = poses(0, 1)[0]
    turns = torch.from_numpy(Rotation.random(10, rng=np.random.default_rng(0)).as_matrix())
    assert metrics.bone_length_variation(g @ turns.transpose(1, 2)).item() < 1e-9
    breathing = torch.stack([0.9 * g, 1.1 * g])
    assert metrics.bone_length_variation(breathing).item() == pytest.approx(0.1 * metrics.bone_lengths(g).mean().item())


def test_reprojection_leaves_out_what_is_not_seen():
    keypoints = torch.rand(2, 17, 2) * 100
    projected = keypoints + torch.tensor([3.0, 4.0])
    projected[0, 5] = torch.nan
    projected[1] = torch.nan
    errors = metrics.reprojection_error(projected, keypoints)
    assert errors[0].item() == pytest.approx(5.0, abs=1e-4)
    assert torch.isnan(errors[1])


def test_float32_input_is_scored_in_float64():
    g = poses(0, 3).float()
    assert metrics.p_mpjpe(g, g).dtype == torch.float64
    assert metrics.p_mpjpe(similarity(0, g.double()).float(), g).max() < 1e-2


@pytest.mark.parametrize("wrong", [(2, 17, 2), (2, 16, 3), (3, 17, 3), (17,)])
@pytest.mark.misfit
def test_shapes_that_do_not_fit_are_refused_in_one_line(wrong):
    with pytest.raises(PrmlError, match="equal shape"):
        metrics.mpjpe(torch.zeros(wrong), torch.zeros(2, 17, 3))
