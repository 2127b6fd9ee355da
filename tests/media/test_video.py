"""Reading and writing frames: upright, with true times, and a one-line error for anything else."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from fixtures.videos import corner_image
from prml.errors import PrmlError
from prml.media.prefetch import prefetch
from prml.media.read import probe, read_frames
from prml.media.write import VideoWriter


def quarter(image):
    """Which quarter is bright: (row, column)."""
    h, w = image.shape[0] // 2, image.shape[1] // 2
    means = [[image[r * h : (r + 1) * h, c * w : (c + 1) * w, 0].mean() for c in range(2)] for r in range(2)]
    return tuple(int(v) for v in np.unravel_index(np.argmax(means), (2, 2)))


def make_video(path, frames=12, fps=30, rotation=0, ticks=None, audio_only=False, aspect=None):
    with av.open(str(path), "w") as out:
        if audio_only:
            stream = out.add_stream("aac", rate=16000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 16000
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
            return path
        stream = out.add_stream("libx264", rate=fps, options={"crf": "12", "g": "6", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            if not hasattr(stream, "set_display_rotation"):
                pytest.skip("this PyAV reads rotations, but writes none")
            stream.set_display_rotation(rotation)
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(corner_image(), format="rgb24")
            frame.pts = round(1000 * index / fps) if ticks is None else ticks[index]
            frame.time_base = Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_probe_and_frames_agree(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    info = probe(path)
    frames = list(read_frames(path))
    assert (info.width, info.height, info.frames) == (64, 48, len(frames)) == (64, 48, 12)
    assert info.fps == pytest.approx(30, rel=0.02)
    assert [f.index for f in frames] == list(range(12))
    assert frames[3].image.shape == (48, 64, 3)
    assert quarter(frames[3].image) == (0, 0)
    red, green, _ = frames[3].image[4, 4]
    assert red > 200 > 100 > green, "channels are in the order red, green, blue"


@pytest.mark.parametrize(("rotation", "where"), [(90, (1, 0)), (180, (1, 1)), (-90, (0, 1))])
def test_phone_rotation_is_honoured(tmp_path, rotation, where):
    """A counter-clockwise turn by 90 degrees moves the top-left quarter to the bottom-left and swaps the sides."""
    path = make_video(tmp_path / "r.mp4", rotation=rotation)
    info = probe(path)
    frame = next(read_frames(path))
    assert quarter(frame.image) == where
    assert frame.image.shape == (info.height, info.width, 3)
    assert (info.width > info.height) == (rotation == 180)


@pytest.mark.parametrize(
    ("aspect", "rotation", "size"),
    [
        (Fraction(4, 3), 0, (85, 48)),
        (Fraction(16, 11), 90, (48, 93)),
        (Fraction(1, 2), 0, (32, 48)),
        (None, 0, (64, 48)),
    ],
)
def test_pixels_are_square(tmp_path, aspect, rotation, size):
    path = make_video(tmp_path / "s.mp4", aspect=aspect, rotation=rotation)
    info = probe(path)
    frame = next(read_frames(path))
    assert (info.width, info.height) == size
    assert frame.image.shape == (size[1], size[0], 3)
    assert quarter(frame.image) == ((1, 0) if rotation else (0, 0))


def test_a_given_rate_replaces_a_videos_times(tmp_path):
    said = []
    path = make_video(tmp_path / "slow.mkv")
    assert probe(path, fps=240).fps == 240
    times = [f.time_s for f in read_frames(path, fps=240, on_warning=said.append)]
    assert times == [n / 240 for n in range(12)]
    assert said == []
    path = make_video(tmp_path / "v.mp4", frames=4, ticks=[0, 33, 66, 200])
    assert [f.time_s for f in read_frames(path, fps=100, on_warning=said.append)] == [0, 0.01, 0.02, 0.03]
    assert "uneven; fps=100 replaced them by even ones" in said[0]
    with pytest.raises(PrmlError, match="fps must be between"):
        probe(path, fps=0)


def test_variable_frame_rate_keeps_true_times(tmp_path):
    ticks = [0, 33, 66, 200, 233, 500, 533, 566, 900, 1000]
    path = make_video(tmp_path / "v.mp4", frames=10, ticks=ticks)
    times = [f.time_s for f in read_frames(path)]
    assert np.allclose(times, np.array(ticks) / 1000, atol=0.002)


def test_scale_shrinks_both_sides(tmp_path):
    path = make_video(tmp_path / "s.mp4", rotation=90)
    assert next(read_frames(path, scale=0.5)).image.shape == (32, 24, 3)


def test_truncated_video_gives_what_decodes_then_warns(tmp_path):
    whole = make_video(tmp_path / "w.mp4", frames=60)
    with VideoWriter(tmp_path / "fast.mp4", 64, 48, 30) as writer:  # its index stands at the front
        rng = np.random.default_rng(0)
        for _ in range(60):
            writer.write(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    data = (tmp_path / "fast.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: int(0.6 * len(data))])
    warnings = []
    frames = list(read_frames(cut, on_warning=warnings.append))
    assert 5 < len(frames) < 60
    assert len(warnings) == 1
    assert "\n" not in warnings[0]
    assert "cut.mp4" in warnings[0]
    warnings.clear()
    assert len(list(read_frames(whole, on_warning=warnings.append))) == 60
    assert not warnings


def test_image_folder(tmp_path):
    for number in (1, 2, 10):
        image = corner_image()
        image[-1] = number
        Image.fromarray(image).save(tmp_path / f"frame{number}.png")
    frames = list(read_frames(tmp_path, fps=10))
    assert [int(f.image[-1, 0, 0]) for f in frames] == [1, 2, 10], "by number, not by letter"
    assert [f.time_s for f in frames] == [0.0, 0.1, 0.2]
    Image.fromarray(corner_image(32, 32)).save(tmp_path / "frame11.png")
    with pytest.raises(PrmlError, match=r"frame11.png is 32 x 32"):
        list(read_frames(tmp_path))


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "audio", "empty folder", "half an index"])
def test_what_is_not_a_video_gives_one_line(tmp_path, kind):
    path = tmp_path / "x.mp4"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("this is not a video\n" * 100)
    elif kind == "audio":
        path = make_video(tmp_path / "x.m4a", audio_only=True)
    elif kind == "empty folder":
        path.mkdir()
    elif kind == "half an index":
        data = make_video(tmp_path / "y.mp4").read_bytes()
        path.write_bytes(data[: len(data) // 2])
    with pytest.raises(PrmlError) as caught:
        list(read_frames(path))
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


@pytest.mark.parametrize("fps", [0, -5, float("nan"), 1e9, "thirty", True])
def test_absurd_rates_of_a_folder(tmp_path, fps):
    Image.fromarray(corner_image()).save(tmp_path / "0.png")
    with pytest.raises(PrmlError, match="fps must be between"):
        probe(tmp_path, fps=fps)


def test_prefetch_keeps_order_bounds_and_errors():
    made = []

    def source(fail_at=None):
        for i in range(50):
            made.append(i)
            if i == fail_at:
                raise PrmlError("broken")
            yield i

    assert list(prefetch(source(), 3)) == list(range(50))
    made.clear()
    ahead = prefetch(source(), 3)
    assert next(ahead) == 0
    ahead.close()
    assert len(made) <= 6, "made no more than it may in advance, and stopped when nobody asks"
    with pytest.raises(PrmlError, match="broken"):
        list(prefetch(source(fail_at=5)))


def test_size_enlarges_and_shrinks(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 64, 48, 25.0) as writer:
        writer.write(np.full((48, 64, 3), 120, np.uint8))
    for size in [(96, 72), (30, 20)]:
        (frame,) = read_frames(path, size=size)
        assert frame.image.shape == (size[1], size[0], 3)
        assert abs(float(frame.image.mean()) - 120) < 4
    with pytest.raises(PrmlError, match="at least 1 x 1"):
        next(read_frames(path, size=(0, 20)))
