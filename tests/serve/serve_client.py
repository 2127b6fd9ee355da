"""A server inside the test, whose jobs are done by a stub: in a thread, or in a process that a limit can kill."""

import time
from contextlib import contextmanager
from multiprocessing import Pipe
from threading import Thread
from types import SimpleNamespace

from starlette.testclient import TestClient

from fixtures.serve_unit import Unit
from prml.pipeline.workers import Worker
from prml.serve.app import make_app
from prml.serve.jobs import open_jobs
from prml.serve.runner import Runner
from prml.serve.settings import ServeSettings

BASE = "http://127.0.0.1:8000"
UNIT = "fixtures.serve_unit:Unit"


class InThread(Worker):
    """What a process would do, in a thread: quick to start, and nothing to kill."""

    def __init__(self, out, act):
        self.pipe, self.child = Pipe()
        self.process, self.task, self.unit = SimpleNamespace(pid=None), None, Unit(out, act)

    def start(self, task):
        self.task = task
        Thread(target=self._work, args=(task,), daemon=True).start()

    def _work(self, task):
        made = self.unit(task, lambda *told: self.child.send(("progress", *told)), True)
        self.child.send(("row", made))

    def ask_to_stop(self):
        pass

    def stop(self):
        pass


@contextmanager
def server(out, act="work", token=None, processes=False, **settings):
    """Yield a client of a server on a folder; the jobs' work is ``act``."""
    chosen = ServeSettings(**settings)
    with open_jobs(out, chosen.lift_settings()) as jobs:
        runner = Runner(jobs, chosen, lambda: Worker(out, {"act": act}, 1, UNIT) if processes else InThread(out, act))
        with TestClient(make_app(jobs, chosen, runner, token), BASE, raise_server_exceptions=False) as client:
            client.jobs, client.runner = jobs, runner
            yield client


def send(client, path, name="walk.mp4"):
    """Upload a file and return the answer."""
    return client.post("/api/jobs", params={"name": name}, content=path.read_bytes())


def wait(client, number, *states, seconds=60):
    """Return a job once it is in one of these states."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = client.get(f"/api/jobs/{number}").json()
        if job["status"] in states:
            return job
        time.sleep(0.02)
    raise AssertionError(f"not {states} within {seconds} s: {job}")
