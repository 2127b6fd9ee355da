"""What must not be in the repository: machine paths, registry hosts, prints in the library, rooms without walls."""

import ast
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
BIGGEST = 12_000_000
# Written in pieces, so that this file does not hold what it looks for.
_HOME = "ho" + "me"
MACHINE_PATHS = re.compile(rf"(?<![\w.])/(?:work|farm|Users|{_HOME}|root|tmp/bash_jobs)/\w")
REGISTRY_HOSTS = re.compile(
    r"pypi\.(?:org|python)|files\.pythonhosted|download\.pytorch|conda\.anaconda|registry\.npmjs"
)


def _tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def _texts():
    for name in _tracked():
        data = (ROOT / name).read_bytes()
        if b"\0" not in data[:8192]:
            yield name, data.decode("utf-8", "replace")


def _modules():
    return sorted((ROOT / "src").rglob("*.py"))


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, REGISTRY_HOSTS], ids=["machine paths", "registry hosts"])
def test_no_text_names(pattern):
    found = [f"{name}: {hit.group()}" for name, text in _texts() for hit in pattern.finditer(text)]
    assert not [line for line in found if not line.startswith("tests/test_no_leaks.py")]


def test_no_file_is_too_big():
    sizes = {name: (ROOT / name).stat().st_size for name in _tracked()}
    assert not {name: size for name, size in sizes.items() if size > BIGGEST}


def test_all_files_together_are_small_enough():
    assert sum((ROOT / name).stat().st_size for name in _tracked()) < 56 * 2**20


def test_the_example_clip_is_small():
    assert (ROOT / "examples/jump.mp4").stat().st_size < 1_500_000


def test_the_non_commercial_set_stays_out():
    """Its joint map, a page of joint names, may stay; a data file states its content, whatever its name."""
    named = [Path(name) for name in _tracked() if "bandai" in name.lower()]
    assert not [path for path in named if path.parent.name != "joint_maps" or (ROOT / path).stat().st_size > 4096]
    for name in _tracked():
        if name.startswith("data/mocap/") and name.endswith(".npz"):
            with np.load(ROOT / name) as file:
                assert not file["noncommercial"], name


@pytest.mark.parametrize("path", _modules(), ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_library_manners(path):
    """No print, no bare except, no assert on what users give, no star import, at most 500 lines."""
    text = path.read_text()
    assert text.count("\n") <= 500
    for node in ast.walk(ast.parse(text)):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        assert not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"), where
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), where
        assert not isinstance(node, ast.Assert), where
        assert not (isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)), where
        assert not (isinstance(node, ast.ImportFrom) and node.module == "__future__"), where
