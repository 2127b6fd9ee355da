"""Results at an address: whole or not there, done once, and a bucket that refuses is one line."""

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from test_batch import ARGUMENTS, keypoint_file

from prml.errors import PrmlError
from prml.io.remote import RemoteFolder, is_remote
from prml.networks import registry
from prml.pipeline.batch import lift_many
from prml.pipeline.unit import LiftVideo
from prml.weights.record import Card, save_record

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed: pip install 'prml-pose[bucket]'")
memory = pytest.importorskip("fsspec.implementations.memory")
EXAMPLES = Path(__file__).parents[2] / "examples"


class Refusing(memory.MemoryFileSystem):
    """A bucket that may be read and not written."""

    protocol = "refusing"

    def _put(self, *_, **__):
        raise PermissionError("Access Denied")

    put_file = pipe_file = _put


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    torch.manual_seed(0)
    card = Card(name="tiny", network="prml-xs", arguments=ARGUMENTS, window=27)
    record = save_record(tmp_path_factory.mktemp("weights"), card, registry.build("prml-xs", **ARGUMENTS))
    return {"weights": str(record), "overlay": False, "viewer": False, "motion": False, "export": "none"}


@pytest.fixture
def inputs(tmp_path):
    return [keypoint_file(tmp_path / f"{name}.npz", seed) for seed, name in enumerate("ab")]


def times(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in sorted(folder.glob("*/*"))}


def test_what_is_an_address():
    assert all(map(is_remote, ["s3://bucket/x", "gs://b", "file:///x", "memory://x"]))
    assert not any(map(is_remote, ["C:\\x", "c:/x", "/x", "x://", "results", Path("s3://bucket"), None]))


def test_an_input_at_an_address_is_done_once_and_again_when_it_or_the_settings_change(inputs, settings, tmp_path):
    unit = LiftVideo(f"file://{tmp_path}/bucket", **settings)
    first = unit({"path": str(inputs[0])})
    assert (first["status"], first["frames"]) == ("done", 40)
    before = times(tmp_path / "bucket")
    assert set(before) == {"a/poses.npz", "a/poses.json", "a/row.json"}
    again = unit({"path": str(inputs[0])})
    assert {**again, "seconds": 0} == {**first, "seconds": 0}
    assert times(tmp_path / "bucket") == before
    row = json.loads((tmp_path / "bucket/a/row.json").read_text())
    row["files"].append("stale.bvh")
    (tmp_path / "bucket/a/row.json").write_text(json.dumps(row))
    (tmp_path / "bucket/a/stale.bvh").write_text("of an earlier lift")
    keypoint_file(inputs[0], seed=5)
    assert unit({"path": str(inputs[0])})["status"] == "done"
    after = times(tmp_path / "bucket")
    assert set(after) == set(before)
    assert all(after[name] > before[name] for name in before)


@pytest.mark.slow
def test_a_folder_without_its_row_is_not_whole_and_is_made_again(inputs, settings, tmp_path):
    unit = LiftVideo(f"file://{tmp_path}/bucket", **settings)
    unit({"path": str(inputs[0])})
    (tmp_path / "bucket/a/row.json").unlink()
    (tmp_path / "bucket/a/poses.npz").write_bytes(b"half")
    assert unit({"path": str(inputs[0])})["status"] == "done"
    assert (tmp_path / "bucket/a/poses.npz").stat().st_size > 1000


@pytest.mark.slow
def test_a_batch_writes_to_an_address_and_goes_on_there(inputs, settings, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    out = f"file://{tmp_path}/bucket"
    rows = lift_many([*inputs, bad], out, jobs=1, **settings)
    assert [row.status for row in rows] == ["done", "done", "failed"]
    before = times(tmp_path / "bucket")
    assert {Path(name).parent.name for name in before} == {row.folder for row in rows[:2]}
    assert all(row.folder.startswith(f"{Path(row.input).stem}-") for row in rows)
    lift_many([*inputs, bad], out, jobs=1, **settings)
    assert times(tmp_path / "bucket") == before


def test_a_place_that_refuses_fails_the_row_in_one_line(inputs, settings):
    fsspec.register_implementation("refusing", Refusing, clobber=True)
    told = LiftVideo("refusing://bucket/x", **settings)({"path": str(inputs[0])})
    assert told["status"] == "failed"
    assert told["error"].startswith("cannot write refusing://bucket/x: Access Denied; check")


@pytest.mark.parametrize(
    ("address", "said"), [("nothing://x", "cannot use nothing://x"), ("ftp://u:secret@/", "cannot use ftp:")]
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(inputs, address, said):
    with pytest.raises(PrmlError) as refused:
        lift_many(inputs, address)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("folder", ["../x", "..", "a/b", "/x"])
def test_a_results_folder_is_a_plain_name(inputs, settings, tmp_path, folder):
    told = LiftVideo(tmp_path / "out", **settings)({"path": str(inputs[0]), "folder": folder})
    assert told["status"] == "failed"
    assert "name of a results folder" in told["error"]
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_a_row_of_s3_is_written_last(inputs, settings, monkeypatch):
    """A real client against a server that answers as S3 does."""
    pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'prml-pose[bucket]'")
    server = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    running = server.ThreadedMotoServer(port=0)
    running.start()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*running.get_host_and_port()))
        told = LiftVideo("s3://none/x", **settings)({"path": str(inputs[0])})
        assert told["status"] == "failed"
        assert "bucket" in told["error"]
        assert fsspec.filesystem("s3").ls("") == []
        fsspec.filesystem("s3").mkdir("bucket")
        unit = LiftVideo("s3://bucket/x", **settings)
        assert unit({"path": str(inputs[0])})["status"] == "done"
        assert unit({"path": str(inputs[0])})["status"] == "done"
        assert RemoteFolder("s3://bucket/x").row("a")["frames"] == 40
    finally:
        running.stop()


def test_the_recipe_for_spark_turns_frames_of_paths_into_frames_of_rows(inputs, settings, tmp_path, monkeypatch):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from bulk_spark import SCHEMA, LiftFrames

    frames = [pd.DataFrame({"path": [str(path)], "folder": [f"f{n}"]}) for n, path in enumerate(inputs)]
    first, second = LiftFrames(str(tmp_path / "out"), **settings)(iter(frames))
    assert list(first.columns) == [part.split()[0] for part in SCHEMA.split(", ")]
    assert (first.status[0], second.folder[0], int(second.frames[0])) == ("done", "f1", 40)


@pytest.mark.slow
def test_the_recipe_runs_on_spark(inputs, settings, tmp_path, monkeypatch):
    pytest.importorskip("pyspark", reason="Spark is not installed: pip install 'pyspark[sql]', and Java")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(EXAMPLES), *filter(None, sys.path)]))
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("MASTER", "local[2]")
    from bulk_spark import lift_on_spark

    rows = lift_on_spark([str(path) for path in inputs], str(tmp_path / "out"), **settings)
    assert sorted(row["path"] for row in rows) == sorted(map(str, inputs))
    assert {row["status"] for row in rows} == {"done"}
