#!/usr/bin/env bash
# A stream's "average rate" is not the average of its frames, and may be absurd.
#
# Guess:   av.VideoStream.average_rate (FFmpeg's avg_frame_rate) is the number of frames by the duration, or is missing.
# Seen:    it is 30 for a WebM whose 20 frames come at 10 per second on average: the rate that its writer was told. It is
#          60000 for a raw DV file of 25 per second: the ticks of the clock. guessed_rate is 30 and 25.
# Matters: speeds and window lengths computed from it are three times off, or the file is refused. prml keeps the times
#          of the frames, states the mean of those, and takes the guessed rate where the average cannot be
#          (media/read.py, filters/resample.py).
#
# Needs python3, its venv module and the package registry. Not part of CI.
set -euo pipefail

version=18.1.0
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check "av==$version" "numpy==2.4.6"

cat >"$work/look.py" <<'PYTHON'
"""Write a WebM of uneven times and a raw DV file; print the rates; fail if the average rates are averages."""
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write(path, codec, size, rate, ticks, container):
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number, tick in enumerate(ticks):
            image = np.full((size[1], size[0], 3), 60 + 5 * (number % 30), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def rates(path):
    with av.open(str(path)) as given:
        stream = given.streams.video[0]
        average, guessed = stream.average_rate, stream.guessed_rate
        times = [f.time for f in given.decode(video=0)]
    mean = (len(times) - 1) / (times[-1] - times[0])
    print(f"{path.name}: average_rate {average}, guessed_rate {guessed}, mean of {len(times)} times {mean:.2f}")
    return float(average), mean


folder = Path(sys.argv[1])
print("PyAV", av.__version__, "| FFmpeg", av.ffmpeg_version_info)
uneven = [3 * n - n % 2 for n in range(20)]  # in thirtieths of a second: steps of 2 and 4
write(folder / "uneven.webm", "libvpx", (128, 64), 30, uneven, "webm")
write(folder / "raw.dv", "dvvideo", (720, 576), 25, range(20), "dv")
(webm, webm_mean), (dv, dv_mean) = rates(folder / "uneven.webm"), rates(folder / "raw.dv")
sys.exit(not (webm > 2.5 * webm_mean and dv > 1000 * dv_mean))
PYTHON

if "$work/venv/bin/python" "$work/look.py" "$work" 2>/dev/null; then
    echo "as described: the average rates are not averages"
else
    echo "changed: the average rates of WebM and raw DV are averages now, or cannot be read"
    exit 1
fi
