"""Training windows: deterministic, resumable, and consistent between input and target."""

import numpy as np
import pytest
import torch

from fixtures.mocap_npz import write_mocap
from prml.batches.noise import measured_noise
from prml.batches.options import CameraRanges, MocapWindowOptions
from prml.batches.training_windows import EpochSampler, MocapWindows, mirror
from prml.datasets.mocap import MocapSet, load_sets
from prml.errors import PrmlError
from prml.skeleton import H36M17


@pytest.fixture(scope="module")
def sets():
    return load_sets(("ui_prmd",))


def _windows(sets, noise=True, **options):
    return MocapWindows(
        sets, MocapWindowOptions(frames=27, batch=8, **options), measured_noise() if noise else None, seed=3
    )


def test_a_batch_is_a_function_of_seed_epoch_and_number(sets):
    a, b = _windows(sets), _windows(sets)
    for key in ((0, 0), (2, 5)):
        for name in ("input", "target"):
            torch.testing.assert_close(a[key][name], b[key][name], rtol=0, atol=0)
    assert not torch.equal(a[0, 0]["target"], a[1, 0]["target"])


def test_workers_do_not_change_the_data(sets):
    data = _windows(sets)
    for workers in (0, 2):
        loader = torch.utils.data.DataLoader(data, batch_size=None, sampler=EpochSampler(4), num_workers=workers)
        batches = [b["input"] for b in loader]
        if workers == 0:
            expected = batches
    for x, y in zip(expected, batches, strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=0)


def test_workers_share_the_clips(sets):
    assert _windows(sets).positions.is_shared()


def test_shapes_root_and_finiteness(sets):
    batch = _windows(sets)[0, 0]
    assert batch["input"].shape == (8, 27, 17, 3)
    assert batch["target"].shape == (8, 27, 17, 3)
    assert torch.isfinite(batch["input"]).all()
    assert batch["target"][:, :, 0].abs().max() == 0
    assert _windows(sets, in_channels=2)[0, 0]["input"].shape[-1] == 2


def test_every_window_of_an_epoch_comes_once(sets):
    data = _windows(sets)
    order = np.random.default_rng([3, 0]).permutation(len(data.index))
    assert sorted(order) == list(range(len(data.index)))
    assert len(data) == len(data.index) // 8


def test_exact_input_is_the_scaled_projection_of_the_target(sets):
    """Without noise and lens errors the input is the target's projection: x, y agree up to perspective."""
    data = _windows(sets, noise=False, cameras=CameraRanges(distance_m=(60, 80), misjudged_focal=0, distortion_k1=0))
    batch = data[0, 0]
    limbs = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]
    given = batch["input"][..., limbs, :2] - batch["input"][..., [0], :2]
    wanted = batch["target"][..., limbs, :2]
    ratio = (given * wanted).sum((2, 3)) / (wanted**2).sum((2, 3))
    assert (given - ratio[..., None, None] * wanted).abs().max() < 0.03


def test_mirror_twice_is_identity():
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(4, 5, 17, 3)), rng.normal(size=(4, 5, 17, 3))
    which = np.array([True, False, True, True])
    once = mirror(inputs, targets, which)
    back = mirror(*once, which)
    np.testing.assert_array_equal(back[0], inputs)
    np.testing.assert_array_equal(back[1], targets)
    np.testing.assert_array_equal(once[0][1], inputs[1])
    np.testing.assert_array_equal(once[1][0, :, 1], targets[0, :, H36M17.mirror[1]] * [-1, 1, 1])


def test_sampler_resumes_where_it_is_told_and_splits_over_ranks():
    whole = list(EpochSampler(10, epoch=2))
    assert list(EpochSampler(10, epoch=2, first=4)) == whole[4:]
    ranks = [list(EpochSampler(10, epoch=2, rank=r, world=2)) for r in range(2)]
    assert sorted(ranks[0] + ranks[1]) == whole


def test_a_dilated_window_spans_longer(sets):
    plain, dilated = _windows(sets, noise=False), _windows(sets, noise=False, step=3)
    assert dilated.fps == pytest.approx(plain.fps / 3)

    def speed(data):
        target = data[0, 0]["target"]
        return (target[:, 1:] - target[:, :-1]).norm(dim=-1).mean()

    assert 1.8 < speed(dilated) / speed(plain) < 3.6


@pytest.mark.parametrize(("entry", "words"), [("fps", "frames a second are 50 and 30"), ("unit_m", "metres per unit")])
def test_sets_that_a_window_would_take_for_one_another_are_refused(tmp_path, entry, words):
    others = {"fps": np.float32(30), "unit_m": np.float32(0.001)}
    a, b = write_mocap(tmp_path / "a.npz", (40,)), write_mocap(tmp_path / "b.npz", (40,), **{entry: others[entry]})
    with pytest.raises(PrmlError, match=rf"a\.npz and b\.npz .*{words}"):
        _windows([MocapSet.read(a), MocapSet.read(b)])


def test_a_split_without_clips_is_named(tmp_path):
    own = MocapSet.read(write_mocap(tmp_path / "own.npz", (40,)))
    with pytest.raises(PrmlError, match=r"no clip of the split 'trian' in own\.npz; the splits there are: train"):
        MocapWindows([own], MocapWindowOptions(), None, seed=0, split="trian")


def test_fewer_windows_than_a_batch_are_one_batch(tmp_path):
    data = _windows([MocapSet.read(write_mocap(tmp_path / "own.npz", (40, 40)))])
    assert len(data) == 1
    assert 0 < len(data[0, 0]["input"]) < 8


def test_without_clips_for_validation_every_clip_lends_its_end(tmp_path):
    own = MocapSet.read(write_mocap(tmp_path / "own.npz", (100, 40, 1)))
    train, val = (MocapWindows([own], MocapWindowOptions(), None, seed=0, part=part) for part in ("train", "val"))
    own17 = own.positions[:, :17]
    np.testing.assert_array_equal(train.positions, np.concatenate([own17[:90], own17[100:136]]))
    ends = [own17[90:100], own17[136:140], own17[140:]]
    np.testing.assert_array_equal(val.positions, np.concatenate(ends))
    judge = MocapSet.read(write_mocap(tmp_path / "judge.npz", (30,), split="val"))
    train, val = (
        MocapWindows([own, judge], MocapWindowOptions(), None, seed=0, part=part) for part in ("train", "val")
    )
    np.testing.assert_array_equal(train.positions, own17)
    np.testing.assert_array_equal(val.positions, judge.positions[:, :17])
