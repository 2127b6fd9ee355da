"""Pictures as they come."""

import http.server
import threading
import time
from itertools import chain

import numpy as np
import pytest

from fixtures.boxes import box_video
from prml.errors import PrmlError
from prml.live.feeds import CameraFeed, FileFeed, Inbox, StreamFeed, reduced, without_secrets


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return box_video(tmp_path_factory.mktemp("feeds") / "box.mp4", 12)


def test_a_file_in_real_time_comes_at_the_pace_of_the_clock(clip):
    started = time.perf_counter()
    images = list(FileFeed(clip, realtime=True))
    assert time.perf_counter() - started >= 11 / 25
    assert [round(25 * image.time_s) for image in images] == list(range(12))
    steps = np.diff([image.captured_s for image in images])
    np.testing.assert_allclose(steps, 1 / 25, atol=1e-6)  # when it was due, however late it is taken


def test_only_the_newest_picture_waits():
    gate = threading.Event()

    def numbers():
        yield 0
        gate.wait(10)
        yield from range(1, 100)

    inbox = Inbox(numbers)
    taken = iter(inbox)
    assert next(taken) == [0]
    gate.set()
    inbox._thread.join(10)
    assert list(taken) == [[99]]
    assert inbox.dropped == 98


def test_where_items_wait_none_is_lost():
    inbox = Inbox(lambda: iter(range(50)), room=3)
    parts = list(inbox)
    assert list(chain.from_iterable(parts)) == list(range(50))
    assert max(map(len, parts)) <= 3
    assert inbox.dropped == 0
    assert inbox.stop()


def test_an_error_of_the_source_comes_after_what_it_gave():
    def breaks():
        yield 1
        raise PrmlError("gone")

    taken = iter(Inbox(breaks, room=1))
    assert next(taken) == [1]
    with pytest.raises(PrmlError, match="gone"):
        next(taken)


def test_stopping_ends_both_sides():
    def forever():
        while True:
            yield 0
            time.sleep(0.001)

    inbox = Inbox(forever)
    next(iter(inbox))
    assert inbox.stop()
    assert list(inbox) == []


class FakeCamera:
    """A camera of OpenCV that is unplugged after some pictures."""

    def __init__(self, number):
        self.left = 5 if number == 0 else 0
        self.released = False

    def isOpened(self):
        return self.left > 0

    def read(self):
        self.left -= 1
        picture = np.zeros((1200, 1600, 3), np.uint8)
        picture[..., 0] = 250  # blue comes first
        return (True, picture) if self.left >= 0 else (False, None)

    def get(self, what):
        return 25.0

    def release(self):
        self.released = True


def test_a_camera_that_goes_away_gives_what_it_saw_and_one_line(monkeypatch):
    monkeypatch.setattr("cv2.VideoCapture", FakeCamera)
    feed, seen = CameraFeed(0), []
    assert (feed.width, feed.height, feed.fps) == (1600, 1200, 25)
    with pytest.raises(PrmlError, match="camera 0 went away"):
        seen.extend(iter(feed))
    feed.close()
    with pytest.raises(PrmlError, match="camera 7 is not there"):
        CameraFeed(7)


def test_a_camera_s_pictures_are_rgb_and_reduced(monkeypatch):
    monkeypatch.setattr("cv2.VideoCapture", FakeCamera)
    image = next(iter(CameraFeed(0))).image
    assert image.shape == (720, 960, 3)
    assert image[0, 0].tolist() == [0, 0, 250]


@pytest.fixture
def web(clip):
    """A server that gives the clip, and breaks off in the middle of it at /half."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            data = clip.read_bytes()
            self.send_response(200 if self.path != "/none" else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(b"text" * 100 if self.path == "/text" else data)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_stream_is_read_by_its_url(web):
    feed = StreamFeed(f"{web}/box.mp4")
    images = list(feed)
    feed.close()
    assert (feed.width, feed.height) == (320, 240)
    assert len(images) == 12
    assert np.diff([image.time_s for image in images]).min() > 0
    assert images[0].image[100, 130].min() > 180
    assert images[0].image[10, 10].max() < 60


@pytest.mark.parametrize("path", ["none", "text"])
def test_an_address_without_a_video_is_refused(web, path):
    with pytest.raises(PrmlError, match="gives no video"):
        StreamFeed(f"{web}/{path}")


def test_names_hold_no_secrets():
    assert without_secrets("rtsp://me:word@host:554/a?token=1") == "rtsp://host:554/a"


@pytest.mark.parametrize(
    ("size", "want"), [((640, 480), (640, 480)), ((1920, 1080), (960, 540)), ((1080, 1920), (540, 960))]
)
def test_large_pictures_are_reduced(size, want):
    assert reduced(*size) == want
