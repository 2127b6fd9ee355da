#!/usr/bin/env bash
# bvhio gives a bone that is shorter than 0.0316 units the length 1.
#
# Guess:   an End Site of length zero, as LAFAN1 has them, is a point; a very short bone is very short.
# Seen:    the tip of a joint whose End Site is 0.03 units away lies 1 unit away; at 0.04 units it is right.
# Matters: in centimetres a tip is 1 cm off, in metres a metre. prml writes centimetres and ends of true length, and the
#          stub between hips and spine is 0.05 cm long (io/bvh.py, rig/rest.py).
#
# Needs python3, its venv module and the package registry. Not part of CI.
set -euo pipefail

version=1.5.4
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check "bvhio==$version"

cat >"$work/look.py" <<'PYTHON'
"""One joint with an End Site of several lengths; print where bvhio has its tip."""
import sys
from importlib.metadata import version
from pathlib import Path

import bvhio

TEXT = """HIERARCHY
ROOT Hips
{{
OFFSET 0 0 0
CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
End Site
{{
OFFSET 0 {} 0
}}
}}
MOTION
Frames: 1
Frame Time: 1
0 0 0 0 0 0
"""
path, lengths = Path(sys.argv[1]), {}
print("bvhio", version("bvhio"))
for given in (0, 0.03, 0.04, 0.5):
    path.write_text(TEXT.format(given))
    joint = bvhio.readAsBvh(str(path)).Root
    lengths[given] = (joint.getTip() - joint.Offset).y
    print(f"End Site at {given}: length {lengths[given]:.3f}")
sys.exit(not (lengths[0] == lengths[0.03] == 1 and abs(lengths[0.04] - 0.04) < 1e-6))
PYTHON

if "$work/venv/bin/python" "$work/look.py" "$work/x.bvh"; then
    echo "as described: bones under 0.0316 units become 1 unit long"
else
    echo "changed: short bones keep their length"
    exit 1
fi
