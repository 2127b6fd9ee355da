"""JSON lines of a live run."""

import json

import numpy as np
import pytest
from live_run import RUN, frame

from prml.errors import PrmlError
from prml.live.records import JsonLines
from prml.skeleton import BODY28


def test_a_file_has_a_header_and_a_line_per_frame(tmp_path):
    path = tmp_path / "out.jsonl"
    lines = JsonLines(str(path))
    lines.start(RUN)
    lines.send(frame(0))
    lines.send(frame(1, person=False))
    assert not path.exists()
    part = (tmp_path / "out.jsonl.part").read_text().splitlines()
    assert len(part) == 3, "what was sent is there while the run lasts"
    assert lines.close() == lines.close() == f"wrote 2 frames to {path}"
    head, one, none = (json.loads(text) for text in path.read_text().splitlines())
    assert head["schema"] == "prml.live/1"
    assert head["joints"] == list(BODY28.joints)
    assert (head["latency_frames"], head["weights"]) == (2, "prml-xs28")
    np.testing.assert_allclose(one["joints_m"], frame(0).joints_m, atol=6e-5)
    assert one["keypoints_px"][7] is None
    np.testing.assert_allclose(one["root_m"], [0.1, 0.2, 3.0])
    assert one["delay_ms"] == 50
    assert none == {"frame": 1, "time_s": 0.04, "person": False, "delay_ms": 50}
    assert [p.name for p in tmp_path.iterdir()] == ["out.jsonl"]


def test_standard_output(capsys):
    lines = JsonLines("-")
    lines.start(RUN)
    lines.send(frame(3))
    assert lines.close() == ""
    assert json.loads(capsys.readouterr().out.splitlines()[1])["frame"] == 3


def test_a_run_without_a_frame_leaves_nothing(tmp_path):
    lines = JsonLines(str(tmp_path / "out.jsonl"))
    lines.start(RUN)
    assert lines.close() == ""
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_kept(tmp_path):
    (tmp_path / "out.jsonl").write_text("mine")
    with pytest.raises(PrmlError, match="overwrite=True"):
        JsonLines(str(tmp_path / "out.jsonl"))
    lines = JsonLines(str(tmp_path / "out.jsonl"), overwrite=True)
    lines.start(RUN)
    lines.send(frame(0))
    lines.close()
    assert "prml.live/1" in (tmp_path / "out.jsonl").read_text()
