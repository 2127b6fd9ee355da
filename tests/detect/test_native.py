"""A lift makes no network requests and writes only its output, as seen from outside the process.

MediaPipe's native code reports its use over https. A proxy that listens here, and that libcurl would take from the
environment, sees such a report without a name service; in the slow stage strace sees every look-up.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from prml.detect.native import OFFLINE, Offline, deferred_imports
from prml.media.loop import loop_video
from prml.networks import registry
from prml.weights.record import Card, save_record

CLIP = Path(__file__).parents[2] / "examples" / "jump.mp4"
# Opens, uses and closes a landmarker for as many seconds as its argument says.
RAW = """
import sys, time
import mediapipe as mp, numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from prml.detect.mediapipe import model_path

options = vision.PoseLandmarkerOptions(base_options=BaseOptions(model_asset_path=str(model_path("lite"))))
landmarker = vision.PoseLandmarker.create_from_options(options)
image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.zeros((64, 64, 3), np.uint8))
landmarker.detect(image)
landmarker.close()
"""
# The same with our detector, over more than the minute after which MediaPipe reports.
LONG = """
import time
import numpy as np
from prml.detect.mediapipe import MediaPipeDetector

with MediaPipeDetector("lite") as detector:
    for second in range(64):
        detector(np.zeros((64, 64, 3), np.uint8), float(second))
        time.sleep(1)
"""


@pytest.fixture(scope="module")
def lift_words(tmp_path_factory):
    """The command line of a short lift with a tiny network; the output folder is to be added."""
    folder = tmp_path_factory.mktemp("lift")
    torch.manual_seed(0)
    arguments = {"frames": 9, "width": 16, "heads": 2, "branch_blocks": 1}
    card = Card("tiny", "prml-xs", arguments, window=9)
    weights = save_record(folder, card, registry.build("prml-xs", **arguments)).with_suffix(".safetensors")
    loop_video(CLIP, folder / "clip.mp4", 0.5)
    words = ["-m", "prml.cli", "lift", str(folder / "clip.mp4"), "--model", "lite", "--weights", str(weights)]
    return [sys.executable, *words]


@pytest.fixture
def proxy():
    """A proxy that refuses everything: its address, and the first line of every request."""
    listener, asked = socket.create_server(("127.0.0.1", 0)), []

    def refuse():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(4096).decode(errors="replace").partition("\r\n")[0])
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    threading.Thread(target=refuse, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    listener.close()


def _environment(**changes):
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return {**kept, **changes}


def test_the_proxy_would_see_what_mediapipe_sends(proxy):
    """Without the block a request is made, so its absence below means something."""
    address, asked = proxy
    subprocess.run([sys.executable, "-c", RAW], env=_environment(https_proxy=address), check=True, capture_output=True)
    assert asked
    assert all(line.startswith("CONNECT ") for line in asked)


def test_a_whole_lift_asks_for_nothing(lift_words, proxy, tmp_path):
    address, asked = proxy
    named = dict.fromkeys(("https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"), address)
    words = [*lift_words, "--out", str(tmp_path / "out")]
    subprocess.run(words, env=_environment(**named), check=True, capture_output=True)
    assert (tmp_path / "out/overlay.mp4").is_file()
    assert asked == []


NETWORK = ("sendto(", "sendmsg(", "sendmmsg(", "connect(", "bind(", "listen(")


def _asked(words, folder):
    """Lines of strace's output that send or connect, including children and native threads."""
    trace = folder / "trace"
    words = ["strace", "-f", "-e", "trace=network", "-o", str(trace), *words]
    subprocess.run(words, env=_environment(), check=True, capture_output=True)
    return [line for line in trace.read_text().splitlines() if any(call in line for call in NETWORK)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, which sees the native code's look-ups")
def test_no_system_call_of_a_lift_reaches_for_the_network(lift_words, tmp_path):
    assert any("connect(" in line for line in _asked([sys.executable, "-c", RAW], tmp_path))
    assert _asked([*lift_words, "--out", str(tmp_path / "out")], tmp_path) == []
    assert _asked([sys.executable, "-c", LONG], tmp_path) == []


def test_a_lift_writes_nothing_outside_its_output(lift_words, tmp_path):
    """No matplotlib caches in the home folder, no sound server's shared memory, nothing in the temporary folder."""
    for name in ("home", "temporary", "current"):
        (tmp_path / name).mkdir()
    shared = Path("/dev/shm")
    before = set(shared.iterdir()) if shared.is_dir() else set()
    leading_there = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "MPLCONFIGDIR", "PRML_CACHE")
    environment = _environment(HOME=str(tmp_path / "home"), TMPDIR=str(tmp_path / "temporary"))
    environment = {k: v for k, v in environment.items() if k not in leading_there}
    words = [*lift_words, "--out", str(tmp_path / "out")]
    subprocess.run(words, env=environment, check=True, capture_output=True, cwd=tmp_path / "current")
    assert {p.name for p in tmp_path.iterdir()} == {"home", "temporary", "current", "out"}
    assert [p for name in ("home", "temporary", "current") for p in (tmp_path / name).rglob("*")] == []
    assert not {p for p in (set(shared.iterdir()) if shared.is_dir() else set()) - before if p.owner() == _me()}


def _me():
    return Path("/proc/self").owner() if Path("/proc/self").exists() else ""


def _environment_of_a_child(*names):
    code = f"import os; print([os.environ.get(n) for n in {names!r}])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_environment_is_put_back_by_the_last_holder(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "example.org")
    before = dict(os.environ)
    offline = Offline()
    offline.hold()
    offline.hold()
    offline.release()
    assert "refused://" in _environment_of_a_child("https_proxy", "no_proxy")
    assert dict(os.environ) == before, "Python's own requests go where they went"
    offline.release()
    assert _environment_of_a_child("https_proxy", "no_proxy") == "['http://127.0.0.1:9', 'example.org']"


def test_every_landmarker_lets_go_of_the_refusal(tmp_path):
    from prml.detect.mediapipe import MediaPipeDetector
    from prml.errors import PrmlError

    black, held = np.zeros((64, 64, 3), np.uint8), OFFLINE._holders
    with MediaPipeDetector("lite") as detector:
        detector(black, 0.0)
        detector.search(black)
        detector.reset()
        assert OFFLINE._holders == held + 2
    (tmp_path / "bad.task").write_bytes(b"not a model")
    with pytest.raises(PrmlError):
        MediaPipeDetector(tmp_path / "bad.task")
    forgotten = MediaPipeDetector("lite")
    del forgotten
    assert OFFLINE._holders == held


def test_a_deferred_module_loads_when_it_is_used(tmp_path, monkeypatch):
    package = tmp_path / "deferred_by_test"
    package.mkdir()
    (package / "__init__.py").write_text("value = 1\n")
    (package / "part.py").write_text("value = 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with deferred_imports("deferred_by_test", "deferred_by_test.part"):
        import deferred_by_test.part as part
    assert "deferred_by_test" not in sys.modules
    assert part.value == 2
    assert sys.modules["deferred_by_test"].value == 1
    with deferred_imports("deferred_by_test"):
        import deferred_by_test
    assert deferred_by_test is sys.modules["deferred_by_test"], "what is loaded already is left alone"
