"""The queue: limits end a process, a restart loses nothing, two servers never meet."""

import os
import shutil
import signal
import time
from multiprocessing import active_children

import pytest

pytest.importorskip("fastapi", reason="FastAPI is not installed: pip install 'prml-pose[serve]'")
pytest.importorskip("httpx2", reason="httpx2 is not installed, which Starlette's test client needs")

from serve_client import send, server, wait

from prml.errors import PrmlError
from prml.pipeline.manifest import Manifest
from prml.pipeline.settings import LiftSettings
from prml.serve.jobs import ID, Facts, open_jobs

FACTS = Facts(10, 320, 240, 25.0, 0.2)


def stored(jobs, name="a.mp4"):
    draft = jobs.draft()
    draft.write_bytes(b"a box, perhaps")
    return jobs.add(draft, name, FACTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "limit", "said"),
    [
        ("hang", {"max_time": 0.5}, "more than the 0.5 s"),
        ("long", {}, "longer than the 600 s"),
        ("large", {"max_memory": 150}, "more than the 150 MB"),
        ("die", {}, "was killed by SIGKILL"),
    ],
)
def test_a_lift_beyond_a_limit_fails_alone(tmp_path, looked, box, act, limit, said):
    with server(tmp_path / "out", act, processes=True, **limit) as client:
        job = wait(client, send(client, box).json()["id"], "failed")
        assert said in job["error"]
        assert not (tmp_path / "out" / job["id"]).exists()
        assert client.get("/api/jobs").status_code == 200
    assert active_children() == []


@pytest.mark.slow
def test_a_lift_whose_process_dies_once_is_tried_again(tmp_path, looked, box):
    with server(tmp_path / "out", "die_once", processes=True) as client:
        assert wait(client, send(client, box).json()["id"], "done")["frames"] == 5


@pytest.mark.slow
def test_a_stopped_server_goes_on_where_it_stood(tmp_path, looked, box):
    out = tmp_path / "out"
    with server(out) as client:
        done = wait(client, send(client, box).json()["id"], "done")
    with server(out, "hang", processes=True) as client:
        assert client.get(f"/api/jobs/{done['id']}").json() == done
        first, second = (send(client, box, f"{n}.mp4").json()["id"] for n in range(2))
        wait(client, first, "running")
        assert client.get(f"/api/jobs/{second}").json()["position"] == 1
    assert active_children() == []
    with server(out) as client:
        assert [wait(client, number, "done")["name"] for number in (first, second)] == ["0.mp4", "1.mp4"]


@pytest.mark.slow
def test_a_job_can_be_removed_whatever_it_does(tmp_path, looked, box):
    with server(tmp_path / "out", "hang", processes=True) as client:
        running, waits = (send(client, box).json()["id"] for _ in range(2))
        wait(client, running, "running")
        for number in (waits, running):
            assert client.delete(f"/api/jobs/{number}").status_code == 204
            assert client.get(f"/api/jobs/{number}").status_code == 404
        end = time.monotonic() + 20
        while client.jobs.video(running).exists() and time.monotonic() < end:
            time.sleep(0.02)
        assert {path.name for path in (tmp_path / "out").rglob("*")} == {"uploads", "manifest.jsonl"}
    with server(tmp_path / "out") as client:
        assert client.get("/api/jobs").json() == {"jobs": []}


def test_a_queue_that_is_full_takes_no_more(tmp_path, looked, box):
    with server(tmp_path / "out", "hang", max_waiting=1) as client:
        wait(client, send(client, box).json()["id"], "running")
        assert send(client, box).status_code == 201
        answer = send(client, box)
        assert answer.status_code == 503
        assert "later" in answer.json()["error"]


def test_two_servers_or_a_folder_of_something_else_are_refused_in_one_line(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    out = tmp_path / "out"
    with open_jobs(out, LiftSettings()), pytest.raises(PrmlError, match="in use"), open_jobs(out, LiftSettings()):
        pass
    with pytest.raises(PrmlError, match="not empty"), open_jobs(tmp_path / "mine", LiftSettings()):
        pass


def test_damaged_records_and_what_an_upload_left_do_not_stop_a_server(tmp_path):
    out = tmp_path / "out"
    with open_jobs(out, LiftSettings()) as jobs:
        good, torn, lost = (stored(jobs) for _ in range(3))
        (jobs.uploads / f"{torn.id}.json").write_text('{"schema": "prml.job/1", "name"')
        jobs.video(lost.id).unlink()
        (jobs.uploads / ".0123456789abcdef.part").write_bytes(b"half")
        (jobs.uploads / "mine.txt").write_text("not ours")
        (out / "mine").mkdir()
    with open_jobs(out, LiftSettings()) as jobs:
        assert [job.id for job in jobs.all()] == [good.id]
        assert not list(jobs.uploads.glob(".*.part"))
        assert (jobs.uploads / "mine.txt").exists()
        assert (out / "mine").exists()


@pytest.mark.slow
def test_lost_results_are_made_again_and_a_moved_folder_keeps_its_jobs(tmp_path, looked, box):
    out = tmp_path / "out"
    with server(out) as client:
        number = send(client, box).json()["id"]
        wait(client, number, "done")
    out.rename(tmp_path / "moved")
    with server(tmp_path / "moved", "hang") as client:
        assert client.get(f"/api/jobs/{number}").json()["status"] == "done"
    shutil.rmtree(tmp_path / "moved" / number)
    with server(tmp_path / "moved") as client:
        assert wait(client, number, "done")["files"]


def test_a_job_whose_end_cannot_be_written_is_lifted_again_by_the_next_server(tmp_path, looked, box, monkeypatch):
    out = tmp_path / "out"

    def full(*_):
        raise PrmlError("cannot write: No space left on device")

    with server(out) as client, monkeypatch.context() as patch:
        patch.setattr(Manifest, "add", full)
        number = send(client, box).json()["id"]
        assert "No space left" in wait(client, number, "failed")["error"]
    with server(out) as client:
        assert wait(client, number, "done")


def test_ids_cannot_be_guessed_and_are_plain_file_names(tmp_path):
    with open_jobs(tmp_path / "out", LiftSettings()) as jobs:
        ids = [stored(jobs).id for _ in range(20)]
    assert len(set(ids)) == 20
    assert all(ID.fullmatch(number) for number in ids)


def test_a_link_in_a_results_folder_is_not_served(tmp_path, looked, box):
    with server(tmp_path / "out") as client:
        number = send(client, box).json()["id"]
        wait(client, number, "done")
        (tmp_path / "secret.txt").write_text("secret")
        (tmp_path / "out" / number / "motion.csv").symlink_to(tmp_path / "secret.txt")
        assert client.get(f"/api/jobs/{number}/files/motion.csv").status_code == 404
        assert "motion.csv" not in [file["name"] for file in client.get(f"/api/jobs/{number}").json()["files"]]


@pytest.mark.slow
def test_an_idle_process_that_is_killed_is_replaced(tmp_path, looked, box):
    with server(tmp_path / "out", processes=True) as client:
        wait(client, send(client, box).json()["id"], "done")
        os.kill(active_children()[0].pid, signal.SIGKILL)
        wait(client, send(client, box).json()["id"], "done")
