"""The page and the WebSocket of a live run."""

import base64
import http.client
import io
import json

import numpy as np
import pytest
from live_run import RUN, frame
from PIL import Image

from prml.errors import PrmlError

client = pytest.importorskip("websockets.sync.client", reason="the extra live serves the WebSocket")
from websockets.exceptions import InvalidStatus  # noqa: E402

from prml.live.server import Server  # noqa: E402


@pytest.fixture(scope="module")
def server():
    served = Server()
    served.start(RUN)
    yield served
    served.close()


def listen(server, path="/live", **options):
    return client.connect(f"ws://127.0.0.1:{server.port}{path}", **options)


def send_until(server, socket, made):
    """Send a frame until one arrives: a client is listed a moment after its header was sent."""
    for _ in range(100):
        server.send(made)
        try:
            return json.loads(socket.recv(timeout=0.1))
        except TimeoutError:
            continue
    raise AssertionError("no frame arrived")


def get(server, path, host=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{server.port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_client_gets_the_header_and_every_frame(server):
    with listen(server) as socket:
        head = json.loads(socket.recv(timeout=10))
        assert (head["schema"], head["source"]) == ("prml.live/1", "box.mp4")
        found = send_until(server, socket, frame(4))
        np.testing.assert_allclose(found["joints_m"], frame(4).joints_m, atol=6e-5)
        assert "picture" not in found


def test_the_page_s_client_gets_pictures(server):
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[:, 160:] = 200
    with listen(server, "/live?pictures") as socket:
        socket.recv(timeout=10)
        found = send_until(server, socket, frame(4, picture=picture))
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["picture"]))))
    assert shown.shape == (240, 320, 3)
    assert shown[:, :150].max() < 30 < 170 < shown[:, 170:].min()


def test_the_page_is_complete_and_loads_nothing(server):
    status, text = get(server, "/")
    assert status == 200
    assert "box.mp4 live" in text
    assert "src=" not in text.split("</head>")[0]
    assert get(server, "/etc/passwd")[0] == 404


def test_pages_of_others_cannot_listen(server):
    with pytest.raises(InvalidStatus, match="403"):
        listen(server, origin="https://example.org").__enter__()
    assert get(server, "/", host="rebound.example.org")[0] == 403
    with listen(server, origin=f"http://127.0.0.1:{server.port}") as socket:
        assert json.loads(socket.recv(timeout=10))["schema"] == "prml.live/1"


def test_a_taken_port_is_said_and_another_one_is_taken_if_none_was_wanted(server):
    with pytest.raises(PrmlError, match="give port=") as refused:
        Server(server.port).start(RUN)
    assert str(server.port) in str(refused.value)
    other = Server()
    other.start(RUN)
    assert other.port not in (0, server.port)
    with listen(other) as socket:
        socket.recv(timeout=10)
        send_until(other, socket, frame(0))
        other.close()
        said = [json.loads(text) for text in socket]
    assert said[-1] == {"end": "Ended"}
