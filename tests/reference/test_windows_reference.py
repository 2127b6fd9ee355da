"""Windows and blocks computed by hand: starts, blending, and the frame of each result."""

import numpy as np
import pytest

from prml.lifting.windows import blend_weights, predict_blended, predict_frames, window_starts
from prml.spans import blocks, runs


def test_window_starts_by_hand():
    assert window_starts(10, 6, 2).tolist() == [-4, -2, 0, 2, 4, 6, 8]
    assert window_starts(10, 6, 2, 1).tolist() == [-5, -3, -1, 1, 3, 5, 7, 9]
    assert window_starts(5, 4, 4).tolist() == [0, 4]


def test_blend_weights_are_a_raised_cosine():
    """sin^2 of 22.5 and 67.5 degrees, plus a thousandth."""
    np.testing.assert_allclose(blend_weights(4), [0.14744661, 0.85455339, 0.85455339, 0.14744661], atol=1e-8)


def test_blending_by_hand():
    """Four frames 0, 10, 20, 30 in windows of 4 from -2, 0 and 2; each says what it sees last: 10, 30, 30."""
    out = predict_blended(
        np.arange(0.0, 40, 10)[:, None, None], lambda x: np.repeat(x[:, -1:], 4, 1), frames=4, hop=2, batch=2
    )
    np.testing.assert_allclose(out[:, 0, 0], [12.9430461, 27.0569540, 30, 30], atol=1e-6)


def test_blending_by_hand_from_another_start():
    """Windows from -3, -1, 1 and 3, each says what it sees first: 0, 0, 10 and 30; weights as above."""
    inputs = np.arange(0.0, 40, 10)[:, None, None]
    out = predict_blended(inputs, lambda x: np.repeat(x[:, :1], 4, 1), frames=4, hop=2, batch=3, phase=1)
    ends, middle = 0.14744661, 0.85455339
    expected = [
        0,
        10 * ends / (ends + middle),
        10 * middle / (ends + middle),
        (10 * middle + 30 * ends) / (ends + middle),
    ]
    np.testing.assert_allclose(out[:, 0, 0], expected, atol=1e-6)


def test_a_network_that_leaves_out_windows_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        predict_blended(np.zeros((9, 1, 1)), lambda x: x[1:], frames=4, hop=2, batch=3)
    with pytest.raises(ValueError, match="at least one frame"):
        predict_blended(np.zeros((0, 1, 1)), lambda x: x, frames=4, hop=4, batch=3)


def test_single_poses_of_even_and_odd_windows():
    """The pose is that of frame T // 2 of its window, or of the last one; ends are repeated."""
    inputs = np.arange(5.0)[:, None, None]
    for frames, causal, first in ((5, False, [0, 0, 0, 1, 2]), (4, False, [0, 0, 0, 1]), (3, True, [0, 0, 0])):
        given = []
        predict_frames(inputs, lambda x, g=given: (g.append(x), x[:, :1])[1], frames=frames, batch=5, causal=causal)
        assert given[0][0, :, 0, 0].tolist() == first


@pytest.mark.parametrize(
    ("frames", "causal", "last"), [(5, False, [2, 3, 4, 4, 4]), (4, False, [2, 3, 4, 4]), (3, True, [2, 3, 4])]
)
def test_every_frame_has_its_window(frames, causal, last):
    """Five frames two at a time: three calls; the answer of frame t is the first of its window, here a sum over it."""
    inputs = np.array([1.0, 2, 4, 8, 16])[:, None, None]
    given = []
    out = predict_frames(
        inputs, lambda x: (given.append(x), x.sum(1, keepdims=True))[1], frames=frames, batch=2, causal=causal
    )
    assert [len(x) for x in given] == [2, 2, 1]
    assert np.log2(given[2][0, :, 0, 0]).tolist() == last
    before = frames - 1 if causal else frames // 2
    places = np.clip(np.arange(5)[:, None] - before + np.arange(frames), 0, 4)
    np.testing.assert_array_equal(out[:, 0, 0], inputs[places, 0, 0].sum(1))


@pytest.mark.parametrize(("length", "batch", "given"), [(5, 2, [5]), (2049, 2, [2048, 1]), (2049, 2049, [2049])])
@pytest.mark.parametrize(("frames", "causal"), [(3, False), (4, False), (3, True)])
def test_a_network_of_any_length_reads_a_stretch_at_once(length, batch, given, frames, causal):
    """A moving sum over T frames: stretches of 2048 frames, or of ``batch`` if that is more, and T - 1 beside them."""
    inputs = np.random.default_rng(0).integers(0, 9, (length, 2, 1)).astype(np.float64)
    stretches = []

    def moving_sum(x):
        stretches.append(x.shape[:2])
        return sum(x[:, i : x.shape[1] - frames + 1 + i] for i in range(frames))

    out = predict_frames(inputs, moving_sum, frames=frames, batch=batch, causal=causal, whole=True)
    assert stretches == [(1, n + frames - 1) for n in given]
    one = predict_frames(inputs, lambda x: x.sum(1, keepdims=True), frames=frames, batch=64, causal=causal)
    np.testing.assert_array_equal(out, one)


@pytest.mark.parametrize(("frames", "causal"), [(3, False), (4, False), (3, True)])
def test_windows_of_every_third_frame_end_on_the_sequence_s_own_ends(frames, causal):
    """P-STMO's generator_tds.py: start - pad * tds and on, in steps of tds, held within the video."""
    inputs = np.random.default_rng(0).integers(0, 9, (11, 2, 1)).astype(np.float64)
    before = frames - 1 if causal else frames // 2
    places = np.clip(np.arange(11)[:, None] + 3 * (np.arange(frames) - before), 0, 10)
    expected = inputs[places].sum(1)

    def moving_sum(x):
        return sum(x[:, i : x.shape[1] - frames + 1 + i] for i in range(frames))

    common = {"frames": frames, "batch": 4, "causal": causal, "step": 3}
    np.testing.assert_array_equal(predict_frames(inputs, lambda x: x.sum(1, keepdims=True), **common), expected)
    np.testing.assert_array_equal(predict_frames(inputs, moving_sum, whole=True, **common), expected)


def test_blocks_by_hand():
    cut = [(b.start, b.stop, n.start, n.stop, i.start, i.stop) for b, n, i in blocks(10, 4, 3)]
    assert cut == [(0, 4, 0, 7, 0, 4), (4, 8, 1, 10, 3, 7), (8, 10, 5, 10, 3, 5)]
    assert [b for b, _, _ in blocks(4, 2)] == [slice(0, 2), slice(2, 4)]
    assert all(near == block for block, near, _ in blocks(5, 2))


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("0110100", [slice(1, 3), slice(4, 5)]),
        ("1001", [slice(0, 1), slice(3, 4)]),
        ("111", [slice(0, 3)]),
        ("000", []),
        ("", []),
    ],
)
def test_runs_by_hand(mask, expected):
    found = runs(np.array([c == "1" for c in mask], bool))
    assert found == expected
    assert all(type(end) is int for run in found for end in (run.start, run.stop))
