"""The window of ``prml live`` in a real browser, while a file is played in real time."""

import os
import subprocess
import sys

import pytest

from fixtures.boxes import BOXES, POINTS, box_video
from fixtures.outside import outside_package

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "view"))  # noqa: PTH118, PTH120
from view_browser import CHROMIUM, DRIVER, Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with chromedriver on this machine"),
]
pytest.importorskip("websockets", reason="the extra live serves the page")


def test_the_window_shows_the_person_while_the_file_plays(monkeypatch, tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    outside_package(monkeypatch, folder, BOXES, POINTS)
    clip = box_video(tmp_path / "box.mp4", 1500)
    path = os.pathsep.join([str(folder), *sys.path])
    command = [sys.executable, "-m", "prml", "live", str(clip), "--realtime", "--detector", "boxes"]
    run = subprocess.Popen(
        [*command, "--weights", "prml-xs"], stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    try:
        run.stderr.readline()
        address = run.stderr.readline().split()[1].rstrip(",")
        with Browser(960, 640) as page:
            page.visit(address)
            page.until("const s = prmlLive.state(); return s.frames > 5 && s.person && s.figure.visible && s.delay > 0")
            page.until(  # the left side of the lifted person, over the picture
                "const c = document.getElementById('image'), at = [0, 0, c.width, c.height];"
                "const d = c.getContext('2d').getImageData(...at).data;"
                "let n = 0; for (let i = 0; i < d.length; i += 4) n += d[i + 2] - d[i] > 60; return n > 50"
            )
            assert page.run("return document.documentElement.scrollWidth") <= 960
            run.terminate()
            page.until("return document.getElementById('badge').textContent === 'Ended'")
            assert not [e for e in page.console() if e["level"] == "SEVERE" and "WebSocket" not in e["message"]]
            hosts = {url.split("/")[2] for url in page.requests() if url.startswith(("http", "ws"))}
            assert hosts <= {address.split("/")[2]}
    finally:
        run.terminate()
        run.communicate(timeout=20)
