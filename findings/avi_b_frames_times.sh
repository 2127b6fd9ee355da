#!/usr/bin/env bash
# FFmpeg gives the frames of an AVI with B-frames presentation times that are in disorder.
#
# Guess:   AVI stores no presentation times, so a packet's pts is missing, or is what the decoder works out; frames that
#          come out in the order of display have times that increase.
# Seen:    every packet has a pts: its decoding time plus a constant. The frames come out in the right order, and carry
#          the times of the packets that they were decoded from: 1, 4, 3, 5, 2, ... Packets that are copied into another
#          container take the disorder along.
# Matters: "ffmpeg -c:v libx264 out.avi" makes such files. Steps of -3 to +6 frames make a jumble of a movement, and a
#          reader that drops frames whose time does not increase drops about half of them. prml gives each frame the
#          earliest time that is still waiting (media/decode.py).
#
# Needs python3, its venv module and the package registry. Not part of CI.
set -euo pipefail

version=18.1.0
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check "av==$version" "numpy==2.4.6"

cat >"$work/look.py" <<'PYTHON'
"""Write 60 pictures with B-frames into an AVI; print the times of packets and frames; fail if these are in order."""
import sys
from fractions import Fraction

import av
import numpy as np

path = sys.argv[1]
with av.open(path, "w") as out:
    stream = out.add_stream("libx264", rate=30, options={"bf": "3", "b_strategy": "0"})
    stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
    for number in range(60):
        image = np.full((64, 128, 3), 60, np.uint8)
        image[:, 2 * number : 2 * number + 2] = 250  # a bar that tells the number of the picture
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 30)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))

with av.open(path) as given:
    packets = [(p.pts, p.dts) for p in given.demux(video=0) if p.dts is not None]
with av.open(path) as given:
    frames = list(given.decode(video=0))
shown = [int(f.to_ndarray(format="rgb24")[..., 1].mean(axis=0).argmax()) // 2 for f in frames]
times = [f.pts for f in frames]
print("PyAV", av.__version__, "| FFmpeg", av.ffmpeg_version_info)
print("packets, pts - dts:", sorted({pts - dts for pts, dts in packets}))
print("frames, in the order of the decoder: pictures", shown[:9], "... times", times[:9], "...")
assert shown == list(range(60)), "the decoder's order is no longer that of display"
sys.exit(times == sorted(times))
PYTHON

if "$work/venv/bin/python" "$work/look.py" "$work/a.avi" 2>/dev/null; then
    echo "as described: the pictures come in order, their times do not"
else
    echo "changed: frames of an AVI with B-frames have times that increase, or cannot be read"
    exit 1
fi
