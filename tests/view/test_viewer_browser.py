"""The viewer in a headless Chromium that cannot reach any host."""

import csv
import io
import json
import time

import numpy as np
import pytest
from PIL import Image
from view_browser import CHROMIUM, DRIVER, Browser
from view_people import person, video, walker

from prml.camera import Camera
from prml.filters.angles import BendAngles
from prml.filters.root import Placement
from prml.skeleton import H36M17, Skeleton
from prml.view.page.page import write_viewer
from prml.view.trust import RULES

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
    return browser, write_viewer(sequence, path, title="Test", video_frames=video(sequence))


@pytest.fixture
def page(opened):
    browser, path = opened
    if browser.run("return location.href") != path.as_uri():  # another test has opened its own
        browser.open(path)
    browser.run("prmlViewer.reset()")
    yield browser
    assert_quiet(browser)


def assert_quiet(page):
    """The console is empty, and only files and data inside the page are requested."""
    said = [e for e in page.console() if e["level"] in ("SEVERE", "WARNING")]
    assert [
        e for e in said if "GPU stall due to ReadPixels" not in e["message"]
    ] == []  # drawing without a card is slow
    assert {url.split(":")[0] for url in page.requests()} <= {"file", "data"}


def picture(page, selector):
    """RGB pixels of an element on the screen."""
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


def text_of(page, selector):
    return page.run("return document.querySelector(arguments[0]).textContent", selector)


def test_it_opens_on_the_camera_s_view_with_both_skeletons(page):
    assert page.state()["main"] == "camera"
    assert page.box("#image")[2] * page.box("#image")[3] > 2 * page.box("#scene")[2] * page.box("#scene")[3]
    legend = text_of(page, ".layers").replace("\xa0", " ")
    assert "2D detected" in legend
    assert "3D re-projected" in legend
    page.run("prmlViewer.seek(5)")
    both = picture(page, "#image")
    drawn = {}
    for hidden, shown in (("lifted", "detected"), ("detected", "lifted")):
        page.run(f"document.getElementById('{hidden}').click()")
        drawn[shown] = picture(page, "#image")
        page.run(f"document.getElementById('{hidden}').click()")
    np.testing.assert_array_equal(picture(page, "#image"), both)
    assert blue(drawn["lifted"]).sum() > 200
    assert blue(drawn["detected"]).sum() == 0  # white rings and dashes, whatever the side
    assert (drawn["detected"].min(-1) > 235).sum() > 20
    assert (drawn["lifted"].min(-1) > 235).sum() == 0


def test_a_switch_and_a_key_change_the_view(page):
    areas = {}
    for view in ("camera", "orbit"):
        page.run(f"document.querySelector('#switch [data-main={view}]').click()")
        assert page.state()["main"] == view
        areas[view] = [page.box(s)[2] * page.box(s)[3] for s in ("#image", "#scene")]
    assert areas["camera"][0] > areas["camera"][1]
    assert areas["orbit"][1] > areas["orbit"][0]
    page.key("v")
    assert page.state()["main"] == "camera"


def test_both_views_show_the_person_left_blue_right_orange(page):
    page.run("prmlViewer.seek(5)")
    page.key("2")  # from where the camera stood: the person faces us, its left is at our right
    wait_for(page, lambda s: abs(s["orbit"]["around"]) < 1e-3)
    for selector in ("#scene", "#image"):
        pixels = picture(page, selector)
        left, right = np.nonzero(blue(pixels))[1], np.nonzero(orange(pixels))[1]
        assert min(left.size, right.size) > 200
        assert left.mean() > pixels.shape[1] / 2 > right.mean()


def test_space_plays_and_pauses(page):
    page.key("space")
    assert page.state()["playing"]
    wait_for(page, lambda s: s["frame"] > 0)
    page.key("space")
    at = page.state()
    assert not at["playing"]
    page.settle()
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


@pytest.fixture
def held(page):
    """The page with a controlled animation clock: ``ticks(times)`` advances it, in milliseconds."""
    page.run(
        "window.realFrame = requestAnimationFrame; window.nextFrame = null;"
        "window.requestAnimationFrame = (f) => { window.nextFrame = f; };"
    )
    wait_for(page, lambda _: page.run("return Boolean(window.nextFrame)"))

    def ticks(times_ms):
        return page.run(
            "return arguments[0].map((t) => { nextFrame(t); return prmlViewer.state().time; })", list(times_ms)
        )

    yield ticks
    page.run("window.requestAnimationFrame = window.realFrame; requestAnimationFrame(window.nextFrame);")


@pytest.mark.parametrize("speed", [0.1, 0.25, 1, 2])
def test_the_time_shown_is_the_chosen_share_of_the_time_that_passes(page, held, speed):
    page.run("prmlViewer.setSpeed(arguments[0]); prmlViewer.play()", speed)
    times_ms = 5000 + np.cumsum([0, *np.random.default_rng(0).uniform(2, 90, 12)])  # a slow machine leaves frames out
    shown = held(times_ms)
    passed = (times_ms - times_ms[0]) / 1000 * speed
    frames = np.floor(
        passed * 25 + 1e-6
    )  # the sequence has 25 frames a second, and a frame stays until the next begins
    np.testing.assert_allclose(shown, frames / 25, atol=1e-9)


def test_it_starts_again_at_the_end(page, held):
    page.run("prmlViewer.seek(58); prmlViewer.play()")
    assert np.round(np.array(held([7000, 7041, 7081, 7121, 7161])) * 25).tolist() == [58, 59, 0, 1, 2]


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
    page.run("prmlViewer.showView('orbit')")
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


def test_saved_pictures_and_numbers_are_those_of_the_page(page, tmp_path):
    page.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.run("prmlViewer.seek(5)")
    for view in ("camera", "orbit"):
        page.run("prmlViewer.showView(arguments[0]); document.getElementById('save-picture').click()", view)
        image = np.asarray(Image.open(downloaded(page, tmp_path, f"Test_{view}_00005.png")).convert("RGB")).astype(int)
        assert min(blue(image).sum(), orange(image).sum()) > 200
        if view == "camera":
            assert image.shape == (900, 1600, 3)
    for kind in ("json", "csv"):
        page.run(f"document.getElementById('save-{kind}').click()")
    sequence = person(60, gap=[20, 21, 22], filled=[30, 31])
    angles = BendAngles.of(sequence)
    record = json.loads(downloaded(page, tmp_path, "Test_poses.json").read_text("utf-8"))
    assert record["joints"] == list(sequence.skeleton.joints)
    assert [f["frame"] for f in record["frames"]] == list(range(60))
    assert [f["frame"] for f in record["frames"] if f["joints_m"] is None] == [20, 21, 22]
    assert [f["frame"] for f in record["frames"] if f["has_person"] and not f["measured"]] == [30, 31]
    frame = record["frames"][7]
    np.testing.assert_allclose(frame["joints_m"], sequence.joints_m[7], atol=0.0003)
    np.testing.assert_allclose(frame["std_m"], sequence.std_m[7], atol=0.001)
    np.testing.assert_allclose(frame["keypoints_px"], sequence.keypoints_px[7], atol=0.04)
    np.testing.assert_allclose(frame["angles_deg"], angles.degrees[7], atol=0.011)
    np.testing.assert_allclose(frame["angles_std_deg"], angles.std_deg[7], atol=0.26)
    assert frame["angles_reliable"] == [True] * 8
    assert record["frames"][30]["angles_reliable"] == [False] * 8
    rows = list(csv.DictReader(downloaded(page, tmp_path, "Test_poses.csv").read_text("utf-8").splitlines()))
    assert [float(row["time_s"]) for row in rows] == pytest.approx(sequence.times_s)
    assert float(rows[7]["LWrist_y_m"]) == pytest.approx(sequence.joints_m[7, 13, 1], abs=0.0003)
    assert float(rows[7]["left_knee_deg"]) == pytest.approx(frame["angles_deg"][6])
    assert rows[20]["LWrist_y_m"] == rows[20]["left_knee_deg"] == ""


def downloaded(page, folder, name):
    """The path of a file that the page offered, once it is complete."""
    wait_for(page, lambda _: (folder / name).is_file())
    return folder / name


def test_angles_carry_their_uncertainty_and_are_grey_where_they_cannot_be_relied_on(page):
    angles = BendAngles.of(person(60, gap=[20, 21, 22], filled=[30, 31]))
    rows = "document.querySelectorAll('#angles tbody td:not(:first-child)')"
    cells = f"return [...{rows}].map((c) => [c.textContent, c.className])"
    page.run("prmlViewer.seek(7)")
    wanted = [f"{d:.0f} ± {s:.0f}" for d, s in zip(angles.degrees[7], np.round(angles.std_deg[7] * 2) / 2, strict=True)]
    shown = page.run(cells)
    assert [len(shown), {c for _, c in shown}] == [8, {""}]
    for (text, _), value in zip(shown, wanted, strict=True):
        assert [float(part) for part in text.split("±")] == pytest.approx([float(p) for p in value.split("±")], abs=1)
    page.run("prmlViewer.seek(30)")
    assert {c for _, c in page.run(cells)} == {"grey"}
    page.run("prmlViewer.seek(21)")
    assert {t for t, _ in page.run(cells)} == {"–"}
    assert "standard deviation" in text_of(page, "#angles-note")


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
    page.run("prmlViewer.showView('orbit'); prmlViewer.seek(5)")
    page.key("2")
    wait_for(page, lambda s: abs(s["orbit"]["around"]) < 1e-3)
    pixels = picture(page, "#scene")
    rows, cols = np.nonzero(blue(pixels))
    tip = cols.argmax()  # the left hand reaches furthest to our right
    page.click_at("#scene", cols[tip] - 4, rows[tip])
    assert "LWrist" in page.run("return document.getElementById('tip').textContent")


PARTS = ("#angles", "#facts", "#clock", "#image", "#scene")
TARGETS = """
return [...document.querySelectorAll("button, select, #timeline")].filter((e) => e.offsetParent).map((e) => {
  e.scrollIntoView({ block: "nearest" });
  const b = e.getBoundingClientRect(), top = document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2);
  return [e.id || e.textContent, b.x, b.y, b.right, b.bottom, e.contains(top)];
});"""


def on_the_screen(page, selector, width, height):
    """Whether an element can be scrolled into full view without being covered."""
    page.run("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", selector)
    x, y, wide, tall = page.box(selector)
    assert min(x, y) >= 0
    assert wide > 20
    assert x + wide <= width + 0.5
    assert y + min(tall, 40) <= height + 0.5
    there = (
        "const [selector, x, y] = arguments;"
        "return document.querySelector(selector).contains(document.elementFromPoint(x, y));"
    )
    assert page.run(there, selector, x + wide / 2, y + tall / 2)


@pytest.mark.parametrize(
    ("width", "height", "mobile", "dark"),
    [
        (390, 844, True, True),
        (844, 390, True, False),
        (1366, 768, False, True),
        (820, 1180, True, True),
    ],
)
@pytest.mark.parametrize("view", ["camera", "orbit"])
def test_everything_is_within_reach_of_a_finger_and_nothing_is_blank(page, width, height, mobile, dark, view):
    page.emulate(width, height, mobile=mobile, dark=dark)
    try:
        page.run("prmlViewer.seek(8); prmlViewer.showView(arguments[0])", view)
        wait_for(page, lambda s: s["theme"] == ("dark" if dark else "light"))
        page.settle()
        targets = page.run(TARGETS)
        assert {"play", "timeline", "speed", "save-picture", "save-csv", "uncertainty", "help"} <= {
            t[0] for t in targets
        }
        for name, left, top, right, bottom, free in targets:
            assert min(left, top, width - right, height - bottom) >= -0.5, name
            assert min(right - left, bottom - top) >= 39.5, name
            assert free, f"{name} is covered"
        main = {"camera": "#image", "orbit": "#scene"}[view]
        for selector in PARTS:
            if page.box(selector)[2] or selector not in ("#image", "#scene"):
                on_the_screen(page, selector, width, height)
        page.run("document.documentElement.scrollTop = 0")
        assert blue(picture(page, main)).sum() > 40
        assert page.run("return document.documentElement.scrollWidth") <= width
    finally:
        page.emulate(960, 640)
        page.settle()


def test_angles_and_facts_are_in_view_on_a_laptop(page):
    page.emulate(1366, 768)
    try:
        page.settle()
        for selector in ("#angles", "#facts dl"):
            _, y, _, tall = page.box(selector)
            assert y + tall <= page.box("footer")[1]
    finally:
        page.emulate(960, 640)


# What follows opens pages of its own: last, because opening the first one again takes longest.
def test_the_page_projects_as_the_library_does_through_a_distorting_lens(browser, tmp_path):
    sequence = person(12, 1280, 720, gap=[4])
    camera = Camera(1280, 720, 900, 910, 630, 370, radial=(-0.12, 0.03, 0.001), tangential=(0.002, -0.004))
    seen = sequence.with_(camera=camera, keypoints_px=camera.project(sequence.joints_m + [0.4, 0.1, 3.5]))
    browser.open(write_viewer(seen, tmp_path / "v.html", title="Lens"))
    wanted = Placement.of(seen).project(seen.joints_m)
    for frame in (0, 7):
        browser.run("prmlViewer.seek(arguments[0])", frame)
        np.testing.assert_allclose(browser.state()["reprojected"], wanted[frame], atol=0.3)
    browser.run("prmlViewer.seek(4)")
    assert browser.state()["reprojected"] == [None] * 17
    assert_quiet(browser)


@pytest.fixture
def doubtful(browser, tmp_path):
    """A page with a joint that was not found, a frame that is mostly inferred and one that is implausible."""
    sequence = person(40)
    confidence, joints = sequence.confidence.copy(), sequence.joints_m.copy()
    confidence[5, 13], confidence[10] = 0, 0  # the left wrist
    joints[20] *= 1.7
    sequence = sequence.with_(confidence=confidence, joints_m=joints, times_s=np.arange(40.0))
    browser.open(write_viewer(sequence, tmp_path / "v.html", title="Doubtful"))
    yield browser
    assert_quiet(browser)


def colour(pixels):
    """The amounts of blue and orange."""
    return np.maximum(np.abs(pixels[..., 0] - pixels[..., 2]) - 30, 0).sum()


def test_what_was_not_measured_is_faint_grey_and_named(doubtful):
    page = doubtful
    page.run("document.getElementById('detected').click(); document.getElementById('badge').style.opacity = 0")
    grey = "return [...document.querySelectorAll('#angles td')].filter((c) => c.className === 'grey').length"
    ink = {}
    for frame in (4, 5, 10, 20):
        page.run("prmlViewer.seek(arguments[0])", frame)
        ink[frame] = [colour(picture(page, s)) for s in ("#image", "#scene")]
        ink[frame] += [page.state()["figure"]["faint"], page.run(grey), text_of(page, "#badge")]
    assert ink[4][2:] == [0, 0, ""]
    assert ink[5][2:] == [1, 1, ""]  # the left elbow's bend needs the wrist
    assert ink[10][2:4] == [17, 8]
    assert "inferred" in ink[10][4]
    assert ink[20][2:] == [0, 8, "Implausible pose"]
    for view in (0, 1):
        assert ink[10][view] < 0.6 * ink[4][view]
        assert ink[10][view] < ink[5][view] < ink[4][view]


def test_implausible_frames_are_marked_on_the_timeline_and_their_rule_is_on_the_page(doubtful):
    doubtful.run("prmlViewer.seek(0)")
    strip = picture(doubtful, "#timeline")
    alarm = (strip[..., 0] > 200) & (strip[..., 1] < 130) & (strip[..., 2] > 110)
    columns = np.flatnonzero(alarm.any(0)) / strip.shape[1] * 40
    assert (columns.min(), columns.max()) == (pytest.approx(20, abs=0.5), pytest.approx(21, abs=0.5))
    facts = text_of(doubtful, "#facts")
    assert "Implausible1 frame" in facts
    assert dict(RULES)["Implausible"] in facts
    assert dict(RULES)["Implausible"] in text_of(doubtful, "#keys")


def test_no_name_can_run_a_script(browser, tmp_path):
    markup = "<img src=x onerror='window.ran = 1'><script>window.ran = 1</script>\udcff\x00"
    plain = person(5).with_(subject=markup, action=markup, source=markup)
    joints = [markup if name == "LWrist" else name for name in plain.skeleton.joints]
    skeleton = Skeleton("named", tuple(joints), *(getattr(plain.skeleton, n) for n in ("parents", "left", "right")))
    browser.open(write_viewer(plain.with_(skeleton=skeleton), tmp_path / "v.html", title=markup))
    browser.run("prmlViewer.showView('orbit')")
    browser.key("2")
    wait_for(browser, lambda s: abs(s["orbit"]["around"]) < 1e-3)
    rows, cols = np.nonzero(blue(picture(browser, "#scene")))
    browser.click_at("#scene", cols.max() - 4, rows[cols.argmax()])
    assert "<script>" in text_of(browser, "#tip")
    assert "<script>" in text_of(browser, "h1")
    assert browser.run("return window.ran") is None
    assert browser.run("return document.querySelectorAll('img').length") == 0
    injected = "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
    browser.run(injected)
    assert browser.run("return window.ran") is None  # the page's policy allows its own scripts only
    assert [e["source"] for e in browser.console() if e["level"] == "SEVERE"] == ["security"]
    assert_quiet(browser)


@pytest.mark.parametrize(
    ("width", "height", "mobile", "share"), [(390, 844, True, 0.65), (1366, 768, False, 0.65), (844, 390, True, 0.6)]
)
def test_an_upright_video_is_shown_large(browser, tmp_path, make_person, width, height, mobile, share):
    browser.emulate(width, height, mobile=mobile)
    try:
        browser.open(write_viewer(make_person(10, 360, 640, std=False), tmp_path / "v.html", title="Upright"))
        browser.settle()
        _, y, wide, tall = browser.box("#image")
        assert min(tall, wide * 640 / 360) > share * height
        assert y + tall <= height
        assert browser.run("return document.getElementById('uncertainty').disabled")
    finally:
        browser.emulate(960, 640)
    assert_quiet(browser)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A page with a motion."""
    motion = walker(40)
    motion = motion.with_(std_m=np.full(motion.joints_m.shape, 0.03) * [1, 1, 2])
    return write_viewer(motion, tmp_path_factory.mktemp("room") / "v.html", title="Room", video_frames=video(motion))


@pytest.fixture
def in_room(browser, room):
    browser.open(room)
    yield browser
    assert_quiet(browser)


def test_a_motion_is_a_mannequin_in_a_room(in_room):
    motion = walker(40)
    texts = "return [...document.querySelectorAll('#switch button')].filter((b) => !b.hidden).map((b) => b.textContent)"
    assert in_room.run(texts) == ["Camera", "World", "Turntable"]
    assert in_room.run("return document.getElementById('feet').hidden")
    in_room.run("prmlViewer.showView('orbit'); prmlViewer.seek(3)")
    state = in_room.state()
    assert state["figure"]["mannequin"]
    assert state["figure"]["standing"] == motion.contacts[3].sum() == 2
    np.testing.assert_allclose(state["reprojected"], motion.keypoints_px[3], atol=0.5)
    bodies = picture(in_room, "#scene")
    assert min(blue(bodies).sum(), orange(bodies).sum()) > 500
    in_room.run("document.getElementById('uncertainty').click()")
    assert not in_room.state()["figure"]["mannequin"]  # joints, which the ellipsoids are around
    sticks = picture(in_room, "#scene")
    assert (np.abs(sticks - bodies).max(-1) > 12).sum() > 500
    in_room.run("prmlViewer.seek(9)")
    assert in_room.state()["figure"]["standing"] == 0


def test_the_world_stands_still_and_the_turntable_goes_round_the_person(in_room):
    in_room.run("prmlViewer.showView('orbit')")
    ends = []
    for frame in (0, 39):
        in_room.run("prmlViewer.seek(arguments[0])", frame)
        pixels = picture(in_room, "#scene")
        ends.append(np.nonzero(orange(pixels))[1].mean() / pixels.shape[1])
        assert min(blue(pixels).sum(), orange(pixels).sum()) > 300
    assert abs(ends[1] - ends[0]) > 0.03
    still = in_room.state()["orbit"]
    in_room.key("v")
    assert in_room.state()["main"] == "turntable"
    first = in_room.state()["orbit"]
    wait_for(in_room, lambda s: abs(s["orbit"]["around"] - first["around"]) > 0.1)
    assert first["distance"] < still["distance"]  # it need not show the whole path
    turned = in_room.state()
    in_room.run("prmlViewer.seek(0)")
    in_room.settle()
    assert in_room.state()["orbit"]["distance"] == pytest.approx(turned["orbit"]["distance"], rel=1e-3)
    in_room.key("v")
    assert in_room.state()["main"] == "camera"


@pytest.mark.parametrize(("width", "height", "mobile"), [(390, 844, True), (844, 390, True)])
def test_a_motion_s_views_are_within_reach_of_a_finger(in_room, width, height, mobile):
    in_room.emulate(width, height, mobile=mobile)
    try:
        in_room.settle()
        for name, left, _, right, _, free in in_room.run(TARGETS):
            assert left >= -0.5, name
            assert right <= width + 0.5, name
            assert right - left >= 39.5, name
            assert free, f"{name} is covered"
        for view in ("orbit", "turntable"):
            in_room.run("prmlViewer.showView(arguments[0]); prmlViewer.seek(8)", view)
            in_room.run("document.documentElement.scrollTop = 0")
            assert blue(picture(in_room, "#scene")).sum() > 40
    finally:
        in_room.emulate(960, 640)


@pytest.mark.parametrize("frames", [1, 12])
def test_a_motion_without_contacts_or_with_a_gap_opens_quietly(browser, tmp_path, frames):
    motion = walker(frames, H36M17)
    joints, there = motion.joints_m.copy(), np.ones(frames, bool)
    there[1:4] = False
    joints[~there] = np.nan
    motion = motion.with_(joints_m=joints, has_person=there, contacts=np.zeros((frames, 4), bool))
    browser.open(write_viewer(motion, tmp_path / "v.html", title="Gap"))
    browser.run("prmlViewer.showView('turntable')")
    assert blue(picture(browser, "#scene")).sum() > 200
    if frames > 1:
        browser.run("prmlViewer.seek(2)")
        assert blue(picture(browser, "#scene")).sum() == 0
    assert_quiet(browser)


def test_an_angle_is_drawn_as_a_curve_when_chosen_and_leads_to_its_frames(in_room):
    assert in_room.run("return document.getElementById('curve-plot').hidden")
    choose = (
        "const s = document.getElementById('curve'), name = arguments[0];"
        "s.value = [...s.options].find((o) => o.textContent === name).value; s.dispatchEvent(new Event('change'));"
    )
    in_room.run(choose, "Knee flexion")
    in_room.run("document.getElementById('curve-plot').scrollIntoView()")
    plot = picture(in_room, "#curve-plot")
    assert min(blue(plot).sum(), orange(plot).sum()) > 20  # both knees bend nearly alike
    in_room.drag("#curve-plot", (0.3, 0.5), (0.8, 0.5))
    assert in_room.state()["frame"] == pytest.approx(0.78 * 40, abs=2)
    in_room.run(choose, "Trunk flexion")
    assert blue(picture(in_room, "#curve-plot")).sum() == 0
    in_room.run(choose, "Curve\u2026")
    assert in_room.run("return document.getElementById('curve-plot').hidden")


def test_numbers_saved_of_a_motion_are_those_of_the_world(in_room, tmp_path):
    in_room.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    motion = walker(40)
    for kind in ("json", "csv"):
        in_room.run(f"document.getElementById('save-{kind}').click()")
    record = json.loads(downloaded(in_room, tmp_path, "Room_poses.json").read_text("utf-8"))
    assert record["contacts"] == ["LHeel", "LToe", "RHeel", "RToe"]
    assert [frame["contacts"] for frame in record["frames"]] == motion.contacts.tolist()
    np.testing.assert_allclose(record["frames"][7]["joints_m"], motion.joints_m[7], atol=0.0004)
    # the camera looks along +y: what it calls depth is y
    np.testing.assert_allclose(record["frames"][7]["std_m"], np.full((28, 3), 0.03) * [1, 2, 1], atol=0.0011)
    rows = list(csv.DictReader(downloaded(in_room, tmp_path, "Room_poses.csv").read_text("utf-8").splitlines()))
    assert [row["RToe_stands"] == "1" for row in rows] == motion.contacts[:, 3].tolist()


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
        page.key("v")
        assert "no WebGL" in text_of(page, "#no-webgl")
        assert page.box("#no-webgl")[2] > 100
        assert page.state()["main"] == "camera"
        assert page.run("return [...document.querySelectorAll('.views button')].every((b) => b.disabled)")
        assert page.state()["frame"] == 5
        assert blue(picture(page, "#image")).sum() > 40
        assert_quiet(page)


def test_several_people_are_drawn_and_a_click_chooses_whose_numbers_are_shown(browser, tmp_path):
    one = person(30)
    shift = one.camera.project(np.asarray(one.joints_m) + [1.5, 0, 4.5])
    other = one.with_(keypoints_px=shift, track_id=2)
    browser.open(write_viewer(one, tmp_path / "two.html", title="Two", video_frames=video(one), others=[other]))
    browser.run("prmlViewer.reset()")
    assert (browser.state()["people"], browser.state()["number"]) == (2, 1)
    drawn = browser.run(
        "return sceneView.figures.map((figure) => figure.placeInPicture(0, new THREE.Vector3()).toArray())"
    )
    assert drawn[1][0] - drawn[0][0] == pytest.approx(1.5, abs=0.15), "metres to the right of the first"
    click = """
    const [x, y] = data === people[0] ? people[1].keypoint(0, 7) : people[0].keypoint(0, 7), canvas = cameraView.canvas;
    const scale = Math.min(canvas.clientWidth / meta.image[0], canvas.clientHeight / meta.image[1]);
    const box = canvas.getBoundingClientRect();
    const left = (canvas.clientWidth - meta.image[0] * scale) / 2;
    const top = (canvas.clientHeight - meta.image[1] * scale) / 2;
    canvas.dispatchEvent(new MouseEvent("click", {
      clientX: box.left + left + x * scale, clientY: box.top + top + y * scale, bubbles: true }));
    """
    browser.run(click)
    assert browser.state()["number"] == 2
    pressed = "return [...document.querySelectorAll('#people button')].map((b) => b.getAttribute('aria-pressed'))"
    assert browser.run(pressed) == ["false", "true"]
    browser.run("prmlViewer.choose(1)")
    assert browser.state()["number"] == 1
    assert_quiet(browser)
