"""``prml serve`` as a user starts it: a real process that is killed, and a real browser that uploads and plays."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="FastAPI is not installed: pip install 'prml-pose[serve]'")
pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install 'prml-pose[serve]'")

from fixtures.boxes import box_video
from view.view_browser import CHROMIUM, DRIVER, Browser

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SETTINGS = ["--detector", "boxes", "--weights", "prml-xs", "--port", "0"]


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The command and its environment, with the detector of bright boxes installed."""
    from fixtures.boxes import BOXES, POINTS
    from fixtures.outside import outside_package

    package = tmp_path / "package"
    package.mkdir()
    outside_package(monkeypatch, package, BOXES, POINTS)
    paths = [str(package), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


@contextmanager
def running(environment, out, *more, before=None):
    """Yield the process of a server and its address; it is killed at the end if it still runs."""
    words = [sys.executable, "-m", "prml", "serve", "--out", str(out), *SETTINGS, *more]
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=before
    )
    try:
        ready, _, _ = select.select([process.stdout], [], [], 60)
        line = process.stdout.readline() if ready else ""
        found = re.match(r"(http://[\d.]+:\d+)/", line)
        assert found, (line, process.stderr.read() if process.poll() is not None else "")
        yield process, found.group(1)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def ask(address, data=None, method=None):
    """Return the status and the JSON of an answer."""
    request = urllib.request.Request(address, data, {"Content-Type": "application/octet-stream"}, method=method)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def wait(address, number, *states, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        _, job = ask(f"{address}/api/jobs/{number}")
        if job["status"] in states:
            return job
        time.sleep(0.1)
    raise AssertionError(f"not {states} within {seconds} s: {job}")


def children(pid):
    lists = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]  # one per thread
    return [int(number) for found in lists for number in found]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the test finds child processes in /proc")
def test_a_server_that_is_killed_leaves_no_process_and_loses_no_job(command, tmp_path):
    video = box_video(tmp_path / "box.mp4", frames=60)
    out = tmp_path / "out"
    with running(command, out) as (process, address):
        numbers = [ask(f"{address}/api/jobs?name={n}.mp4", video.read_bytes())[1]["id"] for n in range(2)]
        wait(address, numbers[0], "running", "done")
        left = children(process.pid)
        assert left
        process.send_signal(signal.SIGKILL)
        process.wait()
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in left) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [pid for pid in left if Path(f"/proc/{pid}").exists()]
    with running(command, out) as (process, address):
        second = subprocess.run(
            [sys.executable, "-m", "prml", "serve", "--out", str(out), *SETTINGS], env=command, capture_output=True
        )
        assert second.returncode == 2
        assert second.stderr.decode().count("\n") == 1
        assert "in use" in second.stderr.decode()
        for number in numbers:
            job = wait(address, number, "done", "failed")
            assert job["status"] == "done", job["error"]
            assert {"viewer.html", "overlay.mp4", "motion.bvh", "motion.glb"} <= {f["name"] for f in job["files"]}
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
        assert process.stderr.read() == ""


def test_a_full_disk_and_an_upload_that_breaks_off_lose_nothing_else(command, tmp_path):
    resource = pytest.importorskip("resource", reason="this system cannot limit the size of files")
    video = box_video(tmp_path / "box.mp4", frames=60)
    assert video.stat().st_size > 4000
    limits = (4000, 4000)  # bytes that a file may have: what comes then is what a full disk says
    with running(command, tmp_path / "out", before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits)) as (
        _,
        to,
    ):
        status, told = ask(f"{to}/api/jobs", video.read_bytes())
        assert (status, list(told)) == (507, ["error"])
        assert str(tmp_path) not in told["error"]
        host, _, port = to.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as half:
            half.sendall(f"POST /api/jobs HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3000\r\n\r\nhalf".encode())
        uploads, end = tmp_path / "out" / "uploads", time.monotonic() + 20
        while list(uploads.iterdir()) and time.monotonic() < end:
            time.sleep(0.05)
        assert list(uploads.iterdir()) == []
        assert ask(f"{to}/api/jobs") == (200, {"jobs": []})


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with chromedriver on this machine; CI installs both")
def test_a_browser_uploads_a_video_and_plays_the_result(command, tmp_path):
    video = box_video(tmp_path / "box.mp4", frames=30)
    with running(command, tmp_path / "out") as (_, address), Browser(1366, 768) as page:
        page.visit(f"{address}/")
        page.choose("#pick", video)
        page.until("return !document.querySelector('#viewer').hidden", 90)
        page.until("return document.querySelector('#viewer').contentWindow.prmlViewer !== undefined", 30)
        page.run("document.querySelector('[data-tab=overlay]').click()")
        page.until(
            "const v = document.querySelector('#overlay'); v.muted = true; v.play(); return v.currentTime > 0.3", 30
        )
        page.run("document.querySelector('[data-tab=files]').click()")
        names = page.run("return [...document.querySelectorAll('#files li a')].map((a) => a.textContent)")
        assert {"viewer.html", "motion.bvh", "motion.glb", "poses.json"} <= set(names)
        page.emulate(390, 844, mobile=True)
        for tab in ("viewer", "overlay", "files"):
            page.run(f"document.querySelector('[data-tab={tab}]').click()")
            assert page.run("return document.documentElement.scrollWidth <= innerWidth")
        assert [line for line in page.console() if line["level"] == "SEVERE"] == []
        page.run("document.querySelector('#back').click()")
        page.run("window.confirm = () => true; document.querySelector('#jobs .remove').click()")
        page.until("return !document.querySelector('#jobs li')", 30)
        assert ask(f"{address}/api/jobs")[1] == {"jobs": []}


def test_the_description_holds_for_generated_requests(command, tmp_path):
    """schemathesis asks what the description allows, and what it does not; not any bytes that it sends are a video."""
    pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install schemathesis")
    with running(command, tmp_path / "out", "--max-mb", "0.01") as (_, address):
        done = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json", "--max-examples", "5",
                "--seed", "1", "--no-color", "--exclude-checks", "positive_data_acceptance",
            ],
            capture_output=True, text=True, timeout=200, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:]
        assert str(tmp_path) not in done.stdout
