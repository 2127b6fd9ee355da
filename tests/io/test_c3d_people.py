"""C3D: several people in one file, duplicate labels, axes stated in the file."""

import warnings

import numpy as np
import pytest

from fixtures import mocap_files as files
from fixtures.motion import clips
from prml.datasets.importing import import_all, import_files
from prml.errors import PrmlError
from prml.io.axes import AXES
from prml.io.c3d import read_c3d
from prml.io.joint_map import joint_map
from prml.io.markers import NEEDED, WANDS, plug_in_gait
from prml.io.motion import turn_z_up
from prml.skeleton import H36M17

pytest.importorskip("ezc3d")


@pytest.fixture(scope="module")
def body():
    (clip,) = clips(1, 82)
    return clip


@pytest.fixture
def good(tmp_path, body):
    files.write_c3d(tmp_path / "good.c3d", files.gait_markers(body), prefix="")
    (clip,) = import_files([tmp_path / "good.c3d"], fps=100.0)
    assert clip.findings == ()
    return clip.joints_m


def _two(body, second):
    anna = {f"Anna:{name}": xyz for name, xyz in files.gait_markers(body).items()}
    return anna | {f"Bert:{name}": xyz for name, xyz in second.items()}


def test_two_people_are_two_clips(tmp_path, body, good):
    other = np.flip(body, 0) * 1.1 + [1.5, 0, 0]
    files.write_c3d(tmp_path / "two.c3d", _two(body, files.gait_markers(other)), prefix="")
    files.write_c3d(tmp_path / "bert.c3d", files.gait_markers(other))
    anna, bert = import_files([tmp_path / "two.c3d"], fps=100.0)
    (alone,) = import_files([tmp_path / "bert.c3d"], fps=100.0)
    assert [(c.name, c.subject) for c in (anna, bert)] == [("two:Anna", "Anna"), ("two:Bert", "Bert")]
    np.testing.assert_allclose(anna.joints_m, good, atol=1e-6)
    np.testing.assert_allclose(bert.joints_m, alone.joints_m, atol=1e-6)


def test_a_second_person_who_is_never_seen_is_said(tmp_path, body, good):
    unseen = {name: np.full_like(xyz, np.nan) for name, xyz in files.gait_markers(body).items()}
    files.write_c3d(tmp_path / "two.c3d", _two(body, unseen), prefix="")
    made = import_all([tmp_path / "two.c3d"], joint_map("plug_in_gait"))
    (clip,) = made.clips
    assert clip.name == "two:Anna"
    (finding,) = made.findings
    assert finding.where == "two:Bert"


def test_a_second_person_without_all_markers_is_named(tmp_path, body):
    """The limbs of two people never end up in one body."""
    lacking = files.gait_markers(body + [1.5, 0, 0])
    del lacking["LKNE"]
    files.write_c3d(tmp_path / "two.c3d", _two(body, lacking), prefix="")
    made = import_all([tmp_path / "two.c3d"])
    assert len(made.clips) == 1
    assert [f.text for f in made.findings] == ["Bert lacks LKNE and is left out"]
    both = {name: xyz for name, xyz in _two(body, lacking).items() if name != "Anna:C7"}
    files.write_c3d(tmp_path / "two.c3d", both, prefix="")
    with pytest.raises(PrmlError, match=r"fits none of 2 people: Anna lacks C7; Bert lacks LKNE"):
        import_files([tmp_path / "two.c3d"], joint_map("plug_in_gait"))


def test_an_empty_marker_under_a_label_that_occurs_twice_is_passed_over(tmp_path, body, good):
    markers = files.gait_markers(body)
    unseen = np.full_like(markers["LKNE"], np.nan)
    for first in (False, True):
        extra = {"again LKNE": unseen, "again C7": unseen}
        points = extra | markers if first else markers | extra
        labels = [name.removeprefix("again ") for name in points]
        files.write_c3d(tmp_path / "twice.c3d", points, labels=labels)
        assert read_c3d(tmp_path / "twice.c3d").duplicates == frozenset()
        (clip,) = import_files([tmp_path / "twice.c3d"], fps=100.0)
        np.testing.assert_allclose(clip.joints_m, good, atol=1e-6)


def test_a_label_that_two_seen_markers_carry_is_refused(tmp_path, body):
    markers = files.gait_markers(body)
    labels = [*markers, "LKNE"]
    files.write_c3d(tmp_path / "twice.c3d", markers | {"other": markers["LKNE"] + 0.1}, labels=labels)
    with pytest.raises(PrmlError, match=r"several points are called 'LKNE'"):
        import_files([tmp_path / "twice.c3d"])


# ---------------------------------------------------------------------------------- axes
@pytest.mark.parametrize("up", AXES)
def test_the_stated_axes_are_turned(tmp_path, body, good, up):
    """Markers rotated so that ``up`` is up and the screen's right stays +x are restored."""
    right = next(axis for axis in ("x", "y") if axis != up[-1])
    R = turn_z_up(up, right)
    turned = {name: xyz @ R for name, xyz in files.gait_markers(body).items()}  # the inverse: R.T for columns
    files.write_c3d(tmp_path / "up.c3d", turned, screen=(f"+{right.upper()}", up.upper() if up[0] == "-" else f"+{up}"))
    motion = read_c3d(tmp_path / "up.c3d")
    assert (motion.up, motion.right) == (up, right)
    (clip,) = import_files([tmp_path / "up.c3d"], fps=100.0)
    assert clip.findings == ()
    np.testing.assert_allclose(clip.joints_m, good, atol=1e-5)


@pytest.mark.parametrize("up", AXES)
def test_turning_is_a_rotation_that_lifts_the_axis(up):
    for right in (None, *AXES):
        R = turn_z_up(up, right)
        np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-15)
        assert np.linalg.det(R) == pytest.approx(1)
        sign = -1 if up[0] == "-" else 1
        np.testing.assert_array_equal(R @ (sign * np.eye(3)["xyz".index(up[-1])]), [0, 0, 1])


@pytest.mark.parametrize("up", ["y", "x", "-z"])
def test_where_nothing_is_stated_the_clip_is_left_out_until_the_axis_is_given(tmp_path, body, good, up):
    turned = {name: xyz @ turn_z_up(up) for name, xyz in files.gait_markers(body).items()}
    files.write_c3d(tmp_path / "a.c3d", turned)
    (clip,) = import_files([tmp_path / "a.c3d"], fps=100.0)
    (error,) = [f for f in clip.findings if f.level == "error"]
    assert f"pass up='{up}'" in error.text
    (clip,) = import_files([tmp_path / "a.c3d"], fps=100.0, up=up)
    assert clip.findings == ()
    np.testing.assert_allclose(clip.joints_m, good, atol=1e-5)


# ---------------------------------------------------------------------------------- wands that are absent
def test_a_hinge_without_its_wand_is_found_in_the_plane_of_the_limb(body):
    """With markers on the true joint axes of an arm and a leg, centres are recovered within a millimetre."""
    markers = {name: xyz[:40].copy() for name, xyz in files.gait_markers(body).items()}
    centres = plug_in_gait(markers)
    bend = np.linspace(np.radians(25), np.radians(110), 40)[:, None]
    for s, sign in (("L", 1.0), ("R", -1.0)):
        pelvis_left = markers["LASI"] - markers["RASI"]
        axis = sign * pelvis_left / np.linalg.norm(pelvis_left, axis=-1, keepdims=True)  # to the lateral side
        for top, joint, marker, half, lengths, way in (
            ("SJC", "EJC", "ELB", 0.042, (0.29, 0.25), 1.0),
            ("HJC", "KJC", "KNE", 0.058, (0.42, 0.42), -1.0),
        ):
            down = np.cross(axis, np.broadcast_to([1.0, 0.0, 0.3], axis.shape))
            down /= np.linalg.norm(down, axis=-1, keepdims=True)
            down *= np.where(down[:, 2:] > 0, -1, 1)
            front = np.cross(sign * axis, -down)  # left x up
            centre = centres[s + top] + lengths[0] * down
            end = centre + lengths[1] * (np.cos(bend) * down + way * np.sin(bend) * front)
            markers[s + marker] = centre + half * axis
            if joint == "EJC":
                markers[s + "WRA"] = markers[s + "WRB"] = end
            else:
                markers[s + "ANK"] = end
            bare = {name: xyz for name, xyz in markers.items() if name not in WANDS}
            found = plug_in_gait(bare)[s + joint]
            assert np.linalg.norm(found - centre, axis=-1).max() < 0.001, (s, joint)


@pytest.mark.parametrize("absent", [("LUPA", "RUPA"), WANDS])
def test_gait_markers_without_wands_are_imported(tmp_path, body, good, absent):
    markers = {name: xyz for name, xyz in files.gait_markers(body).items() if name not in absent}
    files.write_c3d(tmp_path / "bare.c3d", markers)
    made = import_all([tmp_path / "bare.c3d"])
    assert set(made.maps.values()) == {"plug_in_gait"}
    (clip,) = import_files([tmp_path / "bare.c3d"], fps=100.0)
    assert not [f for f in clip.findings if f.level == "error"]
    elbows = [H36M17.index(s + "Elbow") for s in "LR"]
    apart = np.linalg.norm(clip.joints_m - good, axis=-1)
    assert apart[:, elbows].max() < 2 * 0.042, "the centre lies somewhere on the circle round the marker"
    assert set(NEEDED).isdisjoint(WANDS)


def test_markers_in_one_place_give_no_centres_and_no_warning():
    """As ezc3d reads a file that was cut off."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = plug_in_gait({name: np.zeros((3, 3)) for name in (*NEEDED, *WANDS)})
    assert np.isnan(found["LHJC"]).all()
    np.testing.assert_array_equal(found["NECK"], np.zeros((3, 3)))
