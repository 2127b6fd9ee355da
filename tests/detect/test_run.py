"""Detection from end to end on the example clip, with the bundled model."""

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fixtures.videos import encode
from prml.detect.mediapipe import MediaPipeDetector, model_path
from prml.detect.native import quiet_stderr
from prml.detect.people import extent
from prml.detect.run import detect
from prml.errors import PrmlError
from prml.media.read import probe, read_frames
from prml.media.write import VideoWriter
from prml.skeleton import BLAZEPOSE33, MEASURED13

CLIP = Path(__file__).parents[2] / "examples" / "jump.mp4"


@pytest.fixture(scope="module")
def found():
    seen = []
    return detect(CLIP, progress=lambda done, total: seen.append((done, total))), seen


def test_the_man_is_found_in_every_frame(found):
    sequence, progress = found
    info = probe(CLIP)
    assert len(sequence) == info.frames == len(progress)
    assert progress[-1] == (info.frames, info.frames)
    assert sequence.skeleton == BLAZEPOSE33
    assert sequence.has_person.all()
    assert sequence.detection.events == ()
    assert sequence.image_size == (info.width, info.height)
    points = sequence.keypoints_px
    assert ((points > -20) & (points < np.array([info.width, info.height]) + 20)).all()
    assert sequence.confidence.min() >= 0
    assert sequence.confidence.max() <= 1
    assert set(sequence.detection.stage_s) == {"choose", "wait_for_frames", "detect"}


def test_head_up_and_sides_right_while_he_faces_the_camera(found):
    """In the first 85 frames the person faces the camera, so their left stays on the right of the image."""
    body = found[0].to_skeleton(MEASURED13).keypoints_px[:85]
    index = MEASURED13.index
    assert (body[:, index("HeadCentre"), 1] < body[:, index("LShoulder"), 1]).all()
    assert (body[:, index("LHip"), 1] < body[:, index("LAnkle"), 1]).all()
    for joint in ("Shoulder", "Hip", "Knee", "Ankle"):
        right_way = body[:, index("L" + joint), 0] > body[:, index("R" + joint), 0]
        assert right_way.mean() > 0.96, joint


def test_a_small_person_among_much_else_is_found(tmp_path, found):
    """The same clip in one corner of a frame three times as wide, where the detector alone finds nobody."""
    info = probe(CLIP)
    wide = tmp_path / "wide.mp4"
    with VideoWriter(wide, 3 * info.width, 2 * info.height, info.fps) as writer:
        for frame in read_frames(CLIP):
            if frame.index >= 5:
                break
            canvas = np.full((2 * info.height, 3 * info.width, 3), 90, np.uint8)
            canvas[-info.height :, -info.width :] = frame.image
            writer.write(canvas, frame.time_s)
    with MediaPipeDetector() as detector:
        assert detector.search(next(read_frames(wide)).image) == []
    sequence = detect(wide)
    assert sequence.has_person.all()
    shift = np.array([2 * info.width, info.height])
    apart = np.linalg.norm(sequence.keypoints_px - shift - found[0].keypoints_px[:5], axis=-1)
    assert np.median(apart) < 0.03 * extent(found[0].keypoints_px[0])[1]


def test_the_rate_is_the_mean_of_the_times(tmp_path):
    images = [f.image for f in islice(read_frames(CLIP), 8)]
    ticks = [0, 100, 133, 233, 266, 400, 466, 533]
    path = encode(tmp_path / "uneven.webm", "libvpx", images, ticks=ticks)
    assert probe(path).fps == 30
    sequence = detect(path, model="lite")
    assert sequence.fps == pytest.approx(7 / 0.533, rel=1e-3)
    assert sequence.times_s == pytest.approx(np.array(ticks) / 1000, abs=1e-3)


def test_deep_grey_images_show_the_same_person(tmp_path):
    greys = [np.asarray(Image.fromarray(f.image).convert("L")) for f in islice(read_frames(CLIP), 3)]
    found = {}
    for name, scale in (("eight", np.uint8(1)), ("twelve", np.uint16(16)), ("sixteen", np.uint16(257))):
        (tmp_path / name).mkdir()
        for number, grey in enumerate(greys):
            Image.fromarray(grey * scale).save(tmp_path / name / f"{number}.png")
        found[name] = detect(tmp_path / name, model="lite").keypoints_px
    assert np.array_equal(found["sixteen"], found["eight"])
    assert np.abs(found["twelve"] - found["eight"]).mean() < 2


def test_a_video_without_people_gives_one_line(tmp_path):
    with VideoWriter(tmp_path / "empty.mp4", 320, 240, 30) as writer:
        for shade in range(10):
            writer.write(np.full((240, 320, 3), 20 * shade, np.uint8))
    with pytest.raises(PrmlError, match=r"no person was found in .*empty\.mp4"):
        detect(tmp_path / "empty.mp4")


def test_models_and_their_errors(tmp_path):
    assert model_path("full").is_file()
    assert model_path("lite").is_file()
    with pytest.raises(PrmlError, match="no detector model 'heavy'; expected full, lite or the path"):
        MediaPipeDetector("heavy")
    (tmp_path / "bad.task").write_bytes(b"not a model")
    with pytest.raises(PrmlError, match="cannot read the detector model") as caught:
        MediaPipeDetector(tmp_path / "bad.task")
    assert "\n" not in str(caught.value)


def test_a_closed_detector_says_so():
    detector = MediaPipeDetector("lite")
    detector.close()
    detector.close()
    with pytest.raises(PrmlError, match="closed"):
        detector(np.zeros((64, 64, 3), np.uint8), 0.0)


def test_native_chatter_stays_off_the_terminal(capfd):
    """MediaPipe logs when a graph is created, first runs, and first finds somebody."""
    with MediaPipeDetector("lite") as detector:
        frame = next(read_frames(CLIP)).image
        assert detector(np.zeros((48, 64, 3), np.uint8), 0.0) == detector.search(np.zeros((48, 64, 3), np.uint8)) == []
        assert detector(frame, 0.1)
        assert detector.search(frame)
    assert capfd.readouterr().err == ""
    with quiet_stderr() as caught:
        pass
    assert caught == [""]


def test_overlapping_quiet_times_put_the_terminal_back(capfd):
    """Two threads lift; the second starts before the first ends."""
    first, second = quiet_stderr(), quiet_stderr()
    a, b = first.__enter__(), None
    os.write(2, b"one")
    b = second.__enter__()
    os.write(2, b"two")
    first.__exit__(None, None, None)
    os.write(2, b"three")
    second.__exit__(None, None, None)
    os.write(2, b"on the terminal")
    assert (a, b) == (["onetwo"], ["twothree"])
    assert capfd.readouterr().err == "on the terminal"


@pytest.mark.parametrize("how", ["2>&-", ""])
def test_a_process_without_standard_error_has_nothing_to_divert(how):
    """As in a daemon; with ``""`` the descriptor is closed but Python still has its ``sys.stderr``."""
    code = "import os; from prml.detect.native import quiet_stderr as q"
    code += "" if how else "; os.close(2)"
    run = f'exec "$0" -c "{code}\nwith q() as caught: pass\nprint(caught)" {how}'
    done = subprocess.run(["sh", "-c", run, sys.executable], capture_output=True, text=True)
    assert done.stdout == "['']\n", done.stderr
