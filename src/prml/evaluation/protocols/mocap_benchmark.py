"""The mocap benchmark: clips of a split, four fixed cameras each, with exact or noisy 2D."""

import os
import zlib
from collections.abc import Iterator

import numpy as np

from prml.batches.noise import measured_noise
from prml.batches.training_windows import perturb
from prml.batches.virtual_camera import BENCHMARK_SEED, benchmark_cameras
from prml.datasets.mocap import load_sets
from prml.sequence import PoseSequence
from prml.skeleton import H36M17, MEASURED13, conversion


def _seen(clip: PoseSequence, camera_number: int, noisy: bool) -> PoseSequence:
    """One clip seen by one of its cameras, with derived trunk joints as for a detector."""
    joints = clip.joints_m
    if joints is None:
        raise ValueError("a benchmark clip has joints")
    camera = benchmark_cameras(clip.name, joints)[camera_number]
    cam = camera.to_camera(joints.astype(np.float64))
    measured = conversion(H36M17, MEASURED13)
    plane = camera.unproject(camera.project(measured.apply(cam)))
    confidence = np.ones(plane.shape[:2], np.float32)
    if noisy:
        rng = np.random.default_rng([BENCHMARK_SEED, zlib.crc32(clip.name.encode()), camera_number])
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
        name=f"{clip.name}/camera{camera_number}",
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
    """The benchmark's sequences, one after the other.

    Args:
        names: mocap sets.
        noisy: whether keypoints carry the measured errors of a detector (fixed seeds) or are exact.
        data_dir: folder of the npz files; by default that of the checkout.
        split: clips of this split, or all for None.
        limit: maximum number of clips (for a quick look, not for a score).
        cameras: how many of the four cameras.

    Yields:
        Sequences with absolute camera-frame joints in metres, H36M17 keypoints in pixels and confidences.
    """
    count = 0
    for mocap in load_sets(names, data_dir):
        for clip in mocap.sequences(split):
            if limit is not None and count >= limit:
                return
            count += 1
            for number in range(cameras):
                yield _seen(clip, number, noisy)
