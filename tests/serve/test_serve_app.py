"""The server as a client sees it: jobs, files, limits, and answers without a path or a stack."""

import asyncio
import io
import json
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="FastAPI is not installed: pip install 'prml-pose[serve]'")
pytest.importorskip("httpx2", reason="httpx2 is not installed, which Starlette's test client needs")

from serve_client import send, server, wait
from starlette.requests import ClientDisconnect

from prml.errors import PrmlError
from prml.serve.settings import ServeSettings
from prml.serve.upload import UploadError, receive

TOKEN = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def running(tmp_path_factory, box):
    """A server with one finished job, which went through a process of its own."""
    with server(tmp_path_factory.mktemp("serve") / "out") as client:
        job = wait(client, send(client, box).json()["id"], "done")
        client.job = job
        yield client


def test_an_upload_becomes_a_job_with_the_facts_of_its_video(running):
    job = running.job
    assert (job["name"], job["width"], job["height"], job["fps"]) == ("walk.mp4", 320, 240, 25.0)
    assert job["duration_s"] == pytest.approx(0.2)
    assert (job["frames"], job["residual_px"], job["position"]) == (5, 1.5, 0)
    assert job["id"] in [one["id"] for one in running.get("/api/jobs").json()["jobs"]]


def test_all_files_can_be_had_one_by_one_and_together(running):
    names = [file["name"] for file in running.job["files"]]
    assert sorted(names) == ["motion.bvh", "overlay.mp4", "poses.npz", "viewer.html"]
    base = f"/api/jobs/{running.job['id']}"
    each = {name: running.get(f"{base}/files/{name}").content for name in names}
    assert each["motion.bvh"] == b"HIERARCHY"
    with zipfile.ZipFile(io.BytesIO(running.get(f"{base}/all.zip").content)) as packed:
        assert packed.testzip() is None
        assert {name: packed.read(name) for name in packed.namelist()} == each
    part = running.get(f"{base}/files/overlay.mp4", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert "inline" in running.get(f"{base}/files/viewer.html").headers["content-disposition"]
    assert "attachment" in running.get(f"{base}/files/motion.bvh").headers["content-disposition"]


@pytest.mark.parametrize(
    "file", ["none.bvh", "..%2Fmanifest.jsonl", "%2E%2E", "%2Fetc%2Fpasswd", ".prml-work-1", "x" * 101, "a\0b"]
)
def test_a_file_that_is_not_a_result_is_not_there(running, file):
    answer = running.get(f"/api/jobs/{running.job['id']}/files/{file.replace(chr(0), '%00')}")
    assert answer.status_code in (404, 422)
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/jobs/0123456789abcdef", 404),
        ("DELETE", "/api/jobs/0123456789abcdef", 404),
        ("GET", "/api/jobs/0123456789abcdef/all.zip", 404),
        ("GET", "/api/jobs/..", 404),
        ("GET", "/api/jobs/0123456789ABCDEF", 422),
        ("GET", "/nothing", 404),
        ("PUT", "/api/jobs", 405),
        ("POST", "/api/jobs", 400),
        ("POST", f"/api/jobs?name={'x' * 401}", 422),
    ],
)
def test_what_cannot_be_answered_is_one_line_of_json(running, method, path, status):
    answer = running.request(method, path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert "\n" not in answer.json()["error"]


def test_no_answer_holds_a_path_of_the_server_or_the_code(running, box, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    answers = [
        running.get(path) for path in ("/", "/docs", "/page/page.js", "/openapi.json", "/api/about", "/api/jobs")
    ]
    answers += [send(running, bad), running.get("/api/jobs/x"), running.get(f"/api/jobs/{running.job['id']}")]
    for answer in answers:
        told = answer.text + json.dumps(dict(answer.headers))
        for secret in (
            str(running.jobs.out),
            str(running.jobs.out.parent),
            str(Path.cwd()),
            "Traceback",
            "site-packages",
        ):
            assert secret not in told
    assert running.job["warnings"] == ["walk.mp4 is dark, see results/notes"]


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("refuse", "walk.mp4 has nobody in it; see results/x/y.log"),
        ("fault", "by a fault of the server"),
    ],
)
def test_a_failed_lift_says_why_without_paths(tmp_path, box, looked, act, said):
    with server(tmp_path / "out", act) as client:
        job = wait(client, send(client, box).json()["id"], "failed")
        assert said in job["error"]
        assert "secret" not in job["error"]
        assert job["files"] == []
        assert client.get(f"/api/jobs/{job['id']}/all.zip").status_code == 409


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"", 400, "empty"),
        (b"no video", 422, "not a video"),
        (b"x" * 3000, 413, "0.002 MB at most"),
    ],
)
def test_what_is_not_a_video_or_too_large_is_refused_and_leaves_nothing(tmp_path, looked, content, status, said):
    with server(tmp_path / "out", max_mb=0.002) as client:
        for body in (content, iter([content[:2000], content[2000:]])):  # with its length, and without
            answer = client.post("/api/jobs", params={"name": "a.mp4"}, content=body)
            assert answer.status_code == status
            assert said in answer.json()["error"]
        assert client.get("/api/jobs").json() == {"jobs": []}
        assert list(client.jobs.uploads.iterdir()) == []


def test_a_video_just_over_the_length_is_refused_and_one_just_under_is_not(tmp_path, box, looked):
    with server(tmp_path / "out", max_length=0.19) as client:
        answer = send(client, box)
        assert answer.status_code == 422
        assert "0.2 s long" in answer.json()["error"]
    with server(tmp_path / "out2", max_length=0.21) as client:
        assert send(client, box).status_code == 201


def test_a_full_disk_is_said_before_and_while_a_file_comes(tmp_path, box, looked, monkeypatch):
    with server(tmp_path / "out") as client:
        with monkeypatch.context() as patch:
            patch.setattr("prml.serve.upload.MIN_FREE_MB", 1e15)
            assert send(client, box).status_code == 507

        def full(*_):
            raise OSError(28, "No space left on device", "/var/secret")

        with monkeypatch.context() as patch:
            patch.setattr("asyncio.to_thread", full)
            answer = send(client, box)
        assert (answer.status_code, "secret" in answer.text) == (507, False)
        with monkeypatch.context() as patch:
            patch.setattr("prml.serve.jobs.write_file", full)
            assert send(client, box).status_code == 507
        assert list(client.jobs.uploads.iterdir()) == []


def test_an_upload_that_stalls_or_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("prml.serve.upload.PAUSE_S", 0.05)

    async def stalls():
        yield b"x" * 10
        await asyncio.sleep(5)

    async def breaks_off():
        yield b"x" * 10
        raise ClientDisconnect

    for pieces, error in ((stalls(), UploadError), (breaks_off(), ClientDisconnect)):
        with pytest.raises(error):
            asyncio.run(receive(pieces, tmp_path / "draft", ServeSettings()))
        assert not (tmp_path / "draft").exists()


def test_names_are_shown_and_never_used(tmp_path, box, looked):
    with server(tmp_path / "out") as client:
        for name, shown in {
            "../../etc/passwd": "passwd",
            "C:\\x\\y.mp4": "y.mp4",
            "<b>\n\u202e.mp4": "<b>\\n\\u202e.mp4",
            "": "video",
        }.items():
            job = send(client, box, name).json()
            assert job["name"] == shown
            wait(client, job["id"], "done")
        ids = {job["id"] for job in client.get("/api/jobs").json()["jobs"]}
        there = {path.name for path in (tmp_path / "out").rglob("*") if path.parent.parent == tmp_path / "out"}
        assert {path.name for path in (tmp_path / "out").iterdir()} == {*ids, "uploads", "manifest.jsonl"}
        assert {name.partition(".")[0] for name in there if name.endswith((".video", ".json"))} == ids


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": "Basic ???"}, 401),
        ({"Authorization": "Bearer \xff"}, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
    ],
)
def test_a_token_is_asked_for_everything(tmp_path, headers, status):
    with server(tmp_path / "out", token=TOKEN) as client:
        for path in ("/", "/docs", "/page/page.js", "/openapi.json", "/api/jobs"):
            answer = client.get(path, headers={k: v.encode("latin-1") for k, v in headers.items()})
            assert answer.status_code == status
            assert status == 200 or "Basic" in answer.headers["www-authenticate"]
        assert client.get("/api/jobs", auth=("anybody", TOKEN)).status_code == 200


def test_other_pages_and_other_names_are_kept_out(running):
    """A page elsewhere makes the browser ask us (Origin), or has its own name mean our address (Host)."""
    number = running.job["id"]
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9"):
        assert running.delete(f"/api/jobs/{number}", headers={"Origin": origin}).status_code == 403
    assert running.get("/api/jobs", headers={"Host": "evil.example:8000"}).status_code == 421
    assert running.get("/api/jobs", headers={"Host": "127.0.0.1.evil.example"}).status_code == 421
    assert running.get("/api/jobs", headers={"Host": "localhost:8000"}).status_code == 200
    assert running.get(f"/api/jobs/{number}").status_code == 200
    assert "frame-ancestors 'none'" in running.get("/").headers["content-security-policy"]
    assert running.get("/").headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_only_the_loopback_needs_no_token(host):
    settings = ServeSettings(host=host)
    with pytest.raises(PrmlError, match="needs a token"):
        settings.check_token(None)
    with pytest.raises(PrmlError, match="at least 16"):
        settings.check_token("short")
    assert settings.check_token(TOKEN) == TOKEN


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_the_loopback_may_have_one(host):
    settings = ServeSettings(host=host)
    assert settings.check_token(None) is None
    assert settings.check_token(TOKEN) == TOKEN


def test_every_answer_of_the_description_has_a_model(running):
    told = running.get("/openapi.json").json()
    assert {
        "/api/jobs",
        "/api/jobs/{job}",
        "/api/jobs/{job}/files/{file}",
        "/api/jobs/{job}/all.zip",
        "/api/about",
    } == set(told["paths"])
    for methods in told["paths"].values():
        for method in methods.values():
            assert method["summary"]
            assert {"401", "403", "421"} <= set(method["responses"])
