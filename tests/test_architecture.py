"""A room imports only rooms above it in the table of docs/architecture.md."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "prml"
ROOMS = re.findall(r"^\| `(\w+)(?:\.py|/)` \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)


def _room(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _imported(tree):
    """Rooms that a module imports, at its top or inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "prml":
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("prml."))


def test_every_room_is_in_the_table():
    there = {_room(path) for path in SOURCE.rglob("*.py")} - {"__init__"}
    assert there == set(ROOMS)


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_upwards_only(path):
    room = _room(path)
    if room == "__init__":
        return
    above = set(ROOMS[: ROOMS.index(room) + 1])
    known = set(_imported(ast.parse(path.read_text()))) & set(ROOMS)
    assert known <= above, f"{room} may not import {sorted(known - above)}"


@pytest.mark.parametrize("path", sorted((SOURCE / "networks").rglob("*.py")), ids=lambda p: p.stem)
def test_networks_are_tensors_only(path):
    """No files, no detector, no image library, no choice of device."""
    text = path.read_text()
    imported = {name.split(".")[0] for name in re.findall(r"^\s*(?:from|import) ([\w.]+)", text, re.MULTILINE)}
    assert not imported & {"pathlib", "os", "io", "json", "av", "PIL", "cv2", "mediapipe", "lightning"}
    assert ".cuda(" not in text
