"""Frames and times from files that lack times, are out of order, cut, joined or damaged."""

import numpy as np
import pytest

from fixtures.videos import FPS, encode, number_of, numbered, remux, zeroed
from prml.errors import PrmlError
from prml.media.read import probe, read_frames

EVEN = np.arange(60) / FPS


def read(path, **options):
    """Times, frame numbers, warnings."""
    said = []
    frames = [(f.time_s, number_of(f.image)) for f in read_frames(path, on_warning=said.append, **options)]
    assert all("\n" not in line and path.name in line for line in said)
    return np.array([t for t, _ in frames]), [n for _, n in frames], said


@pytest.mark.parametrize(
    ("name", "codec", "states"),
    [("a.h264", "libx264", 30), ("a.hevc", "libx265", 30), ("a.m2v", "mpeg2video", 30), ("a.mjpeg", "mjpeg", 25)],
)
def test_raw_streams_take_the_rate_that_they_state_and_say_so(tmp_path, name, codec, states):
    path = encode(tmp_path / name, codec)
    info = probe(path)
    assert (info.fps, info.timed) == (states, False)
    times, numbers, (said,) = read(path)
    assert times == pytest.approx(np.arange(60) / states)
    assert numbers == list(range(60))
    assert "stores no times" in said
    assert "fps=" in said
    times, _, said = read(path, fps=50.0)
    assert times == pytest.approx(np.arange(60) / 50)
    assert said == []


@pytest.mark.parametrize(("codec", "options"), [("libx264", {"bf": 3}), ("mpeg4", {"bf": 2}), ("libx264", {"bf": 0})])
def test_avi_has_even_times_whatever_the_order_of_decoding(tmp_path, codec, options):
    path = encode(tmp_path / "a.avi", codec, **options)
    copy = remux(path, tmp_path / "copy.mkv")  # counts in milliseconds
    for file, tolerance in ((path, 1e-9), (copy, 1e-3)):
        times, numbers, said = read(file)
        assert times == pytest.approx(EVEN, abs=tolerance)
        assert numbers == list(range(60))
        assert said == []


def test_times_count_from_the_start(tmp_path):
    base = encode(tmp_path / "base.mp4")
    late = remux(base, tmp_path / "late.mkv", shift_s=7.0)
    wrapped = remux(base, tmp_path / "wrapped.ts", shift_s=2**33 / 90_000 - 3.4, mpegts_copyts="1")
    assert probe(wrapped).duration_s == pytest.approx(2)
    for path in (base, late, wrapped):
        times, numbers, said = read(path)
        assert times == pytest.approx(EVEN, abs=1e-3)
        assert numbers == list(range(60))
        assert said == []


def test_joined_transport_streams_go_on_evenly(tmp_path):
    one = encode(tmp_path / "one.ts", g=15)
    later = remux(one, tmp_path / "later.ts", shift_s=50.0)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(later.read_bytes() + one.read_bytes())
    times, numbers, said = read(joined)
    assert numbers == [*range(60), *range(60)]
    assert times == pytest.approx(np.arange(120) / FPS)
    assert said == []


def test_a_stream_that_is_cut_begins_with_its_first_whole_picture(tmp_path):
    whole = encode(tmp_path / "whole.ts", g=15).read_bytes()
    path = tmp_path / "cut.ts"
    path.write_bytes(whole[188 * (len(whole) // 188 // 4) :])
    times, numbers, _ = read(path)
    assert numbers == list(range(numbers[0], 60))
    assert numbers[0] % 15 == 0
    assert np.diff(times) == pytest.approx(1 / FPS)


CODECS = [
    ("libx264", "mp4", {}),
    ("libx265", "mp4", {}),
    ("mpeg4", "mp4", {}),
    ("libvpx", "webm", {}),
    ("libvpx-vp9", "webm", {}),
    ("mjpeg", "avi", {}),
    ("libx264", "avi", {"bf": 2}),
]


@pytest.mark.parametrize(("codec", "container", "options"), CODECS)
@pytest.mark.parametrize("lost", [(20,), (1,), (0,), (0, 1)])
def test_decoding_goes_on_past_damage(tmp_path, codec, container, options, lost):
    whole = encode(tmp_path / f"whole.{container}", codec, **options)
    path = zeroed(whole, tmp_path / f"damaged.{container}", lost)
    if 0 in lost and (codec.startswith("libvpx") or (container == "avi" and codec == "libx264")):
        with pytest.raises(PrmlError, match=r"read|decoded"):  # all that follows refers to the lost picture
            read(path)
        return
    times, numbers, (said,) = read(path)
    assert len(times) >= 57
    assert times[-1] == pytest.approx(59 / FPS, abs=1e-3)
    assert times[0] <= len(lost) / FPS + 1e-3
    assert f"{60 - len(times)} of 60 frames cannot be decoded" in said
    clean = [n == round(t * FPS) for t, n in zip(times, numbers, strict=True)][: min(lost)]
    assert all(clean), "what comes before the damage is whole"


def test_damage_ends_at_the_next_key_frame(tmp_path):
    for codec, container in (("libx264", "mp4"), ("libvpx-vp9", "webm")):
        whole = encode(tmp_path / f"whole.{container}", codec, g=30, bf=0)
        path = zeroed(whole, tmp_path / f"damaged.{container}", (0,))
        times, numbers, _ = read(path)
        after = times >= 1 - 1e-3
        assert [round(t * FPS) for t in times[after]] == [n for n, a in zip(numbers, after, strict=True) if a]
        assert after.sum() == 30


def test_an_edit_list_is_not_an_end_that_came_early(tmp_path):
    """FFmpeg leaves out frames before zero with an edit list, but counts them."""
    base = encode(tmp_path / "base.mp4", bf=0)
    path = remux(base, tmp_path / "cut.mp4", shift_s=-1.0, avoid_negative_ts="disabled")
    info = probe(path)
    times, numbers, said = read(path)
    assert info.frames == len(times) == 30
    assert numbers == list(range(30, 60))
    assert times == pytest.approx(EVEN[:30])
    assert said == []


def test_a_pause_is_kept(tmp_path):
    ticks = [*range(0, 1000, 40), *range(580_000, 581_000, 40)]
    path = encode(tmp_path / "pause.mp4", images=numbered(50), ticks=ticks)
    times, numbers, said = read(path)
    assert times == pytest.approx(np.array(ticks) / 1000, abs=1e-3)
    assert numbers == list(range(50))
    assert said == []


def test_an_hour_between_frames_is_no_reason_to_refuse(tmp_path):
    path = encode(tmp_path / "hour.mp4", images=numbered(6), ticks=[0, 40, 80, 3_600_000, 3_600_040, 3_600_080])
    assert 20 <= probe(path).fps <= 30
    assert len(read(path)[0]) == 6
