"""``prml data import`` from the command line: what is written, what is said, and the exit code."""

import numpy as np
import pytest

from fixtures import mocap_files as files
from prml.cli import main
from prml.datasets.mocap import MocapSet


@pytest.fixture
def run(capsys):
    def run(*words):
        code = main(["data", "import", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_the_map_is_chosen_and_named(tmp_path, run):
    files.write_bvh(tmp_path / "a.bvh")
    code, said = run(tmp_path / "a.bvh", "--out", tmp_path / "o.npz")
    assert code == 0
    assert "map mixamo" in said
    assert len(MocapSet.read(tmp_path / "o.npz")) == 1


def test_a_folder_with_a_cut_file_gives_the_others_and_exit_code_1(tmp_path, run):
    files.write_asf_amc(tmp_path / "takes")
    files.write_bvh(tmp_path / "takes" / "a.bvh")
    text = (tmp_path / "takes" / "a.bvh").read_text()
    (tmp_path / "takes" / "cut.bvh").write_text(text[: len(text) // 2])
    code, said = run(tmp_path / "takes", "--out", tmp_path / "o.npz")
    assert code == 1
    assert "error: cut.bvh: " in said
    assert "2 of 2 clips" in said
    assert "1 of 3 files could not be read" in said
    assert set(MocapSet.read(tmp_path / "o.npz").source) == {"mixamo bvh", "cmu amc"}


def test_where_no_file_can_be_read_it_is_exit_code_2(tmp_path, run):
    (tmp_path / "cut.bvh").write_text("HIERARCHY")
    code, said = run(tmp_path / "cut.bvh", "--out", tmp_path / "o.npz")
    assert code == 2
    assert "cut.bvh: not a BVH file" in said
    assert not (tmp_path / "o.npz").exists()


def test_a_clip_with_errors_is_left_out_unless_it_is_kept(tmp_path, run):
    """Legs twice as long as they are."""
    files.write_bvh(tmp_path / "a.bvh")
    words = (tmp_path / "a.bvh", "--out", tmp_path / "o.npz", "--unit-m", 0.02, "--file-fps", 30)
    code, said = run(*words)
    assert code == 2
    assert "none of the 1 clips is usable" in said
    assert "--keep-doubtful" in said
    code, _ = run(*words, "--keep-doubtful", "true")
    assert code == 0


def test_up_takes_an_axis(tmp_path, run):
    files.write_bvh(tmp_path / "a.bvh")
    code, said = run(tmp_path / "a.bvh", "--out", tmp_path / "o.npz", "--up", "north")
    assert code == 2
    assert "--up: expected one of x, y, z, -x, -y, -z, got north" in said
    code, _ = run(tmp_path / "a.bvh", "--out", tmp_path / "o.npz", "--up", "y")
    assert code == 0
    assert np.all(np.diff(MocapSet.read(tmp_path / "o.npz").clip_start) > 0)
