#!/usr/bin/env bash
# A mirrored video is reported as one that is turned by 180 degrees.
#
# Guess:   PyAV's VideoFrame.rotation says how a frame is to be turned, and is 0 for a video whose display matrix only
#          mirrors it, left to right, as some front cameras write it.
# Seen:    it is -180 (FFmpeg's av_display_rotation_get takes the angle of one row of the matrix). Turned by that, people
#          stand on their heads; what players show is the mirrored picture. The matrix itself is in the side data.
# Matters: an upside-down person is found badly or not at all, without an error. prml reads the matrix and tells all
#          eight orientations apart (media/orientation.py).
#
# Needs python3, its venv module and the package registry. Not part of CI.
set -euo pipefail

version=18.1.0
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check "av==$version" "numpy==2.4.6"

cat >"$work/look.py" <<'PYTHON'
"""Write a video that is to be shown mirrored; print what is said of it; fail if the rotation is 0."""
import struct
import sys
from fractions import Fraction

import av
import numpy as np

path = sys.argv[1]
with av.open(path, "w") as out:
    stream = out.add_stream("libx264", rate=30)
    stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
    stream.set_display_rotation(0, hflip=True)
    frame = av.VideoFrame.from_ndarray(np.full((64, 128, 3), 90, np.uint8), format="rgb24")
    frame.pts, frame.time_base = 0, Fraction(1, 30)
    out.mux(stream.encode(frame))
    out.mux(stream.encode(None))

with av.open(path) as given:
    frame = next(given.decode(video=0))
a, b, _, c, d, *_ = struct.unpack("=9i", bytes(frame.side_data.get("DISPLAYMATRIX")))
print("PyAV", av.__version__, "| FFmpeg", av.ffmpeg_version_info)
print("matrix", [[a / 65536, b / 65536], [c / 65536, d / 65536]], "| rotation", frame.rotation)
assert (a, b, c, d) == (-65536, 0, 0, 65536), "the file does not hold a mirror"
sys.exit(abs(frame.rotation) != 180)
PYTHON

if "$work/venv/bin/python" "$work/look.py" "$work/a.mp4" 2>/dev/null; then
    echo "as described: a mirror is reported as a turn by 180 degrees"
else
    echo "changed: a mirror is no longer reported as a turn by 180 degrees, or cannot be read"
    exit 1
fi
