#!/usr/bin/env bash
# The TRC files of two common programs are misread by two common readers, without a word.
#
# Guess:   a TRC file is a table: a tab at the end of a row, a missing blank line under the header and an empty cell for a
#          marker that was not seen make no difference.
# Seen:    pyomeca gives Y as X and Z as Y where rows of values end with a tab, and loses the first frame where no blank line follows
#          the header. trc-data-reader puts the next markers into the place of one whose cells are empty.
# Matters: there are files of all three kinds (Sports2D's have empty cells and no blank line). prml writes the one
#          form that these and OpenSim read alike, with NaN in gaps, and reads all of them (io/trc.py).
#
# Needs python3, its venv module and the package registry. Not part of CI.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check "pyomeca==2026.0.2" "trc-data-reader==0.4.1"

cat >"$work/look.py" <<'PYTHON'
"""Write two markers in three frames in four forms, and read them; fail if the forms read alike."""
import sys
from pathlib import Path

import numpy as np
from pyomeca import Markers
from trc import TRCData

WHERE = {"A": (1.0, 2.0, 3.0), "B": (4.0, 5.0, 6.0)}


def written(path, tab="", blank=True, lost=False):
    """A file; ``lost``: the cells of marker A are empty in the second frame."""
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        "100\t100\t3\t2\tm\t100\t1\t3",
        "Frame#\tTime\tA\t\t\tB\t\t",
        "\t\tX1\tY1\tZ1\tX2\tY2\tZ2",
        *([""] if blank else []),
    ]
    for frame in range(3):
        a = ["", "", ""] if lost and frame == 1 else WHERE["A"]
        lines.append("\t".join(map(str, [frame + 1, frame / 100, *a, *WHERE["B"]])) + tab)
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def by_pyomeca(path):
    points = np.asarray(Markers.from_trc(path, pandas_kwargs={"sep": "\t"}))
    return points[:3, 0, 0].tolist(), points.shape[-1]


folder = Path(sys.argv[1])
plain, tabs = by_pyomeca(written(folder / "a.trc")), by_pyomeca(written(folder / "b.trc", tab="\t"))
short = by_pyomeca(written(folder / "c.trc", blank=False))
reader = TRCData()
reader.load(written(folder / "d.trc", lost=True))
cells = reader[2][1]
print(f"pyomeca: marker A at {plain[0]}, {plain[1]} frames; with tabs at {tabs[0]}; without a blank line {short[1]} frames")
print(f"trc-data-reader: markers of a frame without A: {cells}")
right = plain == ([1, 2, 3], 3)
sys.exit(not (right and tabs[0] != plain[0] and short[1] == 2 and list(cells[0]) == [4, 5, 6]))
PYTHON

if "$work/venv/bin/python" "$work/look.py" "$work"; then
    echo "as described: tabs, a missing line and empty cells are misread"
else
    echo "changed: one of these forms is read rightly now, or refused"
    exit 1
fi
