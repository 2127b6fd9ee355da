"""The mocap benchmark: clips of a split, four fixed cameras each, with exact or noisy 2D."""

import os
import zlib
from collections.abc import Iterator
from itertools import islice

import numpy as np

from prml.batches.noise import measured_noise
from prml.batches.training_windows import perturb
from prml.batches.virtual_camera import BENCHMARK_SEED, benchmark_cameras, view_cameras
from prml.camera import Camera
from prml.datasets.mocap import load_sets
from prml.sequence import PoseSequence
from prml.skeleton import H36M17, MEASURED13, conversion


def _joints(clip: PoseSequence) -> np.ndarray:
    if clip.joints_m is None:
        raise ValueError("a benchmark clip has joints")
    return clip.joints_m


def _seen(clip: PoseSequence, camera: Camera, name: str, rng: np.random.Generator | None) -> PoseSequence:
    """A clip seen by a camera, with derived trunk joints as for a detector; exact without a generator of noise."""
    cam = camera.to_camera(_joints(clip).astype(np.float64))
    measured = conversion(H36M17, MEASURED13)
    plane = camera.unproject(camera.project(measured.apply(cam)))
    confidence = np.ones(plane.shape[:2], np.float32)
    if rng is not None:
        depth = np.maximum(cam[None, :, 0, 2], 0.5)
        plane, confidence = (a[0] for a in perturb(rng, plane[None], depth, measured_noise(), clip.fps))
    back = conversion(MEASURED13, H36M17)
    focal, centre = np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy])
    return clip.with_(
        joints_m=cam,
        frame="camera",
        camera=camera,
        keypoints_px=back.apply(plane * focal + centre),
        confidence=back.apply_confidence(confidence),
        name=f"{clip.name}/{name}",
    )


def benchmark_sequences(
    names: tuple[str, ...],
    noisy: bool,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    split: str | None = "test",
    limit: int | None = None,
    cameras: int = 4,
) -> Iterator[PoseSequence]:
    """Yield the sequences of the benchmark.

    Args:
        names: mocap sets.
        noisy: whether keypoints have the measured errors of a detector (fixed seeds) or are exact.
        data_dir: folder of the npz files; by default that of the checkout.
        split: clips of this split, or all for None.
        limit: maximum number of clips (for a quick look, not for a score).
        cameras: number of cameras, up to four.

    Yields:
        Sequences with absolute camera-frame joints in metres, H36M17 keypoints in pixels and confidences.
    """
    count = 0
    for mocap in load_sets(names, data_dir):
        for clip in mocap.sequences(split):
            if limit is not None and count >= limit:
                return
            count += 1
            for number, camera in enumerate(benchmark_cameras(clip.name, _joints(clip))[:cameras]):
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
