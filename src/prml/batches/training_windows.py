"""Training windows: random stretches of clips, seen by random cameras, perturbed as by a detector, normalised.

A batch is a pure function of (seed, epoch, batch number): workers, restarts and machines do not change it. Batches
are built with array operations; the clips live in one shared-memory tensor that workers do not copy.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int16
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from prml import normalise
from prml.batches.augment import skeleton_of, vary_motion
from prml.batches.bodies import vary_people
from prml.batches.convention import displace
from prml.batches.depth import relative_depth
from prml.batches.joints import fill_missing, hide, may_be_lost, rule_of
from prml.batches.noise import NoiseModel, measured_noise, swap_sides
from prml.batches.options import MocapWindowOptions, WindowOptions
from prml.batches.virtual_camera import training_cameras
from prml.datasets.mocap import MocapSet
from prml.errors import PrmlError
from prml.skeleton import H36M17, Skeleton

Array = np.ndarray
Batch = dict[str, Tensor]
Part = Literal["train", "val"]
SAME_FPS = 0.01  # rates this close, such as 29.97 and 30, count as equal
HELD_OUT = 0.1  # of every clip's frames, at its end, where no clip is for validation


def perturb(
    rng: np.random.Generator,
    plane: Float[Array, "B T K 2"],
    depth_m: Float[Array, "B T"],
    noise: NoiseModel,
    fps: float,
) -> tuple[Float[Array, "B T K 2"], Float[Array, "B T K"]]:
    """Add a detector's errors to exact image-plane points (z = 1) of a person at ``depth_m``; with confidences."""
    error_m, confidence, swap = noise.sample(rng, plane.shape[0], plane.shape[1], fps)
    return swap_sides(plane, swap) + error_m / depth_m[..., None, None], confidence


def shared(array: Array) -> Tensor:
    """The array as a tensor in shared memory, which worker processes do not copy."""
    tensor: Tensor = torch.from_numpy(array).share_memory_()  # type: ignore[no-untyped-call]
    return tensor


def before_held_out(frames: int) -> int:
    """Number of training frames of a clip whose end is held out for validation."""
    return frames - max(1, round(HELD_OUT * frames))


def common(what: str, values: Sequence[tuple[str, float]], tolerance: float = 1e-6) -> float:
    """The value shared by all named ones; raises PrmlError that names two that differ."""
    (first, wanted), *others = values
    for name, value in others:
        if not math.isclose(value, wanted, rel_tol=tolerance):
            raise PrmlError(
                f"{first} and {name} cannot be trained on together: their {what} are {wanted:g} and {value:g}; make "
                "both again with the same, or leave one out"
            )
    return wanted


class Windows(Dataset[Batch], ABC):
    """Batches of training windows; item ``(epoch, number)`` is one, the same on every machine.

    Attributes:
        options: how windows are cut and varied.
        seed: of everything random.
        fps: frame rate of the windows.
        index: a row for every window of an epoch.
    """

    options: WindowOptions
    seed: int
    fps: float
    index: Array

    @abstractmethod
    def __len__(self) -> int:
        """Batches in an epoch."""

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        epoch, number = key
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.index))
        B = self.options.batch
        rng = np.random.default_rng([self.seed, epoch, number])
        return self.make(rng, self.index[order[number * B : (number + 1) * B]])

    @abstractmethod
    def make(self, rng: np.random.Generator, rows: Array) -> Batch:
        """One batch from rows of the index."""


def _stretches(
    sets: list[MocapSet], split: str, part: Part, skeleton: Skeleton
) -> tuple[list[Int16[Array, "T J 3"]], Bool[Array, "N J"]]:
    """The clips of a part, without what is held out for the other part, and which joints they have."""
    apart = any(len(s.indices("val")) for s in sets)
    wanted = "val" if apart and part == "val" else split
    chosen = [(s, i) for s in sets for i in s.indices(wanted)]
    clips = [fill_missing(s.positions[s.clip_start[i] : s.clip_start[i + 1]], s.has_joint[i]) for s, i in chosen]
    known = [s.has_joint[i] for s, i in chosen]
    if not apart:
        ends = [before_held_out(len(c)) for c in clips]
        clips = [c[:end] if part == "train" else c[end:] for c, end in zip(clips, ends, strict=True)]
    known = [k for k, c in zip(known, clips, strict=True) if len(c)]
    clips = [c[:, : len(skeleton)] for c in clips if len(c)]
    if not clips:
        there = ", ".join(sorted({str(name) for s in sets for name in s.split}))
        raise PrmlError(
            f"no clip of the split {wanted!r} in {', '.join(s.path.name for s in sets)}; "
            f"the splits there are: {there}; see data.split"
        )
    return clips, np.stack(known)[:, : len(skeleton)]


class MocapWindows(Windows):
    """Batches of training windows from motion capture seen by virtual cameras.

    Item ``(epoch, number)`` is a batch: ``input`` (B, T, J, C_in) normalised, ``target`` (B, T, J, 3) root-relative
    metres in the frame of the input (``virtual_camera`` normalisation). With BODY28 also ``joint_known`` (B, J),
    whether the truth has a joint (its target is without meaning if not), and ``joint_seen`` (B, J), whether it is given
    as input (zeros with confidence 0 if not).

    Args:
        sets: mocap files; their clips of ``split`` are used.
        options: window options.
        noise: detector statistics; None for exact keypoints.
        seed: of everything random.
        split: clips to train on.
        part: "train" for those, "val" for the clips of the split "val". Where no set has such clips, the last tenth of
            every clip to train on is held out for it.
        skeleton: H36M17 or BODY28.

    Raises:
        PrmlError: no clip of the split, or sets of different frame rates or units.
    """

    options: MocapWindowOptions

    def __init__(
        self,
        sets: list[MocapSet],
        options: MocapWindowOptions,
        noise: NoiseModel | None,
        *,
        seed: int,
        split: str = "train",
        part: Part = "train",
        skeleton: Skeleton = H36M17,
    ) -> None:
        self.options, self.seed, self.joints = options, seed, rule_of(skeleton)
        self.noise = None if noise is None else noise.on(self.joints.measured)
        fps = common("frames a second", [(s.path.name, s.fps) for s in sets], SAME_FPS)
        self.fps = fps / options.step  # of the windows
        self.unit_m = np.float32(common("metres per unit", [(s.path.name, s.unit_m) for s in sets]))
        clips, self.clip_known = _stretches(sets, split, part, skeleton)
        self.positions = shared(np.concatenate(clips))
        ends = np.cumsum([len(c) for c in clips])
        self.clip_starts = starts = np.concatenate([[0], ends[:-1]])
        # (first frame of the clip, its end, centre of the window) for every window of an epoch
        rows = [
            (a, b, c)
            for a, b in zip(starts, ends, strict=True)
            for c in np.arange(a + min(options.stride, b - a) // 2, b, options.stride)
        ]
        self.index = np.array(rows, dtype=np.int64)

    def __len__(self) -> int:
        """Batches in an epoch, at least one (a smaller last batch is dropped if there are others)."""
        return max(1, len(self.index) // self.options.batch)

    def _positions(self, rng: np.random.Generator, rows: Array) -> Float[Array, "B L J 3"]:
        """World metres of the windows and a margin on both sides, at a random speed and size, linearly interpolated."""
        o, B = self.options, len(rows)
        margin = round(normalise.MARGIN_S * self.fps)
        L = o.frames + 2 * margin
        centre = rows[:, 2:] + rng.uniform(-0.5, 0.5, (B, 1)) * o.stride
        at = centre + (np.arange(L) - (L - 1) / 2) * o.step * rng.uniform(*o.speed, (B, 1))
        at = np.clip(at, rows[:, :1], rows[:, 1:2] - 1)
        low = np.floor(at).astype(np.int64)
        weight = (at - low).astype(np.float32)[..., None, None]
        source = self.positions.numpy()
        high = np.minimum(low + 1, rows[:, 1:2] - 1)
        joints = source[low] * (1 - weight) + source[high] * weight
        return np.asarray(joints * (self.unit_m * rng.uniform(*o.scale, (B, 1, 1, 1)).astype(np.float32)))

    def make(self, rng: np.random.Generator, rows: Array) -> Batch:
        """One batch from rows of the index."""
        o, joints = self.options, self.joints
        world = vary_people(o.video, rng, vary_motion(o.motion, rng, self._positions(rng, rows)))
        cameras = training_cameras(rng, world, o.cameras, o.video)
        cam = cameras.to_camera(world)
        plane = cameras.plane(displace(o.video, rng, joints.to_measured.apply(cam), joints.measured))
        plane, confidence = self._detected(rng, plane, np.maximum(cam[:, :, 0, 2], 0.5))
        known, measured = self._masks(rng, rows)
        given = None if measured is None else joints.given(measured)
        shown = None if given is None else given[:, None]
        if measured is not None:
            joints.centre_head(plane, measured, "mean")
            joints.centre_head(confidence, measured, "min")
        seen = normalise.virtual_camera(joints.from_measured.apply(plane).astype(np.float32), self.fps, shown)
        target = seen.from_camera(cam - cam[:, :, :1])
        certainty = joints.from_measured.apply_confidence(confidence)
        certainty = certainty if shown is None else certainty * shown
        inputs = np.concatenate([seen.xy, certainty[..., None]], -1)
        margin = (world.shape[1] - o.frames) // 2
        keep = slice(margin, margin + o.frames)
        mirrored = rng.random(len(rows)) < o.flip
        inputs = inputs[:, keep]
        if o.in_channels > inputs.shape[-1]:  # drawn last: without it, everything else is drawn as ever
            inputs = np.concatenate([inputs, relative_depth(rng, cam[:, keep], o.depth)[..., None]], -1)
        inputs, targets = mirror(inputs[..., : o.in_channels], target[:, keep], mirrored)
        batch = {
            "input": torch.from_numpy(np.ascontiguousarray(inputs, np.float32)),
            "target": torch.from_numpy(np.ascontiguousarray(targets, np.float32)),
        }
        if known is None or given is None:
            return batch
        masks = {"joint_known": known, "joint_seen": given}
        flip = joints.skeleton.flip
        turned = {n: np.where(mirrored[:, None], flip(mask, "scalars"), mask) for n, mask in masks.items()}
        return batch | {name: torch.from_numpy(mask) for name, mask in turned.items()}

    def _detected(
        self, rng: np.random.Generator, plane: Float[Array, "B L K 2"], depth_m: Float[Array, "B L"]
    ) -> tuple[Float[Array, "B L K 2"], Float[Array, "B L K"]]:
        """What a detector makes of exact points, a share of the windows as they are; with confidences."""
        if self.noise is None:
            return plane, np.ones(plane.shape[:-1], np.float32)
        noise, lite = self.noise, self.options.video.lite
        if lite and rng.random() < lite:
            noise = measured_noise("lite").on(self.joints.measured)
        noisy, doubt = perturb(rng, plane, depth_m, noise, self.fps)
        exact = (rng.random(len(plane)) < self.options.clean)[:, None, None]
        return np.where(exact[..., None], plane, noisy), np.where(exact, np.float32(1), doubt)

    def _masks(
        self, rng: np.random.Generator, rows: Array
    ) -> tuple[Bool[Array, "B J"] | None, Bool[Array, "B K"] | None]:
        """Joints that have a truth, and measured joints that are given; None with H36M17, which always has all."""
        if self.joints.skeleton == H36M17:
            return None, None
        motion = self.options.motion
        known = self.clip_known[np.searchsorted(self.clip_starts, rows[:, 0], side="right") - 1]
        known = may_be_lost(known, arms=motion.arms > 0, legs=motion.legs > 0)
        measured = hide(self.options.hide, rng, len(rows))
        measured[:, -(known.shape[1] - len(H36M17)) :] &= known[:, len(H36M17) :]  # both end with feet, hands and face
        return known, measured


def mirror(
    inputs: Float[Array, "B T J c"], targets: Float[Array, "B T J 3"], which: Array
) -> tuple[Float[Array, "B T J c"], Float[Array, "B T J 3"]]:
    """Mirror the chosen windows of H36M17 or BODY28: negate x, swap left and right."""
    pick, flip = which[:, None, None, None], skeleton_of(inputs).flip
    return np.where(pick, flip(inputs), inputs), np.where(pick, flip(targets), targets)


class EpochSampler(Sampler[tuple[int, int]]):
    """(epoch, batch number) keys from a given position on, so training can resume in the middle of an epoch.

    Args:
        batches: batches in the whole epoch, over all ranks.
        epoch, first: where to start; ``first`` counts batches of this rank.
        rank, world: which part of a distributed run this is.
        endless: whether the following epochs come after this one.
    """

    def __init__(
        self,
        batches: int,
        *,
        epoch: int = 0,
        first: int = 0,
        rank: int = 0,
        world: int = 1,
        endless: bool = False,
    ) -> None:
        self.batches, self.epoch, self.first, self.rank, self.world = batches, epoch, first, rank, world
        self.endless = endless

    def __len__(self) -> int:
        return self.batches // self.world - self.first

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, first = self.epoch, self.first
        while True:
            for step in range(first, self.batches // self.world):
                yield epoch, step * self.world + self.rank
            if not self.endless:
                return
            epoch, first = epoch + 1, 0
