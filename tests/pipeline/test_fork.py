"""A process forked after a lift can lift too, although library threads do not survive a fork."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prml.media.loop import loop_video

CLIP = Path(__file__).parents[2] / "examples" / "jump.mp4"
CODE = """
import os, sys
import numpy as np
import prml

def lifted():
    return prml.lift(sys.argv[1], model="lite", weights="prml-xs", flip=True).sequence.joints_m

before = lifted()
child = os.fork()
if not child:
    apart_m = np.abs(lifted() - before).max()
    os._exit(0 if apart_m < 1e-4 else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_is_forked_after_a_lift_lifts_too(tmp_path):
    loop_video(CLIP, tmp_path / "clip.mp4", 1.0)
    words = [sys.executable, "-W", "ignore", "-c", CODE, str(tmp_path / "clip.mp4")]
    done = subprocess.run(words, env={**os.environ, "OMP_NUM_THREADS": "2"}, capture_output=True, timeout=240)
    assert done.returncode == 0, done.stderr.decode()
