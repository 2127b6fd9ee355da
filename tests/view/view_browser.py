"""A headless Chromium driven by plain WebDriver requests; these tests need too little to depend on selenium."""

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
DRIVER = shutil.which("chromedriver")
KEYS = {"space": " ", "left": "\ue012", "right": "\ue014", "home": "\ue011", "end": "\ue010", "tab": "\ue004"}


class Browser:
    """One window. Every host name but 127.0.0.1 resolves to nothing, and all requests are logged."""

    def __init__(self, width=1280, height=800, *, mobile=False, dark=True, webgl=True):
        self.home = tempfile.TemporaryDirectory(prefix="prml-browser-")
        port = _free_port()
        self.process = subprocess.Popen(
            [DRIVER, f"--port={port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.home.name, "TMPDIR": self.home.name},
        )
        self.root = f"http://127.0.0.1:{port}"
        try:
            self._wait()
            wishes = {"alwaysMatch": _wishes(width, height, self.home.name, webgl)}
            answer = self._send("POST", "/session", {"capabilities": wishes})
            self.root += f"/session/{answer['sessionId']}"
            self.emulate(width, height, mobile=mobile, dark=dark)
            self._send("POST", "/url", {"url": "about:blank"})
            self.requests()  # those of the browser's own first page
        except BaseException:
            self.close()
            raise

    def _wait(self):
        for _ in range(200):
            try:
                if self._send("GET", "/status")["ready"]:
                    return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError("chromedriver does not answer")

    def _send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=90) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()[:500]) from None

    def command(self, name, **parameters):
        return self._send("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def emulate(self, width, height, *, mobile=False, dark=True, scale=1):
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[theme])
        self.command("Emulation.setTouchEmulationEnabled", enabled=mobile)

    def open(self, path: Path):
        self.visit(path.resolve().as_uri())

    def visit(self, address: str):
        self._send("POST", "/url", {"url": address})

    def choose(self, selector, path: Path):
        """Choose a file in an input for files."""
        found = self._send("POST", "/element", {"using": "css selector", "value": selector})
        self._send("POST", f"/element/{next(iter(found.values()))}/value", {"text": str(path)})

    def until(self, script, seconds=40):
        """Wait until a script returns true."""
        end = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > end:
                raise AssertionError(f"did not happen within {seconds} s: {script}")
            time.sleep(0.1)

    def run(self, script, *arguments):
        return self._send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def state(self):
        return self.run("return prmlViewer.state()")

    def key(self, name):
        value = KEYS.get(name, name)
        actions = [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        self._send("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def box(self, selector):
        """Return x, y, width, height of an element on the screen."""
        return self.run(
            "const b = document.querySelector(arguments[0]).getBoundingClientRect();"
            "return [b.x, b.y, b.width, b.height]",
            selector,
        )

    def click_at(self, selector, x, y):
        """Click at pixels from an element's top-left corner."""
        _, _, width, height = self.box(selector)
        self.drag(selector, (x / width, y / height), (x / width, y / height))

    def drag(self, selector, start, end):
        """Drag from one place of an element to another; places are shares of its width and height."""
        box = self.box(selector)
        points = [{"x": round(box[0] + box[2] * p[0]), "y": round(box[1] + box[3] * p[1])} for p in (start, end)]
        actions = [
            {"type": "pointerMove", "duration": 0, **points[0]},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "duration": 120, **points[1]},
            {"type": "pointerUp", "button": 0},
        ]
        pointer = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions}
        self._send("POST", "/actions", {"actions": [pointer]})

    def settle(self):
        """Wait until the page has finished drawing, however slow the machine."""
        script = (
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50)))"
        )
        self._send("POST", "/execute/async", {"script": script, "args": []})

    def screenshot(self) -> bytes:
        self.settle()
        return base64.b64decode(self._send("GET", "/screenshot"))

    def console(self):
        """Return warnings and errors of the page since the last call."""
        return self._send("POST", "/se/log", {"type": "browser"})

    def requests(self):
        """Return addresses requested since the last call."""
        entries = [json.loads(e["message"])["message"] for e in self._send("POST", "/se/log", {"type": "performance"})]
        return [e["params"]["request"]["url"] for e in entries if e["method"] == "Network.requestWillBeSent"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            if "/session/" in self.root:
                self._send("DELETE", "")
        except (OSError, RuntimeError):
            pass
        finally:
            self.process.terminate()
            self.process.wait(10)
            self.home.cleanup()


def _free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _wishes(width, height, home, webgl):
    flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu-compositing",  # without a graphics card, ten times as many frames per second
        "--disable-accelerated-2d-canvas",
        *(("--use-angle=swiftshader", "--enable-unsafe-swiftshader") if webgl else ("--disable-3d-apis",)),
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--window-size={width},{height}",
        f"--user-data-dir={home}/profile",
        "--hide-scrollbars",
    ]
    return {
        "browserName": "chrome",
        "goog:chromeOptions": {"binary": CHROMIUM, "args": flags},
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    }
