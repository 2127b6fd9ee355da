"""Laws of perturbations: what they change, what they keep, and that every network sees the same input."""

import json

import numpy as np
import pytest

from fixtures.made_up import Wrong, given, image_space, moving
from prml.errors import PrmlError
from prml.evaluation.protocols.rules import ImageSpace
from prml.report.figures import to_bytes
from prml.studies import robustness as r
from prml.studies import robustness_report

PIXEL_CHANGES = ("noise", "noise-of-height", "missing-joints", "dropped-frames")


def one(family, level):
    return r.perturbations([family], [level])[0]


@pytest.mark.parametrize("family", PIXEL_CHANGES)
def test_level_zero_changes_nothing(family):
    clip = moving(0)
    out = one(family, 0).apply(clip)
    assert np.allclose(out.keypoints_px, clip.keypoints_px)
    assert (out.confidence == 1).all()


@pytest.mark.parametrize("family", list(r.FAMILIES))
def test_changes_are_the_same_for_every_network_and_never_touch_the_source(family):
    clip = moving(0, 60)
    before = clip.keypoints_px.copy()
    change = r.perturbations([family])[-1]
    a, b = change.apply(clip), change.apply(clip)
    assert np.array_equal(a.keypoints_px, b.keypoints_px)
    assert np.array_equal(clip.keypoints_px, before)
    assert np.isfinite(a.keypoints_px).all()
    other = change.apply(moving(0, 60, name="another"))
    if family in PIXEL_CHANGES:
        assert not np.allclose(a.keypoints_px, other.keypoints_px)


def test_noise_has_the_stated_size_and_no_mean():
    clip = moving(0, 400)
    error = one("noise", 5).apply(clip).keypoints_px - clip.keypoints_px
    assert error.std() == pytest.approx(5 * clip.camera.width / 1000, rel=0.03)
    assert abs(error.mean()) < 0.2
    relative = one("noise-of-height", 2).apply(clip).keypoints_px - clip.keypoints_px
    assert relative.std() == pytest.approx(0.02 * r.person_height_px(clip), rel=0.03)


@pytest.mark.parametrize(("family", "together"), [("missing-joints", False), ("dropped-frames", True)])
def test_lost_parts_are_the_stated_share_in_gaps_and_not_trusted(family, together):
    clip = moving(0, 3000)
    lost = one(family, 20).apply(clip).confidence == 0
    assert lost.mean() == pytest.approx(0.2, abs=0.05 if together else 0.02)
    assert (lost.all(1) == lost.any(1)).all() == together
    starts = np.diff(lost.astype(int), axis=0) == 1
    assert lost.sum() / starts.sum() == pytest.approx(r.GAP_FRAMES, rel=0.2)


def test_frame_rate_keeps_times_truth_and_input_together():
    clip = moving(0, 21)
    out = one("frame-rate", 4).apply(clip)
    assert len(out) == 6
    assert out.fps == 12.5
    assert np.array_equal(out.times_s, clip.times_s[::4])
    assert np.array_equal(out.joints_m, clip.joints_m[::4])
    assert np.array_equal(out.keypoints_px, clip.keypoints_px[::4])


@pytest.mark.parametrize("degrees", [20, 35, 80])
def test_another_lens_keeps_the_pose_its_place_and_its_size_in_the_image(degrees):
    clip = moving(1, 10)
    out = one("field-of-view", degrees).apply(clip)
    assert out.camera.fov_deg == pytest.approx(degrees)
    assert np.allclose(out.joints_m - out.joints_m[:, :1], clip.joints_m - clip.joints_m[:, :1])
    assert np.abs(out.keypoints_px[:, 0] - clip.keypoints_px[:, 0]).max() < 3  # the root stays (up to distortion)
    assert r.person_height_px(out) == pytest.approx(r.person_height_px(clip), rel=0.12)
    assert not np.allclose(out.keypoints_px, clip.keypoints_px, atol=3)  # perspective changes


def test_a_portrait_crop_shifts_pixels_and_intrinsics_together():
    clip = moving(2)
    out = one("portrait-crop", 0.5625).apply(clip)
    assert out.camera.width == round(0.5625 * out.camera.height)
    assert out.camera.height == clip.camera.height
    assert np.allclose(out.camera.unproject(out.keypoints_px), clip.camera.unproject(clip.keypoints_px))
    assert (out.keypoints_px[..., 0] > 0).mean() > 0.9
    again = one("portrait-crop", 0.5625).apply(out)
    assert again.camera.width == out.camera.width


def test_a_crop_of_image_space_moves_the_label_along():
    clip = image_space(moving(2))
    out = one("portrait-crop", 0.5).apply(clip)
    shift = clip.keypoints_px - out.keypoints_px
    assert np.allclose(clip.truth.joints_image_px[..., :2] - out.truth.joints_image_px[..., :2], shift)


class Copy(Wrong):
    """Predicts the truth plus the error of the input's x, so the error grows with the noise."""

    def __init__(self, gain, *clips):
        super().__init__(*clips, size_m=0.0)
        self.gain, self.exact = gain, {c.name: c.keypoints_px for c in clips}

    def __call__(self, seen):
        off = seen.keypoints_px - self.exact[seen.name]
        return super().__call__(seen) + self.gain * np.concatenate([off, np.zeros_like(off[..., :1])], -1)


@pytest.fixture
def swept():
    clips = [moving(i, 30, name=f"c{i}") for i in range(4)]
    entrants = [
        r.Entrant("steady", Copy(0.001, *clips), 27, 5e6),
        r.Entrant("shaky", Copy(0.004, *clips), 27, 40e6),
    ]
    return r.sweep(entrants, given(*clips), r.perturbations(["noise"], [2, 8]))


def test_the_sweep_measures_the_growth_of_the_error(swept):
    delta = {(o.name, o.level): o.delta_mpjpe for o in swept.outcomes}
    assert delta["steady", 0] == delta["shaky", 0] == 0
    for level in (2, 8):
        assert delta["shaky", level] == pytest.approx(4 * delta["steady", level])
    assert delta["steady", 8] == pytest.approx(4 * delta["steady", 2])  # the same draw, four times as large


def test_the_record_and_the_table_hold_every_outcome(swept):
    text = robustness_report.record(swept, [{"name": "a"}, {"name": "b"}], 1, {})
    record = json.loads(text)
    assert len(record["outcomes"]) == 6
    assert [w["macs_per_frame"] for w in record["weights"]] == [5e6, 40e6]
    assert "Gaussian" in record["changes"]["noise"]
    assert robustness_report.table(swept).row_count == 3


def test_the_figure_is_drawn_with_markers_as_large_as_the_cost(swept):
    assert to_bytes(robustness_report.figure(swept)).startswith(b"\x89PNG")
    costs = [r.Entrant(str(macs), None, 27, macs) for macs in (1e3, 20e6, 40e6)]
    tiny, half, full = (robustness_report._marker_size(e, costs) for e in costs)
    assert (full / half) ** 2 == pytest.approx(2)  # the area grows with the cost
    assert tiny == robustness_report._MARKER_PT[0]  # and what costs next to nothing can still be seen
    assert full == robustness_report._MARKER_PT[1]


def test_image_space_has_no_other_lens_and_says_so():
    clip = image_space(moving(0))
    protocol = given(clip, space=ImageSpace())
    result = r.sweep([r.Entrant("a", Wrong(clip), 27)], protocol, r.perturbations(["field-of-view", "noise"], [5]))
    assert list(result.skipped) == ["field-of-view"]
    assert {o.family for o in result.outcomes} == {"none", "noise"}


def test_unknown_changes_are_refused_with_the_known_ones():
    with pytest.raises(PrmlError, match="known are noise"):
        r.perturbations(["fog"])


def test_the_cost_counts_linear_layers_on_every_path():
    """The fast CPU path must not hide its products from the cost that determines marker sizes."""
    from prml import load
    from prml.evaluation.predictor import macs_per_frame
    from prml.networks.cost import cost_of

    lifter = load("prml-xs")
    assert macs_per_frame(lifter) > cost_of("prml-xs").linear_macs_per_frame > 1e7
