"""The viewer in a headless Chromium that can reach no host."""

import io
import time

import numpy as np
import pytest
from PIL import Image
from view_browser import CHROMIUM, DRIVER, Browser
from view_people import person, video

from prml.view.page.page import write_viewer

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no Chromium with chromedriver on this machine; CI installs both"
)


@pytest.fixture(scope="module")
def browser():
    with Browser(960, 640) as window:
        yield window


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    sequence = person(60, gap=[20, 21, 22], filled=[30, 31])
    path = tmp_path_factory.mktemp("viewer") / "v.html"
    browser.open(write_viewer(sequence, path, title="Test", video_frames=video(sequence)))
    return browser


@pytest.fixture
def page(opened):
    opened.run("prmlViewer.reset()")
    yield opened
    assert_quiet(opened)


def assert_quiet(page):
    """No complaint on the console, and no request but for files and data that the page itself carries."""
    assert [e for e in page.console() if e["level"] in ("SEVERE", "WARNING")] == []
    assert {url.split(":")[0] for url in page.requests()} <= {"file", "data"}


def picture(page, selector):
    """Pixels of one element as the screen shows them, RGB."""
    x, y, width, height = page.box(selector)
    shot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    return shot[round(y) : round(y + height), round(x) : round(x + width)].astype(int)


def blue(pixels):
    return (pixels[..., 2] - pixels[..., 0] > 60) & (pixels[..., 2] > 90)


def orange(pixels):
    return (pixels[..., 0] - pixels[..., 2] > 60) & (pixels[..., 0] > 90)


def wait_for(page, condition, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition(state := page.state()):
            return state
        time.sleep(0.05)
    raise AssertionError(f"did not happen within {seconds} s: {page.state()}")


def test_both_views_show_the_person_left_blue_right_orange(page):
    page.run("prmlViewer.seek(5)")
    page.key("2")  # from where the camera stood: the person faces us, its left is at our right
    wait_for(page, lambda s: abs(s["orbit"]["around"]) < 1e-3)
    for selector in ("#scene", "#image"):
        pixels = picture(page, selector)
        left, right = np.nonzero(blue(pixels))[1], np.nonzero(orange(pixels))[1]
        assert min(left.size, right.size) > 200
        assert left.mean() > pixels.shape[1] / 2 > right.mean()


def clocks(page):
    return page.run("return [performance.now() / 1000, prmlViewer.state().time]")


def test_space_plays_and_pauses(page):
    page.key("space")
    assert page.state()["playing"]
    wait_for(page, lambda s: s["frame"] > 0)
    page.key("space")
    at = page.state()
    assert not at["playing"]
    time.sleep(0.2)
    assert page.state()["frame"] == at["frame"]


def focus_loop_playing(page):
    state = page.state()
    return page.run("return document.activeElement.id"), state["loop"], state["playing"]


def test_space_presses_a_button_that_the_keyboard_has_reached(page):
    page.run("document.getElementById('speed').focus()")
    for key in ("tab", "right"):
        page.key(key)
    assert focus_loop_playing(page) == ("loop", True, False)
    page.key("space")
    assert focus_loop_playing(page) == ("loop", False, False)
    page.run("document.activeElement.blur()")


@pytest.mark.parametrize("first", ["space", "right"])
def test_space_plays_after_a_click_on_a_button(page, first):
    page.drag("#loop", (0.5, 0.5), (0.5, 0.5))
    page.key(first)
    if first != "space":
        page.key("space")
    assert focus_loop_playing(page) == ("", False, True)


@pytest.mark.parametrize("speed", [0.1, 0.25])
def test_time_never_runs_ahead_of_the_chosen_share_of_the_true_speed(page, speed):
    page.run("prmlViewer.setSpeed(arguments[0]); prmlViewer.play()", speed)
    wait_for(page, lambda s: s["frame"] > 0)
    start = clocks(page)
    time.sleep(1.5)
    end = clocks(page)
    share = (end[1] - start[1]) / (end[0] - start[0])
    assert 0 < share < speed + 0.08  # a frame lasts 40 ms; a busy machine may drop behind, but never run ahead


def test_it_stops_at_the_end_without_loop(page):
    page.key("l")
    page.run("prmlViewer.seek(50); prmlViewer.play()")
    state = wait_for(page, lambda s: not s["playing"])
    assert state["frame"] == 59


def test_keys_step_one_by_one(page):
    page.run("prmlViewer.seek(10)")
    steps = [("right", 11), ("right", 12), ("left", 11), ("end", 59), ("right", 59), ("home", 0), ("left", 0)]
    for key, frame in steps:
        page.key(key)
        assert page.state()["frame"] == frame


def test_scrubbing_follows_the_pointer(page):
    page.drag("#timeline", (0.1, 0.5), (0.75, 0.5))
    state = page.state()
    assert state["frame"] == pytest.approx(45, abs=1)
    assert not state["playing"]


def test_dragging_turns_the_view_and_a_preset_turns_it_back(page):
    page.key("1")
    before = wait_for(page, lambda s: s["view"] == "quarter")["orbit"]
    page.drag("#scene", (0.4, 0.6), (0.7, 0.65))
    after = page.state()
    assert abs(after["orbit"]["around"] - before["around"]) > 0.2
    assert after["view"] is None
    page.key("1")
    wait_for(page, lambda s: s["orbit"]["around"] == pytest.approx(before["around"], abs=1e-3))


def test_uncertainty_is_drawn_only_when_asked(page):
    page.run("prmlViewer.seek(5)")
    plain = picture(page, "#scene")
    page.run("document.getElementById('uncertainty').click()")
    assert page.state()["figure"]["uncertainty"]
    shown = picture(page, "#scene")
    assert (np.abs(shown - plain).max(-1) > 12).sum() > 500
    assert "standard deviations" in page.run("return document.getElementById('note').textContent")
    page.key("u")
    again = picture(page, "#scene")
    assert (np.abs(again - plain).max(-1) > 12).sum() < 50


def test_gaps_are_empty_and_named(page):
    page.run("prmlViewer.seek(21)")
    state = page.state()
    assert not state["person"]
    assert "No person" in page.run("return document.getElementById('badge').textContent")
    assert blue(picture(page, "#scene")).sum() == 0
    page.run("prmlViewer.seek(30)")
    assert page.state()["person"]
    assert "not measured" in page.run("return document.getElementById('badge').textContent")


def test_the_feet_stand_on_the_floor_only_when_asked_and_it_says_so(page):
    page.run("prmlViewer.seek(5)")
    assert page.state()["figure"]["lift"] == 0
    page.key("f")
    assert page.state()["figure"]["feet"]
    assert "not measured" in page.run("return document.getElementById('note').textContent")


def test_pointing_at_a_joint_names_it(page):
    page.run("prmlViewer.seek(5)")
    page.key("2")
    wait_for(page, lambda s: abs(s["orbit"]["around"]) < 1e-3)
    pixels = picture(page, "#scene")
    rows, cols = np.nonzero(blue(pixels))
    tip = cols.argmax()  # the left hand reaches furthest to our right
    page.click_at("#scene", cols[tip] - 4, rows[tip])
    assert "LWrist" in page.run("return document.getElementById('tip').textContent")


CONTROLS = ("#play", "#back", "#on", "#timeline", "#speed", "#loop", "#uncertainty", "#feet", "#clock", "#scene")


@pytest.mark.parametrize(
    ("width", "height", "mobile", "dark"), [(390, 844, True, True), (844, 390, True, False), (1280, 720, False, False)]
)
def test_every_control_is_on_the_screen_and_nothing_is_blank(page, width, height, mobile, dark):
    page.emulate(width, height, mobile=mobile, dark=dark)
    try:
        page.run("prmlViewer.seek(8)")
        wait_for(page, lambda s: s["theme"] == ("dark" if dark else "light"))
        for selector in CONTROLS:
            x, y, wide, tall = page.box(selector)
            assert min(x, y) >= 0
            assert x + wide <= width + 0.5
            assert y + tall <= height + 0.5
            assert wide > 20
        for selector in ("#scene", "#image"):
            assert blue(picture(page, selector)).sum() > 40
    finally:
        page.emulate(960, 640)


def test_an_upright_video_without_pictures_or_uncertainty(browser, tmp_path, make_person):
    sequence = make_person(10, 360, 640, std=False)
    browser.open(write_viewer(sequence, tmp_path / "v.html", title="Upright"))
    assert browser.run("return document.getElementById('uncertainty').disabled")
    assert browser.box("#image-panel")[2] < browser.box("#image-panel")[3]
    assert_quiet(browser)


def test_3d_alone(browser, tmp_path, make_person):
    sequence = make_person(10).with_(keypoints_px=None, confidence=None, camera=None)
    browser.open(write_viewer(sequence, tmp_path / "v.html", title="3D alone"))
    assert blue(picture(browser, "#scene")).sum() > 200
    assert_quiet(browser)


def test_without_webgl_it_says_so_and_the_rest_works(tmp_path, make_person, make_video):
    sequence = make_person(10)
    with Browser(960, 640, webgl=False) as page:
        page.open(write_viewer(sequence, tmp_path / "v.html", title="Flat", video_frames=make_video(sequence)))
        page.console()  # three.js complains there
        page.run("prmlViewer.seek(5)")
        page.run("document.getElementById('theme').click()")
        page.run("document.querySelector('.views button').click()")
        assert "no WebGL" in page.run("return document.getElementById('badge').textContent")
        assert page.run("return [...document.querySelectorAll('.views button')].every((b) => b.disabled)")
        assert page.state()["frame"] == 5
        assert blue(picture(page, "#image")).sum() > 40
        assert_quiet(page)
