"""Opening videos: local files in known containers, the main stream, within limits."""

import os
import socket
import subprocess
import sys
import threading
from fractions import Fraction

import av
import numpy as np
import pytest

from fixtures.videos import encode, numbered
from prml.errors import PrmlError
from prml.media import frames as limits
from prml.media.read import probe, read_frames
from prml.media.write import VideoWriter

REFUSED = r"unsupported format|Invalid data"
NAMES = ["2024-05-01T12:30:00.mp4", "http:x.mp4", "concat:a.mp4", "a%03d.mp4", "a b?#.mp4", "-x.mp4", "pipe:0.mp4"]


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"caf\xe9.mp4")])
def test_any_name_is_read_and_written(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with VideoWriter(name, 64, 48, 25) as writer:
        writer.write(np.full((48, 64, 3), 90, np.uint8))
    assert os.listdir(tmp_path) == [name]  # noqa: PTH208
    (frame,) = read_frames(name)
    assert abs(float(frame.image.mean()) - 90) < 4


@pytest.fixture
def listener():
    """A local server that records whether anything connected."""
    came = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def serve():
            while not stop.is_set():
                try:
                    server.accept()[0].close()
                except TimeoutError:
                    continue
                came.set()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], came
        stop.set()
        thread.join()


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile http://127.0.0.1:{port}/a.mp4\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_file_cannot_cause_a_request(tmp_path, listener, kind):
    port, came = listener
    path = tmp_path / "video.mp4"
    path.write_text(PLAYLISTS[kind].format(port=port))
    with pytest.raises(PrmlError, match=REFUSED):
        probe(path)
    assert not came.wait(0.3)


def test_a_name_cannot_cause_a_request(tmp_path, listener, monkeypatch):
    port, came = listener
    monkeypatch.chdir(tmp_path)
    name = f"http:/127.0.0.1:{port}/a.mp4"
    with pytest.raises(PrmlError, match="no such file"):
        probe(name)
    (tmp_path / name).parent.mkdir(parents=True)
    encode(tmp_path / "a.mp4", images=numbered(3))
    (tmp_path / "a.mp4").rename(tmp_path / name)
    assert len(list(read_frames(name))) == 3
    assert not came.wait(0.3)


def test_a_local_playlist_does_not_open_other_files(tmp_path):
    encode(tmp_path / "a.ts", images=numbered(3))
    path = tmp_path / "list.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(PrmlError, match=REFUSED):
        probe(path)


def test_the_best_stream_is_read(tmp_path):
    """A preview comes before the main stream and is the container's default."""
    path = tmp_path / "two.mp4"
    sizes = [(32, 24), (128, 96), (64, 48)]
    with av.open(str(path), "w") as out:
        streams = []
        for width, height in sizes:
            stream = out.add_stream("libx264", rate=30)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            streams.append(stream)
        for index in range(5):
            for stream, (width, height) in zip(streams, sizes, strict=True):
                frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), width, np.uint8), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 30)
                out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode(None))
    info = probe(path)
    assert (info.width, info.height) == (128, 96)
    seen = list(read_frames(path))
    assert len(seen) == 5
    assert abs(float(seen[0].image.mean()) - 128) < 4


def test_a_variable_rate_webm_keeps_its_times(tmp_path):
    ticks = [0, 33, 133, 166, 300, 333, 500, 533, 600, 700]
    path = encode(tmp_path / "v.webm", "libvpx", numbered(10), ticks=ticks)
    assert [f.time_s for f in read_frames(path)] == pytest.approx(np.array(ticks) / 1000, abs=1e-3)


def test_raw_dv_has_its_own_rate(tmp_path):
    """FFmpeg reports 60000 ticks per second as the mean rate of a raw DV file; the guessed rate is right."""
    images = np.full((10, 576, 720, 3), 100, np.uint8)
    path = encode(tmp_path / "a.dv", "dvvideo", images, rate=25, container="dv")
    info = probe(path)
    assert info.fps == 25
    assert (info.width, info.height) == (768, 576), "pixels of 16:15"
    assert [f.time_s for f in read_frames(path)] == pytest.approx(np.arange(10) / 25)


def test_large_pictures_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    path = encode(tmp_path / "a.mp4", images=numbered(2))
    monkeypatch.setattr(limits, "MAX_PIXELS", 128 * 64 - 1)
    with pytest.raises(PrmlError, match=r"128 x 64 pixels large; at most"):
        probe(path)
    monkeypatch.setattr(limits, "MAX_PIXELS", 128 * 64)
    assert probe(path).width == 128
    with pytest.raises(PrmlError, match="at most"):
        next(read_frames(path, size=(256, 64)))


def test_the_first_frame_is_all_that_a_probe_decodes(tmp_path, monkeypatch):
    path = encode(tmp_path / "a.mp4", bf=0)
    decoded = []

    class Counted:
        def __init__(self, packet):
            self._packet = packet

        def __getattr__(self, name):
            return getattr(self._packet, name)

        def decode(self):
            decoded.append(1)
            return self._packet.decode()

    from prml.media import read

    given = read.packets
    monkeypatch.setattr(read, "packets", lambda *a: map(Counted, given(*a)))
    probe(path)
    assert len(decoded) <= 2


def test_decoders_are_loaded_when_they_are_needed():
    """They take a tenth of a second to import, which ``prml lift --help`` does not need."""
    code = "import sys, prml.media.loop, prml.media.prefetch; print({'av', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
