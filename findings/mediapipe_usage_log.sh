#!/usr/bin/env bash
# MediaPipe's package sends a log of its use, although its public source does not.
#
# Guess:   the released wheel is built with an HTTP logger (libcurl) where the public source has one that drops all
#          events. Each landmarker reports its start, a count of its calls once a minute, and its end.
# Seen:    closing a pose landmarker asks for play.googleapis.com:443. No option turns this off; a proxy that the
#          environment names is used, and one that libcurl does not know stops the request before any look-up.
# Matters: "no network at run time" is a promise of ours, closing waits for the look-up, and what is counted in a
#          private room leaves it. prml therefore holds a landmarker only while libcurl is refused (detect/native.py).
#
# Needs python3, its venv module and the package registry; the model file comes from this repository. Not part of CI.
#     findings/mediapipe_usage_log.sh [MODEL.task]
set -euo pipefail

version=1.2.3
expected="CONNECT play.googleapis.com:443"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
model="$(realpath "${1:-$here/../src/prml/detect/models/pose_landmarker_lite.task}")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check "mediapipe==$version"

cat >"$work/ask.py" <<'PYTHON'
"""Listen as a proxy that refuses, open and close a landmarker on an even grey picture, say what was asked for."""
import os, socket, sys, threading

listener = socket.create_server(("127.0.0.1", 0))
asked = []

def refuse():
    while True:
        connection, _ = listener.accept()
        asked.append(connection.recv(4096).decode(errors="replace").splitlines()[0])
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        connection.close()

threading.Thread(target=refuse, daemon=True).start()
for name in ("no_proxy", "NO_PROXY"):
    os.environ.pop(name, None)
os.environ["https_proxy"] = "http://127.0.0.1:%d" % listener.getsockname()[1]

import numpy as np
import mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision

options = vision.PoseLandmarkerOptions(base_options=BaseOptions(model_asset_path=sys.argv[1]))
landmarker = vision.PoseLandmarker.create_from_options(options)
found = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.full((256, 256, 3), 127, np.uint8)))
print("mediapipe", mp.__version__, "| people on a grey picture:", len(found.pose_landmarks), "| asked so far:", asked)
landmarker.close()
print("asked after close:", asked)
with open(sys.argv[2], "w") as file:
    file.write("\n".join(asked))
PYTHON

(cd "$work" && HOME="$work" "$work/venv/bin/python" ask.py "$model" asked.txt 2>stderr.txt) || { cat "$work/stderr.txt"; exit 1; }
if grep -q "^$expected" "$work/asked.txt"; then
    echo "as described: mediapipe $version asks for '$expected' when a landmarker is closed"
else
    echo "changed: mediapipe $version no longer asks for '$expected'; asked: $(cat "$work/asked.txt")"
    exit 1
fi
