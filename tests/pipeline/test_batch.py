"""Many inputs: every one a row, nothing done twice, nothing lost to a kill, no process left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
import torch

from prml.errors import PrmlError
from prml.io.keypoints import write_keypoints
from prml.io.poses import read_poses
from prml.networks import registry
from prml.pipeline.batch import folder_names, lift_many
from prml.pipeline.lift import lift
from prml.pipeline.manifest import MANIFEST, Row, open_manifest
from prml.pipeline.unit import LiftVideo
from prml.sequence import PoseSequence
from prml.weights.record import Card, save_record

ARGUMENTS = {"frames": 27, "width": 16, "heads": 2, "branch_blocks": 1}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    torch.manual_seed(0)
    card = Card(name="tiny", network="prml-xs", arguments=ARGUMENTS, window=27)
    record = save_record(tmp_path_factory.mktemp("weights"), card, registry.build("prml-xs", **ARGUMENTS))
    return {"weights": str(record), "overlay": False, "viewer": False}


def keypoint_file(path: Path, seed: int = 0, frames: int = 40) -> Path:
    points = 200 + 100 * np.random.default_rng(seed).random((1, 17, 2)) + np.arange(frames)[:, None, None]
    ones = np.ones((frames, 17))
    sequence = PoseSequence.regular(frames, 50.0, keypoints_px=points, confidence=ones, image_size=(640, 480))
    write_keypoints(sequence.with_(has_person=np.ones(frames, bool)), path, overwrite=True)
    return path


@pytest.fixture
def inputs(tmp_path):
    return [keypoint_file(tmp_path / f"{name}.npz", seed) for seed, name in enumerate("ab")]


def test_every_input_is_a_row_and_results_are_those_of_one_lift(inputs, settings, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    told = []
    rows = lift_many(
        [*inputs, bad, tmp_path / "none.mp4", inputs[0]], tmp_path / "out", jobs=2, on_row=told.append, **settings
    )
    assert [row.status for row in rows] == ["done", "done", "failed", "failed"]
    assert "not a video" in rows[2].error
    assert "no such file" in rows[3].error
    assert sorted(told, key=lambda row: row.input) == sorted(rows, key=lambda row: row.input)
    for path, row in zip(inputs, rows, strict=False):
        alone = lift(path, **settings).sequence
        np.testing.assert_allclose(
            read_poses(tmp_path / "out" / row.folder / "poses.npz").joints_m, alone.joints_m, atol=1e-5
        )
    assert active_children() == []


def test_a_second_call_lifts_what_is_missing_failed_or_changed(inputs, settings, tmp_path):
    out, late = tmp_path / "out", tmp_path / "late.npz"
    first = lift_many([*inputs, late], out, jobs=1, **settings)
    assert [row.status for row in first] == ["done", "done", "failed"]
    before = (out / "a" / "poses.npz").stat().st_mtime_ns
    keypoint_file(inputs[1], seed=7)
    keypoint_file(late, seed=8)
    again = lift_many([*inputs, late], out, jobs=1, **settings)
    assert [row.status for row in again] == ["done"] * 3
    assert (out / "a" / "poses.npz").stat().st_mtime_ns == before
    np.testing.assert_allclose(
        read_poses(out / "b" / "poses.npz").joints_m, lift(inputs[1], **settings).sequence.joints_m, atol=1e-5
    )
    assert again[0] == first[0]


@pytest.mark.slow
def test_other_settings_or_lost_results_are_lifted_again(inputs, settings, tmp_path):
    out = tmp_path / "out"
    [row] = lift_many(inputs[:1], out, jobs=1, **settings)
    [other] = lift_many(inputs[:1], out, jobs=1, **settings, fov=40.0)
    assert other.identity != row.identity
    for file in (out / row.folder).iterdir():
        file.unlink()
    lift_many(inputs[:1], out, jobs=1, **settings, fov=40.0)
    assert (out / row.folder / "poses.npz").is_file()


@pytest.mark.slow
def test_a_folder_that_is_not_ours_is_not_overwritten(inputs, settings, tmp_path):
    theirs = tmp_path / "out" / "a" / "thesis.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    [row] = lift_many(inputs[:1], tmp_path / "out", jobs=1, **settings)
    assert row.status == "failed"
    assert "not empty" in row.error
    assert theirs.read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize(("deaths", "status"), [(1, "done"), (2, "failed")])
def test_an_input_whose_process_dies_is_tried_once_more(inputs, settings, tmp_path, deaths, status):
    killed = []

    def kill(path: Path, stage: str, done: int, total: int | None) -> None:
        if path == inputs[0] and len(killed) < deaths:
            for child in active_children():
                if child.pid not in killed:
                    os.kill(child.pid, signal.SIGKILL)
                    killed.append(child.pid)

    rows = lift_many(inputs, tmp_path / "out", jobs=1, progress=kill, **settings)
    assert [row.status for row in rows] == [status, "done"]
    assert status == "done" or "killed by SIGKILL" in rows[0].error
    assert len(killed) == deaths


@pytest.mark.slow
def test_a_batch_whose_parent_is_killed_leaves_no_process_and_goes_on(inputs, settings, tmp_path):
    code = f"""
import os, sys
from prml import lift_many
def progress(path, stage, done, total):
    from multiprocessing import active_children
    print(*[child.pid for child in active_children()], flush=True)
    os.kill(os.getpid(), 9)
if __name__ == "__main__":
    lift_many({[str(p) for p in inputs]!r}, {str(tmp_path / "out")!r}, jobs=1, progress=progress, **{settings!r})
"""
    script = tmp_path / "batch.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=100)
    assert done.returncode == -signal.SIGKILL, done.stderr
    [child] = map(int, done.stdout.split())
    deadline = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{child}").exists()
    assert [row.status for row in lift_many(inputs, tmp_path / "out", jobs=1, **settings)] == ["done", "done"]


def test_a_torn_or_foreign_line_of_the_manifest_is_skipped(tmp_path):
    good = Row("/a.mp4", "a", "1", "done")
    foreign = json.dumps({"schema": "other/1", "input": "/b.mp4"})
    outside = good.line().replace('"folder": "a"', '"folder": "../a"').replace("/a.mp4", "/c.mp4")
    (tmp_path / MANIFEST).write_text(good.line() + foreign + "\n" + outside + good.line()[:40])
    with open_manifest(tmp_path) as manifest:
        assert manifest.rows == {"/a.mp4": good}
        manifest.add(Row("/d.mp4", "d", "2"))
    with open_manifest(tmp_path) as manifest:
        assert set(manifest.rows) == {"/a.mp4", "/d.mp4"}


def test_two_batches_in_one_folder_are_refused(tmp_path, inputs, settings):
    with open_manifest(tmp_path / "out"), pytest.raises(PrmlError, match="in use by another batch"):
        lift_many(inputs, tmp_path / "out", **settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"jobs": 0}, "jobs must be at least 1"), ({"video": "a.mp4"}, "one at a time"), ({"fov": 400.0}, "fov")],
)
def test_settings_that_cannot_be_used_are_refused_before_anything_starts(inputs, settings, tmp_path, change, message):
    with pytest.raises(PrmlError, match=message):
        lift_many(inputs, tmp_path / "out", **{**settings, **change})
    assert not (tmp_path / "out").exists()


def test_nothing_to_lift_is_refused(tmp_path, settings):
    with pytest.raises(PrmlError, match="at least one"):
        lift_many([], tmp_path / "out", **settings)


def test_folders_have_the_names_of_their_inputs_and_never_meet():
    paths = [
        Path(p) for p in ("/x/a.mp4", "/y/a.mov", "/x/A.mp4", "/x/b.mp4", f"/x/{MANIFEST}.mp4", "/x/.mp4", "/x/...mp4")
    ]
    names = folder_names(paths)
    assert names[3] == "b"
    assert len({name.casefold() for name in names}) == len(names)
    assert all(re.fullmatch(r"a-[0-9a-f]{8}", name.casefold()) for name in names[:3])
    assert MANIFEST not in names
    assert all(Path(name).name == name and name.strip(".") for name in names)


def test_the_unit_of_work_keeps_its_weights_and_raises_nothing_for_an_input(inputs, settings, tmp_path):
    unit = LiftVideo(tmp_path / "out", **settings)
    good, bad = unit({"path": str(inputs[0])}), unit({"path": str(tmp_path / "none.mp4"), "folder": "x"})
    assert good["status"] == "done"
    assert good["folder"] == "a"
    assert good["frames"] == 40
    assert bad["status"] == "failed"
    assert "no such file" in bad["error"]
    lifter = unit._lifter
    unit({"path": str(inputs[1])})
    assert unit._lifter is lifter
    json.dumps([good, bad])
