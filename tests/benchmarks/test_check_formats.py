"""The programs of our users read our files: Blender, three.js and the others that can be installed here."""

import json
import os
from collections import Counter

import check_formats as formats
import numpy as np
import pytest

from prml.io.registry import get_format


def test_every_format_is_read_by_a_tool_that_knows_its_suffix():
    for check in formats.CHECKS:
        assert (formats.HERE / check.program).is_file()
        for name in check.formats:
            assert get_format(name).write is not None
    read = {name for check in formats.CHECKS for name in check.formats}
    assert {"bvh", "bvh_mixamo", "bvh_rokoko", "bvh_lafan1", "glb", "vrma", "usd", "trc", "mot", "c3d"} <= read
    assert {"csv", "parquet", "holosoma", "openpose", "coco"} <= read


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"error_mm": 0.2, "fps": 50.0}, "right"),
        ({"error_mm": 1.2}, "1.2 mm off"),
        ({"error_mm": float("nan")}, "nan mm off"),
        ({"error_mm": None}, "None mm off"),
        ({"error_px": 0.001}, "right"),
        ({"error_px": float("inf")}, "inf pixels off"),
        ({"fps": 24}, "plays at 24 frames/s"),
        ({"errors": 2, "warnings": 0}, "2 errors"),
        ({"error": "no such file"}, "no such file"),
    ],
)
def test_verdicts(found, told):
    assert formats.verdict(found, 50) == told


def test_rows_of_tools_that_are_not_checked_are_kept(tmp_path):
    earlier = [{"tool": "a", "format": "x"}, {"tool": "a", "format": "y"}, {"tool": "b", "format": "x"}]
    (tmp_path / "f.json").write_text(json.dumps({"commit": "c1", "checks": earlier}))
    rest = formats.kept(tmp_path / "f.json", [{"tool": "a", "format": "x"}, {"tool": "b", "formats": ["x", "y"]}])
    assert rest == [{"commit": "c1", "tool": "a", "format": "y"}]
    assert formats.kept(tmp_path / "none.json", []) == []


ALL = os.environ.get("PRML_FORMAT_TOOLS") == "all"


@pytest.fixture(scope="module")
def tools():
    """The tools, installed once; a test of one that cannot be skips and says why."""
    made = formats.Tools(formats.default_folder())
    return made, list(made.install(light=not ALL))


@pytest.mark.slow
@pytest.mark.parametrize("check", formats.CHECKS, ids=lambda check: check.tool)
def test_the_tool_finds_the_joints_where_they_are(tools, check):
    if check.large and not ALL:
        pytest.skip(f"{check.tool} is large: PRML_FORMAT_TOOLS=all runs it, as benchmarks/check_formats.py does")
    installed, problems = tools
    if reason := installed.lacking(check):
        pytest.skip(f"{check.tool}: {reason} ({'; '.join(problems) or 'nothing to install it with'})")
    rows = list(formats.run(installed, {check.program.split(".")[0]}, 20, ("a gap", "two people")))
    wrong = [row for row in rows if row["verdict"] != "right"]
    assert not wrong
    assert Counter(row["format"] for row in rows).keys() == set(check.formats)
    assert all(np.isfinite(row.get("error_mm", 0)) for row in rows)
