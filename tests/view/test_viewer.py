import re

import numpy as np
import pytest

from prml.errors import PrmlError
from prml.sequence import PoseSequence
from prml.view.page.page import facts, quantise, write_viewer
from prml.view.thumbnails import Thumbnails


def test_one_file_that_asks_for_nothing(tmp_path, make_person):
    path = write_viewer(make_person(), tmp_path / "v.html", title="A <b>man</b> & {{CSS}} </script>")
    page = path.read_text("utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["v.html"]
    assert "<b>man</b>" not in page
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)
    assert not re.search(r"@import|url\(\s*['\"]?https?:", page)
    assert "default-src 'none'" in page
    assert "SPDX-License-Identifier: MIT" in page  # three.js goes along with every page


def test_existing_files_stay_unless_overwriting_is_allowed(tmp_path, make_person):
    path = tmp_path / "v.html"
    path.write_text("precious")
    with pytest.raises(PrmlError, match="exists"):
        write_viewer(make_person(), path, title="t")
    assert path.read_text() == "precious"
    assert write_viewer(make_person(), path, title="t", overwrite=True).stat().st_size > 100_000


def test_what_cannot_be_shown_is_refused(tmp_path, make_person):
    with pytest.raises(PrmlError, match="3D joints"):
        write_viewer(make_person().with_(joints_m=None), tmp_path / "v.html", title="t")
    with pytest.raises(PrmlError, match="at least one frame"):
        write_viewer(PoseSequence.regular(0, 25, joints_m=np.zeros((0, 17, 3))), tmp_path / "v.html", title="t")
    assert list(tmp_path.iterdir()) == []


def test_eighteen_thousand_frames_with_pictures_stay_under_ten_megabytes(tmp_path, make_person):
    sequence = make_person(18_000)
    thumbnails = Thumbnails()
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (180, 320, 3), dtype=np.uint8)
    for index in range(3000):
        if thumbnails.wants(index):
            thumbnails.add(index, np.roll(noise, index, 1))
    path = write_viewer(sequence, tmp_path / "v.html", title="long", video_frames=thumbnails)
    assert path.stat().st_size < 10_000_000


def test_packing_is_within_half_a_unit_and_keeps_gaps(make_person):
    values = make_person(30, gap=[4]).joints_m
    packed, unit = quantise(values, 0.0005)
    assert unit == 0.0005
    assert (packed[4] == -32768).all()
    kept = np.isfinite(values)
    assert np.abs(packed[kept] * unit - values[kept]).max() <= unit / 2 + 1e-12
    far, coarser = quantise(np.array([100.0, -100.0, np.nan]), 0.0005)
    assert np.abs(far[:2] * coarser).tolist() == pytest.approx([100, 100])


def test_facts_count_what_is_there(make_person):
    lines = dict(facts(make_person(20, gap=[3, 4], filled=[9])))
    assert lines["Frames"].startswith("20 ")
    assert lines["Person measured"].startswith("17 ")
    assert lines["No person"] == "2 frames"
    assert lines["Filled in"] == "1 frames"
    assert lines["Median SD"] == "20 mm across, 60 mm in depth"


def test_a_variable_frame_rate_is_told_by_its_mean(make_person):
    times = [0, 0.1, 0.15, 0.4]
    assert dict(facts(make_person(4, times_s=times)))["Frame rate"] == "7.5 per second"
