"""AMC: the choice of a take's skeleton, the unit of its angles, bones that change length."""

import shutil

import numpy as np
import pytest

from fixtures import mocap_files as files
from prml.datasets.importing import import_all, import_files
from prml.datasets.inspect import bone_lengths
from prml.errors import PrmlError
from prml.io.asf_amc import find_asf, read_amc, read_asf


def _edited(path, change):
    path.write_text(change(path.read_text()))
    return path


def _longer(asf, factor):
    lines = [
        f"     length {float(line.split()[1]) * factor}"
        if line.strip().startswith("length") and "0.45" not in line
        else line
        for line in asf.read_text().splitlines()
    ]
    asf.write_text("\n".join(lines) + "\n")


def test_a_subject_whose_number_begins_alike_is_another_subject(tmp_path):
    (amc,) = files.write_asf_amc(tmp_path, subject="13")
    take = amc.rename(tmp_path / "131_01.amc")
    with pytest.raises(PrmlError, match=r"131_01\.amc: no skeleton; .*expected 131\.asf; found 13\.asf"):
        import_files(sorted(tmp_path.iterdir()))
    shutil.copy(tmp_path / "13.asf", tmp_path / "131.asf")
    assert find_asf(take).name == "131.asf"


@pytest.mark.parametrize(
    ("take", "skeletons", "chosen"),
    [
        ("13_01.amc", ["13.asf", "1.asf"], "13.asf"),
        ("HDM_bd_01-01_01_120.amc", ["HDM_bd.asf", "HDM_mm.asf"], "HDM_bd.asf"),
        ("walk.amc", ["skeleton.asf"], "skeleton.asf"),
        ("walk_01.amc", ["skeleton.asf"], "skeleton.asf"),
        ("S13.amc", ["s13.asf", "s1.asf"], "s13.asf"),
        ("takes/walk.amc", ["skeleton.asf"], "skeleton.asf"),
        ("131_01.amc", ["13.asf"], None),
        ("s131_01.amc", ["s13.asf"], None),
        ("walk.amc", ["anna.asf", "bert.asf"], None),
        ("walk.amc", [], None),
    ],
)
def test_a_skeleton_belongs_to_takes_whose_names_begin_with_its_own(tmp_path, take, skeletons, chosen):
    given = [tmp_path / name for name in skeletons]
    for path in (*given, tmp_path / take):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    if chosen:
        assert find_asf(tmp_path / take, given).name == chosen
    else:
        with pytest.raises(PrmlError, match="no skeleton"):
            find_asf(tmp_path / take, given)


def test_every_folder_has_its_own_skeleton(tmp_path):
    """Two subjects, two folders, the same names: each take gets the bones of its folder."""
    for subject in ("anna", "bert"):
        (amc,) = files.write_asf_amc(tmp_path / subject)
        amc.rename(tmp_path / subject / "walk.amc")
        (tmp_path / subject / "07.asf").rename(tmp_path / subject / "skeleton.asf")
    _longer(tmp_path / "bert" / "skeleton.asf", 1.25)
    clips = import_files(sorted(p for p in tmp_path.rglob("*.*")))
    assert [(c.name, c.subject, c.action) for c in clips] == [
        ("anna_walk", "anna", "walk"),
        ("bert_walk", "bert", "walk"),
    ]
    thighs = [float(np.median(bone_lengths(c.joints_m)["left thigh"])) for c in clips]
    np.testing.assert_allclose(thighs, [7.2 * 0.0254 / 0.45, 9.0 * 0.0254 / 0.45], atol=1e-6)


def _in_radians(text):
    rows = []
    for line in text.replace(":DEGREES", ":RADIANS").splitlines():
        words = line.split()
        at = 4 if words[0] == "root" else 1
        rows.append(" ".join([*words[:at], *(f"{np.radians(float(w)):.9f}" for w in words[at:])]))
    return "\n".join(rows) + "\n"


def test_a_take_says_the_unit_of_its_own_angles(tmp_path):
    (amc,) = files.write_asf_amc(tmp_path)
    skeleton = read_asf(tmp_path / "07.asf")
    expected = read_amc(amc, skeleton).points
    made = read_amc(_edited(amc, _in_radians), skeleton).points
    for name, points in expected.items():
        np.testing.assert_allclose(made[name], points, atol=1e-5)
    silent = read_amc(_edited(amc, lambda t: t.replace(":RADIANS\n", "")), skeleton).points
    assert np.abs(silent["head"] - expected["head"]).max() > 1, "without a word the skeleton's unit (degrees) counts"


def test_a_degree_of_freedom_l_lengthens_the_bone(tmp_path):
    (amc,) = files.write_asf_amc(tmp_path)
    expected = read_amc(amc, read_asf(tmp_path / "07.asf"))
    _edited(tmp_path / "07.asf", lambda t: t.replace("dof ry rz\n", "dof ry rz l\n"))
    stretched = lambda t, by: "\n".join(  # noqa: E731
        f"{line} {by}" if "clavicle" in line else line for line in t.splitlines()
    )
    whole = amc.read_text()
    amc.write_text(stretched(whole, 0))
    same = read_amc(amc, read_asf(tmp_path / "07.asf"))
    np.testing.assert_allclose(same.points["lwrist"], expected.points["lwrist"], atol=1e-9)
    amc.write_text(stretched(whole, 0.5))
    longer = read_amc(amc, read_asf(tmp_path / "07.asf"))
    length = np.linalg.norm(longer.points["lclavicle"] - longer.points["thorax"], axis=-1)
    np.testing.assert_allclose(length, 3.6 + 0.5, atol=1e-6)


def test_other_degrees_of_freedom_are_refused_by_name(tmp_path):
    (amc,) = files.write_asf_amc(tmp_path)
    _edited(tmp_path / "07.asf", lambda t: t.replace("dof ry rz\n", "dof ry rq\n"))
    with pytest.raises(PrmlError, match=r"lclavicle has the degree of freedom 'RQ'"):
        import_files([amc])


def test_a_take_may_state_its_rate(tmp_path):
    (amc,) = files.write_asf_amc(tmp_path, frames=121)
    _edited(amc, lambda t: t.replace(":DEGREES", ":DEGREES\n:SAMPLES-PER-SECOND 60"))
    (clip,) = import_all([amc]).clips
    assert len(clip.joints_m) == 2 * 50 + 1
