"""``examples/bulk_ray.py`` on a local cluster whose worker is killed in the middle: every row arrives once."""

import os
import signal
import sys
import time
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from prml.io.keypoints import write_keypoints
from prml.io.poses import read_poses
from prml.sequence import PoseSequence

pytest.importorskip("ray.data", reason="Ray is not installed: pip install prml-pose[ray]")
pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[2] / "examples"


def keypoint_file(path: Path, seed: int) -> str:
    points = 200 + 100 * np.random.default_rng(seed).random((1, 17, 2)) + np.arange(40)[:, None, None]
    fields = {"keypoints_px": points, "confidence": np.ones((40, 17)), "has_person": np.ones(40, bool)}
    write_keypoints(PoseSequence.regular(40, 50.0, image_size=(640, 480), **fields), path)
    return str(path)


def workers() -> list[int]:
    """Process ids of Ray's actors that lift."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "cmdline").read_bytes().split(b"\0")[0].decode()
        except OSError:
            continue
        if name.startswith("ray::") and "LiftVideo" in name:
            found.append(int(folder.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="the test finds workers in /proc")
def test_all_rows_arrive_once_though_a_worker_is_killed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(EXAMPLES), *filter(None, sys.path)]))
    import ray
    from bulk_ray import lift_on_ray

    paths = [keypoint_file(tmp_path / f"{n}.npz", n) for n in range(6)]
    killed, over = [], Event()

    def kill_one() -> None:
        while not over.is_set() and not killed:
            if any((tmp_path / "out").glob("*/poses.npz")):
                for pid in workers()[:1]:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
            time.sleep(0.05)

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        Thread(target=kill_one, daemon=True).start()
        rows = lift_on_ray(paths, str(tmp_path / "out"), 2, weights="prml-xs", overlay=False, viewer=False)
    finally:
        over.set()
        ray.shutdown()
    assert len(killed) == 1
    assert sorted(row["path"] for row in rows) == sorted(paths)
    assert {row["status"] for row in rows} == {"done"}
    for row in rows:
        assert len(read_poses(tmp_path / "out" / row["folder"] / "poses.npz")) == 40
