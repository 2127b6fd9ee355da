#!/usr/bin/env bash
# ezc3d writes a point that is not known as a valid one, and loses frames beyond 65,535 without a word.
#
# Guess:   NaN in ezc3d's points becomes residual -1, C3D's mark of a point that is not known; a clip of 70,000 frames is
#          stored whole or refused.
# Seen:    the residual is 0, "valid". Of 70,000 frames, 65,535 come back, the same with python-c3d; nothing is said. The
#          frame numbers of the header have 16 bits.
# Matters: a gap becomes a place, and the end of a long clip is gone. prml writes C3D itself: 0, 0, 0 with residual -1, at
#          most 65,534 frames a file (io/c3d_write.py).
#
# Needs python3, its venv module and the package registry. Not part of CI.
set -euo pipefail

version=1.7.2
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check "ezc3d==$version" "numpy==2.4.6"

cat >"$work/look.py" <<'PYTHON'
"""Write a gap and a long clip, read them back; fail if the gap is marked or the clip is whole or refused."""
import sys
from pathlib import Path

import ezc3d
import numpy as np


def written(points, path):
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [100.0]
    file["parameters"]["POINT"]["LABELS"]["value"] = ["A"]
    file["data"]["points"] = points
    file.write(str(path))
    return ezc3d.c3d(str(path))["data"]


folder = Path(sys.argv[1])
points = np.ones((4, 1, 5))
points[:3, 0, 2] = np.nan
residual = written(points, folder / "gap.c3d")["meta_points"]["residuals"][0, 0, 2]
frames = written(np.ones((4, 1, 70_000)), folder / "long.c3d")["points"].shape[-1]
print(f"residual of a gap: {residual}; frames of 70000: {frames}")
sys.exit(not (residual == 0 and frames == 65_535))
PYTHON

if "$work/venv/bin/python" "$work/look.py" "$work"; then
    echo "as described: gaps look valid, frames are lost"
else
    echo "changed: a gap is marked now, or a long clip is whole or refused"
    exit 1
fi
