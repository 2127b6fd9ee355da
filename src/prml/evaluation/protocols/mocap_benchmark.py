"""The mocap benchmark: clips of a split, four fixed cameras each, with exact or noisy 2D."""

import os
import zlib
from collections.abc import Iterator
from itertools import islice

import numpy as np

from prml.batches.joints import rule_of
from prml.batches.noise import measured_noise
from prml.batches.training_windows import perturb
from prml.batches.virtual_camera import BENCHMARK_SEED, benchmark_cameras, view_cameras
from prml.camera import Camera
from prml.datasets.mocap import load_sets
from prml.sequence import PoseSequence
from prml.skeleton import BODY28, H36M17, Skeleton


def _joints(clip: PoseSequence) -> np.ndarray:
    if clip.joints_m is None:
        raise ValueError("a benchmark clip has joints")
    return clip.joints_m


def _seen(clip: PoseSequence, camera: Camera, name: str, rng: np.random.Generator | None) -> PoseSequence:
    """A clip seen by a camera, with derived trunk joints as for a detector; exact without a generator of noise.

    Joints of BODY28 that the clip lacks are NaN with confidence 0.
    """
    rule = rule_of(clip.skeleton)
    cam = camera.to_camera(_joints(clip).astype(np.float64))
    lacking = np.isnan(cam).any((0, 2))
    plane = camera.unproject(camera.project(rule.to_measured.apply(head_instead_of_ears(cam, lacking))))
    confidence = np.ones(plane.shape[:2], np.float32)
    if rng is not None:
        depth, noise = np.maximum(cam[None, :, 0, 2], 0.5), measured_noise().on(rule.measured)
        plane, confidence = (a[0] for a in perturb(rng, plane[None], depth, noise, clip.fps))
    if clip.skeleton != H36M17:
        seen = ~np.isnan(plane).any((0, 2))[None]
        rule.centre_head(plane[None], seen, "mean")
        rule.centre_head(confidence[None], seen, "min")
    back = rule.from_measured
    focal, centre = np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy])
    return clip.with_(
        joints_m=cam,
        frame="camera",
        camera=camera,
        keypoints_px=np.where(lacking[:, None], np.nan, back.apply(plane * focal + centre)),
        confidence=np.where(lacking, np.float32(0), back.apply_confidence(confidence)),
        name=f"{clip.name}/{name}",
    )


def head_instead_of_ears(joints: np.ndarray, lacking: np.ndarray) -> np.ndarray:
    """Joints (T, J, 3) whose lacking ears lie at the centre of the head, which follows from them."""
    if len(lacking) == len(H36M17) or not lacking[[BODY28.index("LEar"), BODY28.index("REar")]].any():
        return joints
    out = joints.copy()
    middle = (out[:, BODY28.index("Nose")] + out[:, BODY28.index("Head")]) / 2
    for ear in ("LEar", "REar"):
        out[:, BODY28.index(ear)] = middle
    return out


def benchmark_sequences(
    names: tuple[str, ...],
    noisy: bool,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    split: str | None = "test",
    limit: int | None = None,
    cameras: int = 4,
    skeleton: Skeleton = H36M17,
) -> Iterator[PoseSequence]:
    """Yield the sequences of the benchmark.

    Args:
        names: mocap sets.
        noisy: whether keypoints have the measured errors of a detector (fixed seeds) or are exact.
        data_dir: folder of the npz files; by default that of the checkout.
        split: clips of this split, or all for None.
        limit: maximum number of clips (for a quick look, not for a score).
        cameras: how many of the four cameras, which do not depend on the skeleton.
        skeleton: H36M17, or BODY28 with NaN (confidence 0) for joints that a clip lacks.

    Yields:
        Sequences with absolute camera-frame joints in metres, keypoints in pixels and confidences.
    """
    count = 0
    for mocap in load_sets(names, data_dir):
        for clip in mocap.sequences(split, skeleton):
            if limit is not None and count >= limit:
                return
            count += 1
            for number, camera in enumerate(benchmark_cameras(clip.name, _joints(clip)[:, :17])[:cameras]):
                seed = [BENCHMARK_SEED, zlib.crc32(clip.name.encode()), number]
                yield _seen(clip, camera, f"camera{number}", np.random.default_rng(seed) if noisy else None)


def view_sequences(
    names: tuple[str, ...],
    data_dir: str | os.PathLike[str] | None = None,
    *,
    split: str | None = "test",
    limit: int | None = None,
) -> Iterator[PoseSequence]:
    """Clips seen from below, level, from above and from overhead, with the measured errors of a detector.

    Arguments as of :func:`benchmark_sequences`. The errors of a clip are the same in all its views, so that these
    differ by the view alone; the view is the sequence's source.
    """
    clips = (clip for mocap in load_sets(names, data_dir) for clip in mocap.sequences(split))
    for clip in islice(clips, limit):
        for view, camera in view_cameras(clip.name, _joints(clip)).items():
            rng = np.random.default_rng([BENCHMARK_SEED, zlib.crc32(clip.name.encode())])
            yield _seen(clip, camera, view, rng).with_(source=view)
