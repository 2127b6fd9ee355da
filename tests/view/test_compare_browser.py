"""Two results on one page, in a headless Chromium that cannot reach any host."""

import numpy as np
import pytest
from view_browser import CHROMIUM, DRIVER, Browser
from view_people import person, video

from prml.filters.pair import paired
from prml.view.page.compare import write_comparison
from prml.view.thumbnails import Thumbnails

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with chromedriver on this machine"),
]


@pytest.fixture(scope="module")
def pair():
    one = person(40)
    shift = np.zeros((40, 17, 3))
    shift[:, 13, 0] = 0.1
    shift[25, 13, 0] = 0.3
    return paired(one, one.with_(joints_m=one.joints_m + shift))


@pytest.fixture(scope="module")
def page(pair, tmp_path_factory):
    path = tmp_path_factory.mktemp("compare") / "two.html"
    write_comparison(pair, path, title="Two", names=["one", "other"], thumbnails=Thumbnails.of(video(pair.a)))
    with Browser(1366, 768) as browser:
        browser.open(path)
        yield browser
        assert [e for e in browser.console() if e["level"] == "SEVERE"] == []
        assert {url.split(":")[0] for url in browser.requests()} <= {"file", "data"}


def x_of(page):
    return page.run("return sceneView.figures.map((f) => f.placeInPicture(0, new THREE.Vector3()).x)")


def test_they_stand_side_by_side_and_share_a_place_when_overlaid(page):
    page.run("prmlViewer.reset(); prmlViewer.showView('orbit')")
    page.key("2")
    page.settle()
    page.settle()
    a, b = x_of(page)
    assert b - a > 0.5
    page.key("o")
    page.settle()
    a, b = x_of(page)
    assert abs(b - a) < 1e-6
    assert page.state()["apart"]["overlaid"]
    page.key("o")


def test_the_distance_is_that_of_the_frame_and_the_worst_frame_is_one_click_away(page, pair):
    page.run("prmlViewer.seek(3)")
    assert page.state()["apart"]["mean"] == pytest.approx(1000 * pair.mean_m[3], abs=0.1)
    page.run("document.querySelector('#worst button').click()")
    state = page.state()
    assert state["frame"] == 25
    assert state["apart"]["mean"] == pytest.approx(300 / 17, abs=0.1)
    assert "18 mm" in page.run("return document.getElementById('apart-now').textContent")


def test_a_row_of_the_map_chooses_its_joint_and_a_place_its_frame(page):
    page.run("document.getElementById('apart-map').scrollIntoView()")
    _, _, wide, tall = page.box("#apart-map")
    page.click_at("#apart-map", 66 + (wide - 66) * 0.5, 14 + (tall - 14) * 13.5 / 17)
    state = page.state()
    assert state["apart"]["joint"] == 13
    assert state["frame"] == pytest.approx(20, abs=1)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1366, 768)])
def test_nothing_is_wider_than_the_screen(page, width, height):
    page.emulate(width, height, mobile=width < 500)
    page.settle()
    assert page.run("return document.documentElement.scrollWidth") <= width
    page.emulate(1366, 768)
