"""Inputs that the lifter gives to all kinds of networks, and its use of their outputs, computed by hand."""

import numpy as np
import pytest
import torch

from prml.camera import Camera
from prml.errors import PrmlError
from prml.image_features.source import Features
from prml.lifting.lifter import Lifter, LiftOptions, load
from prml.lifting.prediction_cache import PredictionCache
from prml.networks.base import Network
from prml.sequence import PoseSequence
from prml.skeleton import H36M17
from prml.weights.record import Card, Record

J = H36M17.index
CAMERA = Camera(1000, 800, 1000.0, 1000.0, 500.0, 400.0)


class Telling(Network):
    """Keeps what it is given. Every joint is placed at (frame's mark, joint, 1), the mark being its confidence."""

    def __init__(self, kept=None, in_channels=3, **attributes):
        super().__init__(frames=9, in_channels=in_channels)
        self.given, self.kept = [], kept
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x):
        self.given.append(x.numpy())
        answer = torch.ones(*x.shape[:2], 17, 3)
        answer[..., 0], answer[..., 1] = x[..., -1], torch.arange(17.0)
        return answer if self.kept is None else answer[:, self.kept]


def lifter_of(network, card=None, **options):
    told = {"name": "t", "network": "prml-s", "window": 9, "sha256": "0", "normalisation": "crop"} | (card or {})
    return Lifter(
        Record(network.eval(), None, Card(**told)), LiftOptions(**{"flip": False, "relative": False, **options})
    )


def marked(frames, fps=50.0, marks=None):
    """A person at rest, with the frame number encoded as confidence: 0.01 per frame."""
    points = np.random.default_rng(0).uniform(100, 700, (1, 17, 2)).repeat(frames, 0)
    marks = (np.arange(frames) + 1) / 100 if marks is None else marks
    confidence = np.repeat(marks[:, None], 17, 1)
    return PoseSequence.regular(frames, fps, H36M17, keypoints_px=points, camera=CAMERA, confidence=confidence)


def marks_of(window):
    """The frames in a window."""
    return np.round(window[:, 0, -1] * 100).astype(int) - 1


def test_options_unless_said_otherwise():
    assert LiftOptions() == LiftOptions(flip=True, overlap=6, batch=8, phase=0, relative=True)
    assert LiftOptions(overlap=1, batch=1).batch == 1
    for wrong in ({"overlap": 0}, {"batch": 0}):
        with pytest.raises(PrmlError, match=f"{next(iter(wrong))} must be at least 1, got 0"):
            LiftOptions(**wrong)
    one = lifter_of(Telling())
    other = one.with_options(flip=True, batch=3)
    assert (one.options.flip, one.options.batch) == (False, 8)
    assert other.options == LiftOptions(flip=True, batch=3, relative=False)
    assert other.network is one.network


@pytest.mark.parametrize(("window", "overlap", "hop"), [(9, 3, 3), (9, 2, 4), (9, 9, 1), (9, 20, 1), (27, 1, 27)])
def test_the_distance_of_windows(window, overlap, hop):
    assert lifter_of(Telling(), {"window": window}, overlap=overlap).hop == hop


@pytest.mark.parametrize(
    ("normalisation", "expected"),
    [
        ("screen", {"Hip": (-1, -0.8), "Nose": (1, 0.8), "Head": (0, 0)}),
        ("crop", {"Hip": (-1, -0.8), "Nose": (1, 0.8), "Head": (0, 0)}),
        ("virtual_camera", None),
    ],
)
def test_inputs_are_normalised_as_the_card_says(normalisation, expected):
    """A person from corner to corner of 1000 x 800 pixels fills the screen and the crop alike."""
    points = np.full((9, 17, 2), (500.0, 400.0))
    points[:, J("Hip")], points[:, J("Nose")] = (0, 0), (1000, 800)
    sequence = PoseSequence.regular(9, 50, H36M17, keypoints_px=points, camera=CAMERA)
    lifter = lifter_of(Telling(), {"normalisation": normalisation})
    inputs = lifter.inputs(sequence, sequence.times_s)
    assert (inputs.shape, inputs.dtype) == ((9, 17, 3), np.float32)
    np.testing.assert_array_equal(inputs[..., 2], 1)  # where nothing is said of confidence
    for name, place in (expected or {"Head": (0, 0)}).items():
        np.testing.assert_allclose(inputs[4, J(name), :2], place, atol=1e-6)
    if normalisation == "screen":  # a smaller person of the same place is not the same there
        half = sequence.with_(keypoints_px=(points - [500, 400]) / 2 + [500, 400])
        np.testing.assert_allclose(lifter.inputs(half, half.times_s)[..., :2], inputs[..., :2] / 2, atol=1e-6)


def test_a_network_without_confidence_gets_none():
    sequence = marked(9)
    three, two = (lifter_of(Telling(in_channels=n)).inputs(sequence, sequence.times_s) for n in (3, 2))
    assert (three.shape, two.shape) == ((9, 17, 3), (9, 17, 2))
    np.testing.assert_array_equal(two, three[..., :2])
    np.testing.assert_allclose(three[:, 4, 2], (np.arange(9) + 1) / 100, rtol=1e-6)


def test_inputs_at_other_times_are_between_those_of_the_frames():
    inputs = lifter_of(Telling()).inputs(marked(3, marks=np.array([0.2, 0.4, 0.8])), np.array([0.01, 0.03]))
    np.testing.assert_allclose(inputs[:, 0, 2], [0.3, 0.6], rtol=1e-6)


def test_windows_lie_a_hop_apart_and_as_many_as_a_batch_go_at_once():
    """9 frames in windows of 9, 3 apart: from -6 to 6, five windows, two at a time; ends repeated."""
    network = Telling()
    lifter_of(network, overlap=3, batch=2).lift(marked(9))
    assert [len(x) for x in network.given] == [2, 2, 1]
    windows = [marks_of(window) for x in network.given for window in x]
    assert [w.tolist() for w in windows] == [
        np.clip(np.arange(start, start + 9), 0, 8).tolist() for start in (-6, -3, 0, 3, 6)
    ]
    shifted = Telling()
    lifter_of(shifted, overlap=3, batch=9, phase=1).lift(marked(9))
    assert [marks_of(w)[0] for w in shifted.given[0]] == [0, 0, 0, 1, 4, 7]  # from -8 on


def test_joints_are_what_the_network_says_of_their_frame():
    """All windows agree, so that blending changes nothing; single precision; no deviations without a head for them."""
    out = lifter_of(Telling()).lift(marked(20))
    np.testing.assert_allclose(out.joints_m[:, 5, 0], (np.arange(20) + 1) / 100, atol=1e-6)
    np.testing.assert_allclose(out.joints_m[:, :, 1], np.broadcast_to(np.arange(17.0), (20, 17)), atol=1e-5)
    assert (out.joints_m.dtype, out.std_m, out.frame, out.root_relative) == (np.float32, None, "camera", True)
    relative = lifter_of(Telling(), relative=True).lift(marked(20)).joints_m
    np.testing.assert_allclose(relative[:, :, 1], np.broadcast_to(np.arange(17.0), (20, 17)), atol=1e-5)
    np.testing.assert_allclose(relative[..., [0, 2]], 0, atol=1e-6)


def test_gaps_have_neither_joints_nor_deviations():
    sequence = marked(40)
    sequence.keypoints_px[:3] = sequence.keypoints_px[20:35] = np.nan

    class WithVariance(Telling):
        def forward(self, x):
            answer = super().forward(x)
            return torch.cat([answer, answer**2], -1)

    network = WithVariance().eval()
    card = Card(name="t", network="prml-s", window=9, sha256="0", normalisation="crop")
    out = Lifter(Record(network, torch.nn.Identity(), card), LiftOptions(flip=False)).lift(sequence, bridge=False)
    there = np.isfinite(sequence.keypoints_px).all((1, 2))
    assert there.sum() == 22
    for values in (out.joints_m, out.std_m):
        assert (np.isfinite(values).all((1, 2)) == there).all()
        assert np.isnan(values[~there]).all()
        assert values.dtype == np.float32
    np.testing.assert_allclose(out.std_m[there, 3, 0], (np.flatnonzero(there) + 1) / 100, atol=1e-6)
    assert {tuple(np.unique(marks_of(w))) <= tuple(range(3, 20)) for w in network.given[0]} == {True}


WINDOW_OF_3 = {"window": 3}


def one_pose(kept=1, output="middle", **attributes):
    return Telling(slice(kept, kept + 1), output=output, **attributes)


def test_a_network_of_one_pose_gets_a_window_around_every_frame():
    network = one_pose()
    out = lifter_of(network, WINDOW_OF_3, batch=4).lift(marked(6))
    assert [len(x) for x in network.given] == [4, 2]
    windows = [marks_of(window).tolist() for x in network.given for window in x]
    assert windows == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 5]]
    np.testing.assert_allclose(out.joints_m[:, 0, 0], (np.arange(6) + 1) / 100, atol=1e-6)


def test_a_causal_network_answers_for_the_last_frame():
    network = one_pose(2, "last")
    out = lifter_of(network, WINDOW_OF_3).lift(marked(4))
    assert [marks_of(w).tolist() for w in network.given[0]] == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]
    np.testing.assert_allclose(out.joints_m[:, 0, 0], (np.arange(4) + 1) / 100, atol=1e-6)


def test_a_network_of_any_length_is_given_the_stretch_at_once():
    network = Telling(slice(1, -1), output="middle", any_length=True)
    out = lifter_of(network, WINDOW_OF_3).lift(marked(6))
    assert [marks_of(w).tolist() for x in network.given for w in x] == [[0, 0, 1, 2, 3, 4, 5, 5]]
    np.testing.assert_allclose(out.joints_m[:, 0, 0], (np.arange(6) + 1) / 100, atol=1e-6)


def test_at_twice_the_rate_every_second_frame_is_in_a_window():
    """100 frames a second for a network of 50: a window of every second frame around each, ends repeat the video's."""
    network = one_pose()
    out = lifter_of(network, WINDOW_OF_3).lift(marked(7, fps=100))
    windows = [marks_of(window).tolist() for x in network.given for window in x]
    assert windows == [[0, 0, 2], [0, 1, 3], [0, 2, 4], [1, 3, 5], [2, 4, 6], [3, 5, 6], [4, 6, 6]]
    np.testing.assert_allclose(out.joints_m[:, 0, 0], (np.arange(7) + 1) / 100, atol=1e-6)


@pytest.mark.parametrize(("fps", "frames"), [(75.0, 4), (25.0, 9)])
def test_at_other_rates_there_are_windows_at_the_networks_own(fps, frames):
    """Five frames at 75 a second span 4 / 75 s: at 50 a second 0, 20, 40, 60 ms. At 25 a second: nine in 160 ms."""
    network = one_pose()
    out = lifter_of(network, WINDOW_OF_3, batch=64).lift(marked(5, fps=fps))
    assert network.given[0].shape[0] == frames
    assert len(out) == 5
    np.testing.assert_allclose(out.joints_m[1:4, 0, 0], [0.02, 0.03, 0.04], atol=2e-3)


@pytest.mark.parametrize("network", [one_pose, Telling])
def test_a_single_frame_is_lifted(network):
    out = lifter_of(network(), WINDOW_OF_3).lift(marked(1))
    np.testing.assert_allclose(out.joints_m[0, :, 0], 0.01, atol=1e-6)


def test_predictions_made_before_are_used():
    network = Telling()
    lifter = lifter_of(network, overlap=1)
    plain, windows = lifter.lift(marked(18)), network.given[0]
    cache = PredictionCache()
    lifter.predict_into(cache, windows)
    network.given.clear()
    again = lifter.lift(marked(18), cache=cache)
    assert network.given == []
    assert (cache.hits, cache.misses) == (len(windows), 0)
    np.testing.assert_array_equal(again.joints_m, plain.joints_m)
    lifter.with_options(flip=True).predict(windows, cache)  # others' predictions do not count
    assert cache.misses == len(windows)


def test_a_network_that_is_ready_is_used_and_one_that_trains_stays_as_it_is():
    ready, training = Telling().eval(), Telling(weight=torch.nn.Parameter(torch.arange(3.0)))
    card = Card(name="t", network="prml-s", window=9, sha256="0")
    assert Lifter(Record(ready, None, card)).network is ready
    lifter = Lifter(Record(training, training, card))
    assert (training.training, lifter.network.training, lifter.uncertainty.training) == (True, False, False)
    torch.testing.assert_close(lifter.network.weight, training.weight)
    assert (lifter.options, lifter.device, lifter.image_features) == (LiftOptions(), torch.device("cpu"), None)
    assert Lifter(Record(ready, None, card), image_features=Pictures()).image_features is None
    assert Lifter(Record(ready, None, card)).uncertainty is None


def test_load_takes_the_network_of_28_joints_unless_told_otherwise(monkeypatch):
    asked = []
    record = Record(Looking().eval(), None, Card(name="t", network="prml-s", window=1, sha256="0"))
    monkeypatch.setattr("prml.lifting.lifter.load_record", lambda name: (asked.append(name), record)[1])
    source = Pictures()
    first, second = (
        load(image_features=source),
        load("other", device="cpu", image_features=source, flip=False, overlap=2),
    )
    assert asked == ["prml-xs28", "other"]
    assert (first.options, first.image_features, first.device) == (LiftOptions(), source, torch.device("cpu"))
    assert (second.options, second.image_features) == (LiftOptions(flip=False, overlap=2), source)
    with pytest.raises(PrmlError, match="cannot compute on the device 'abacus'"):
        load(device="abacus", image_features=source)


def test_how_many_frames_make_no_sense_is_said():
    class Sometimes(Telling):
        def forward(self, x):
            answer = super().forward(x)
            answer[x[..., 0, -1] > 0.145] = float("nan")  # from the fifteenth on
            return answer[:, 1:2]

    with pytest.raises(PrmlError, match=r"the weights t give non-finite values in 30 % of the frames"):
        lifter_of(Sometimes(output="middle"), WINDOW_OF_3).lift(marked(20))


def test_points_beyond_all_numbers_are_not_the_networks_fault():
    class Passing(Telling):
        def forward(self, x):
            return x

    far = marked(4)
    far.keypoints_px[:, 3] = 1e300  # more than single precision holds
    with (
        np.errstate(over="ignore"),
        pytest.raises(PrmlError, match="the keypoints are not plausible image points"),
    ):
        lifter_of(Passing(), {"normalisation": "screen"}).lift(far)


class Pictures:
    """Image features: one map per frame that holds its number; two frames at a time."""

    fingerprint = "abc"

    def features(self, sequence, rows, *, mirrored=False):
        self.mirrored = mirrored
        for first in range(0, len(rows), 2):
            part = rows[first : first + 2]
            places = np.zeros((len(part), 17, 2), np.float32) + 0.25
            maps = [torch.as_tensor(part, dtype=torch.float32).view(-1, 1, 1, 1)]
            yield Features(part, places, maps, [-maps[0]] if mirrored else None)


class Looking(Network):
    """Places joint j at (input x, the frame's number, place in the crop + j)."""

    image_channels = (1,)

    def __init__(self):
        super().__init__(frames=1)

    def forward(self, x, places, maps):
        number = maps[0].view(-1, 1, 1).expand(*x.shape[:3])
        return torch.stack([x[..., 0], number, places[..., 0] + torch.arange(17.0)], -1)


def test_a_network_of_pictures_lifts_frame_by_frame():
    sequence = marked(6)
    sequence.keypoints_px[2] = np.nan
    card = Card(name="t", network="prml-s", window=1, sha256="0", normalisation="screen")
    record = Record(Looking().eval(), None, card)
    source = Pictures()
    out = Lifter(record, LiftOptions(flip=False, relative=False), image_features=source).lift(sequence, bridge=False)
    assert np.isnan(out.joints_m[2]).all()
    there = [0, 1, 3, 4, 5]
    np.testing.assert_allclose(out.joints_m[there, :, 1], np.array(there)[:, None] * np.ones(17))
    np.testing.assert_allclose(out.joints_m[there, :, 2], 0.25 + np.arange(17.0)[None] * np.ones((5, 1)))
    np.testing.assert_allclose(out.joints_m[there, :, 0], sequence.keypoints_px[there, :, 0] / 500 - 1, atol=1e-6)
    assert (out.joints_m.dtype, out.frame, out.root_relative, source.mirrored) == (np.float32, "camera", True, False)
    relative = Lifter(record, LiftOptions(flip=False), image_features=source).lift(sequence, bridge=False).joints_m
    np.testing.assert_allclose(relative[there], out.joints_m[there] - out.joints_m[there, :1], atol=1e-6)
    both = Lifter(record, LiftOptions(relative=False), image_features=source).lift(sequence, bridge=False).joints_m
    assert source.mirrored
    np.testing.assert_allclose(both[there, :, 1], 0)  # the mirrored picture's number counts the other way
    with pytest.raises(PrmlError, match="needs image features"):
        Lifter(record)


def test_poses_of_pictures_turn_back_to_the_cameras_axes():
    """Two stretches, to the right and in the middle: the network's forward is where the person is."""

    class Forward(Looking):
        def forward(self, x, places, maps):
            return torch.tensor([0.0, 0, 1]).expand(*x.shape[:3], 3)

    plane = np.random.default_rng(1).normal(0, 0.1, (1, 17, 2)).repeat(7, 0)
    plane[:, [J(j) for j in ("LHip", "RHip", "LShoulder", "RShoulder")]] = 0
    plane[:3, :, 0] += 1
    points = plane * 1000 + [500, 400]
    points[3] = np.nan
    sequence = PoseSequence.regular(7, 50, H36M17, keypoints_px=points, camera=CAMERA)
    card = Card(name="t", network="prml-s", window=1, sha256="0")
    lifter = Lifter(Record(Forward().eval(), None, card), LiftOptions(relative=False), image_features=Pictures())
    out = lifter.lift(sequence, bridge=False).joints_m
    np.testing.assert_allclose(out[1, 0], np.array([1, 0, 1]) / 2**0.5, atol=1e-6)
    np.testing.assert_allclose(out[5, 0], (0, 0, 1), atol=1e-6)


def test_what_is_missing_is_named():
    lifter, sequence = lifter_of(Telling()), marked(4)
    with pytest.raises(PrmlError, match="lifting needs 2D keypoints, but this sequence has none"):
        lifter.lift(PoseSequence.regular(4, 50, H36M17, joints_m=np.zeros((4, 17, 3)), camera=CAMERA))
    with pytest.raises(PrmlError, match="lifting needs a camera"):
        lifter.lift(sequence.with_(camera=None))
    with pytest.raises(PrmlError, match="lifting needs keypoints and a camera"):
        lifter.inputs(sequence.with_(camera=None), sequence.times_s)
    with pytest.raises(PrmlError, match="no frame has a person"):
        lifter.lift(sequence.with_(keypoints_px=np.full((4, 17, 2), np.nan)))
