import av
import numpy as np
import pytest

from prml.errors import PrmlError
from prml.view.overlay.compose import Composer, Layout
from prml.view.overlay.figure import BACKGROUND, FigurePanel, draw_keypoints
from prml.view.overlay.video import render_frame, write_overlay
from prml.view.raster import capsule, disc, shrink, text
from prml.view.stage import LEFT, RIGHT, Stage
from prml.view.thumbnails import Thumbnails


def decode(path):
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [float(f.pts * f.time_base) for f in frames], [f.to_ndarray(format="rgb24") for f in frames]


def like(image, colour, tolerance=40):
    """Pixels with a hue close to the colour."""
    scaled = image.astype(float)
    return np.abs(scaled - np.array(colour)).max(-1) < tolerance


def columns(mask):
    return np.flatnonzero(mask.any(0))


@pytest.mark.parametrize(("width", "height"), [(640, 360), (360, 640), (641, 363), (1920, 400)])
def test_every_frame_comes_out_at_its_time_with_even_sides(tmp_path, make_person, make_video, width, height):
    times = np.cumsum([0.5, 0.04, 0.04, 0.1, 0.033, 0.2, 0.04, 0.04])  # a phone's variable frame rate, not from zero
    sequence = make_person(8, width, height, times_s=times)
    seen = []
    info = write_overlay(make_video(sequence), sequence, tmp_path / "o.mp4", progress=seen.append)
    got, images = decode(info.path)
    assert len(got) == info.frames == 8
    assert seen == list(range(1, 9))
    np.testing.assert_allclose(np.array(got) - got[0], times - times[0], atol=1e-3)
    assert images[0].shape == (info.height, info.width, 3)
    assert info.height % 2 == info.width % 2 == 0
    assert info.height <= 720
    assert [p.name for p in tmp_path.iterdir()] == ["o.mp4"]


def test_the_video_keeps_its_shape_in_the_left_panel():
    for width, height in [(1768, 994), (1080, 1920), (4000, 600), (320, 240)]:
        layout = Layout.of(width, height)
        assert layout.video_width / layout.height == pytest.approx(width / height, rel=0.01)


def test_frames_that_were_scaled_beforehand_give_the_same_picture(make_person):
    sequence = make_person(width=1280, height=720)
    big = np.zeros((720, 1280, 3), np.uint8)
    big[200:500, 300:900] = (200, 60, 90)
    layout = Layout.of(1280, 720)
    small = shrink(big, layout.video_width, layout.height)
    np.testing.assert_array_equal(render_frame(sequence, 3, big), render_frame(sequence, 3, small))


def test_existing_files_stay_unless_overwriting_is_allowed(tmp_path, make_person, make_video):
    sequence, path = make_person(3), tmp_path / "o.mp4"
    path.write_bytes(b"precious")
    with pytest.raises(PrmlError, match="exists"):
        write_overlay(make_video(sequence), sequence, path)
    assert path.read_bytes() == b"precious"
    write_overlay(make_video(sequence), sequence, path, overwrite=True)
    assert len(decode(path)[0]) == 3


def test_more_frames_than_poses_is_an_error_and_leaves_nothing(tmp_path, make_person, make_video):
    with pytest.raises(PrmlError, match="lift the same video"):
        write_overlay(make_video(make_person(6)), make_person(4), tmp_path / "o.mp4")
    assert list(tmp_path.iterdir()) == []


def test_no_frames_is_an_error(tmp_path, make_person):
    with pytest.raises(PrmlError, match="at least one"):
        write_overlay(iter([]), make_person(4), tmp_path / "o.mp4")


def test_left_is_blue_and_right_is_orange_where_they_are(make_person):
    sequence = make_person(width=960, height=540)
    picture = render_frame(sequence, 0, np.full((540, 960, 3), 30, np.uint8), yaw_deg=0.0)
    for part in (
        picture[60:480, :960],
        picture[60:480, 960:],
    ):  # the person faces us: the left is at the picture's right
        blue, orange = columns(like(part, LEFT)), columns(like(part, RIGHT))
        assert blue.mean() > part.shape[1] / 2 > orange.mean()


def test_the_spectator_at_the_camera_sees_what_the_camera_sees(make_person):
    sequence = make_person()
    panel = FigurePanel(Stage.of(sequence), sequence.skeleton, 500, 500, yaw_deg=0.0, pitch_deg=0.0)
    pixels = panel.project(sequence.joints_m[0] @ panel.stage.R_view.T)[0]
    video = sequence.keypoints_px[0]
    for axis in (0, 1):
        assert np.corrcoef(pixels[:, axis], video[:, axis])[0, 1] > 0.99


def test_a_spectator_to_the_right_sees_the_near_side_turn_left(make_person):
    sequence = make_person()
    stage = Stage.of(sequence)
    front, right = (FigurePanel(stage, sequence.skeleton, 500, 500, yaw_deg=a) for a in (0.0, 40.0))
    nose = np.array([[0, 0.3, 0.4]])  # in front of the person, towards the camera
    assert right.project(nose)[0][0, 0] < front.project(nose)[0][0, 0]
    left_hand = np.array([[0.5, 0, 0]])
    assert right.project(left_hand)[1] > front.project(left_hand)[1]  # it came nearer


def test_the_figure_fits_into_its_panel(make_person):
    sequence = make_person()
    for size in ((540, 540), (300, 600), (800, 300)):
        for yaw in (0.0, 35.0, 90.0):
            panel = FigurePanel(Stage.of(sequence), sequence.skeleton, *size, yaw_deg=yaw)
            pixels = panel.project(sequence.joints_m @ panel.stage.R_view.T)[0]
            assert pixels.min() > 0
            assert (pixels < size).all()


def test_gaps_are_empty_and_say_so(make_person, make_video, tmp_path):
    sequence = make_person(6, gap=[2, 3], filled=[4])
    gap, there = render_frame(sequence, 2), render_frame(sequence, 0)
    figure = slice(gap.shape[1] - gap.shape[0], None)
    assert like(there[80:480, figure], LEFT).sum() > 300
    assert like(gap[80:480, figure], LEFT).sum() == 0
    assert gap[:80, : gap.shape[1] // 2].max() > 150  # the words
    assert write_overlay(make_video(sequence), sequence, tmp_path / "o.mp4").frames == 6


def test_filled_frames_are_fainter(make_person):
    sequence = make_person(6, filled=[3])
    image = np.full((360, 640, 3), 128, np.uint8)
    ink = [np.abs(render_frame(sequence, i, image)[100:500, :900].astype(int) - 128).sum() for i in (2, 3)]
    assert ink[1] < 0.7 * ink[0]


def test_nobody_anywhere_and_one_nan_joint_do_not_crash(make_person):
    sequence = make_person(4, gap=range(4))
    assert render_frame(sequence, 1).shape[2] == 3
    points = make_person().keypoints_px[0].copy()
    points[5] = np.nan
    image = np.zeros((360, 640, 3), np.uint8)
    draw_keypoints(image, sequence.skeleton, points)
    assert image.any()


def test_joints_far_outside_the_image_do_not_crash_or_write_elsewhere(make_person):
    sequence = make_person(2)
    sequence = sequence.with_(keypoints_px=sequence.keypoints_px + [5000, -3000])
    picture = render_frame(sequence, 0, np.full((360, 640, 3), 90, np.uint8))
    assert np.abs(picture[40:, :900].astype(int) - 90).max() <= 2  # but for the note that they were not seen


@pytest.mark.misfit
def test_what_cannot_be_drawn_is_refused(make_person):
    sequence = make_person(3)
    with pytest.raises(PrmlError, match="RGB image"):
        render_frame(sequence, 0, np.zeros((10, 10), np.uint8))
    with pytest.raises(PrmlError, match="outside the sequence"):
        render_frame(sequence, 3)
    with pytest.raises(PrmlError, match="height"):
        render_frame(sequence, 0, height=10)
    with pytest.raises(PrmlError, match="image="):
        render_frame(sequence.with_(camera=None), 0)


def test_a_sequence_without_2d_is_drawn_in_3d(make_person):
    sequence = make_person(3).with_(keypoints_px=None, confidence=None)
    assert like(Composer(sequence, Layout.of(640, 360))(0), LEFT).any()


def test_discs_and_flat_limbs_have_the_area_of_their_geometry():
    image = np.zeros((80, 120, 3), np.uint8)
    capsule(image, (30.0, 40.0), (90.0, 40.0), (9.0, 9.0), (200, 200, 200))
    assert image[..., 0].sum() / 200 == pytest.approx(60 * 18 + np.pi * 81, rel=0.01)
    image[:] = 0
    disc(image, (60.3, 40.6), 12.0, (200, 200, 200))
    assert image[..., 0].sum() / 200 == pytest.approx(np.pi * 144, rel=0.02)
    rows, cols = np.nonzero(image[..., 0])
    assert (cols.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((60.3, 40.6), abs=0.2)


def test_shapes_are_cut_at_the_edge_and_nan_draws_nothing():
    whole = np.zeros((60, 60, 3), np.uint8)
    disc(whole, (30.0, 30.0), 10.0, (250, 100, 50), outline=2.0, shading=0.5)
    part = np.zeros((60, 60, 3), np.uint8)[:30, :30]
    disc(part, (30.0, 30.0), 10.0, (250, 100, 50), outline=2.0, shading=0.5)
    np.testing.assert_array_equal(part, whole[:30, :30])
    nothing = np.zeros((60, 60, 3), np.uint8)
    for place in ((np.nan, 3.0), (-500.0, 9.0), (9.0, 900.0)):
        disc(nothing, place, 10.0, (250, 100, 50))
        capsule(nothing, place, place, (10.0, 10.0), (250, 100, 50))
    text(nothing, 500, 3, "outside", 12, (255, 255, 255))
    text(nothing, -500, -50, "outside", 12, (255, 255, 255))
    assert not nothing.any()


def test_the_room_is_dark_and_has_a_floor(make_person):
    panel = FigurePanel(Stage.of(make_person()), make_person().skeleton, 400, 400)
    room = panel.draw(None)
    assert tuple(room[2, 2]) == BACKGROUND
    assert (room[300:] != BACKGROUND).any()
    assert (room[:150] == BACKGROUND).all()


def test_thumbnails_stay_within_their_limit_and_evenly_spaced():
    thumbnails = Thumbnails(limit_bytes=60_000, side=160)
    rng = np.random.default_rng(0)
    for index in range(300):
        thumbnails.add(index, rng.integers(0, 255, (90, 160, 3), dtype=np.uint8))
    assert sum(map(len, thumbnails.pictures.values())) < 60_000
    assert list(thumbnails.pictures) == list(range(0, 300, thumbnails.every))
    assert len(thumbnails.pictures) >= 2


@pytest.mark.parametrize("line", ["0.00 s   frame 0", "599.97 s   frame 17999"])
def test_a_changing_line_looks_like_a_line(line):
    kept, changing = np.zeros((30, 260, 3), np.uint8), np.zeros((30, 260, 3), np.uint8)
    text(kept, 4, 4, line, 15, (255, 255, 255))
    text(changing, 4, 4, line, 15, (255, 255, 255), changing=True)
    wide = [np.flatnonzero(image.any((0, 2))) for image in (kept, changing)]
    assert abs(int(wide[0][-1]) - int(wide[1][-1])) <= 2  # letters stand on whole pixels
    assert changing.sum() == pytest.approx(kept.sum(), rel=0.1)
