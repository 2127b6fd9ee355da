"""The detector's errors on 24 joints against values written by hand: feet, hands and face."""

import json
from importlib.resources import files

import numpy as np
import pytest

from prml.batches.noise import NoiseModel, measured_noise, swap_sides
from prml.skeleton import MEASURED13, MEASURED24

ARRAYS = ("jitter_mm", "drift_mm", "offset_mm", "burst_rate", "burst_mm", "drop_rate", "confidence_logit")
NUMBERS = ("drift_time_s", "burst_s", "swap_rate", "swap_s", "drop_s")
NUMBERS += ("confidence_slope", "confidence_sigma", "severity_sigma")
ERRORS_ALONG_AN_AXIS = ("jitter_mm", "drift_mm", "offset_mm")
# of the detector's 24 joints, the one of MEASURED13 whose errors stand in where feet, hands and face were not measured
STANDS_IN = """
RHip RKnee RAnkle LHip LKnee LAnkle HeadCentre LShoulder LElbow LWrist RShoulder RElbow RWrist
RAnkle RAnkle LAnkle LAnkle LWrist LWrist RWrist RWrist HeadCentre HeadCentre HeadCentre
"""


def _model(joints: int, start: float = 0.0, ends: NoiseModel | None = None) -> NoiseModel:
    """A model whose every value is another number."""
    arrays = {n: start + 100 * i + np.arange(joints, dtype=np.float32) for i, n in enumerate(ARRAYS)}
    return NoiseModel(**arrays, **{n: start + 1000.0 + i for i, n in enumerate(NUMBERS)}, ends=ends)


def test_measured_feet_hands_and_face_are_appended():
    body, ends = _model(13), _model(24, start=5000)
    found = body.on(MEASURED24)
    whole = _model(13, ends=ends).on(MEASURED24)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(whole, name)[:13], getattr(body, name))
        np.testing.assert_array_equal(getattr(whole, name)[13:], getattr(ends, name)[13:])
    assert all(getattr(whole, n) == getattr(found, n) == getattr(body, n) for n in NUMBERS)
    assert whole.ends is None
    assert whole.on(MEASURED24) is whole
    assert body.on(MEASURED13) is body


def test_what_was_not_measured_errs_as_the_nearest_joint():
    body = _model(13)
    found = body.on(MEASURED24)
    nearest = [MEASURED13.joints.index(name) for name in STANDS_IN.split()]
    for name in ARRAYS:
        wanted = getattr(body, name)[nearest].astype(float)
        if name in ERRORS_ALONG_AN_AXIS:
            wanted[-3:] *= np.sqrt(2)  # so that the middle of two ears errs as the centre of the head
        np.testing.assert_allclose(getattr(found, name), wanted, rtol=1e-6)
        assert getattr(found, name).dtype == np.float32


@pytest.mark.parametrize(("model", "entry"), [("full", "model"), ("lite", "model_lite")])
def test_both_files_are_read_as_they_stand(model, entry):
    body, ends = (
        json.loads(files("prml.batches").joinpath(name).read_text())[entry]
        for name in ("detector_noise.json", "detector_noise24.json")
    )
    found = measured_noise(model)
    for read, record in ((found, body), (found.ends, ends)):
        for name in ARRAYS:
            np.testing.assert_allclose(getattr(read, name), record[name], rtol=1e-6)
            assert getattr(read, name).dtype == np.float32
        assert all(getattr(read, name) == pytest.approx(record[name]) for name in NUMBERS)
    assert found.ends.ends is None


@pytest.mark.parametrize("measured", [MEASURED13, MEASURED24])
@pytest.mark.parametrize(
    ("flags", "swapped"),
    [((1, 0), "Hip Knee Ankle Heel Toe"), ((0, 1), "Shoulder Elbow Wrist Hand Thumb"), ((0, 0), "")],
)
def test_whole_limbs_change_sides(measured, flags, swapped):
    other = {s + n: t + n for n in swapped.split() for s, t in ("LR", "RL")}
    points = np.arange(2.0 * len(measured)).reshape(1, 1, -1, 2)
    found = swap_sides(points, np.array(flags, float).reshape(1, 1, 2))
    wanted = [measured.joints.index(other.get(name, name)) for name in measured.joints]
    np.testing.assert_array_equal(found[0, 0], points[0, 0, wanted])


def test_scaling_reaches_feet_hands_and_face():
    model = _model(13, ends=_model(24, start=5000))
    for now, was in ((model.scaled(0.5), model), (model.scaled(0.5).ends, model.ends)):
        for name in ARRAYS:
            factor = 0.5 if name.endswith("_mm") else 1.0
            np.testing.assert_allclose(getattr(now, name), factor * getattr(was, name))
        assert all(getattr(now, name) == getattr(was, name) for name in NUMBERS)
