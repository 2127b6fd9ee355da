"""Lift a video from Python and look at the numbers.

python examples/01_lift_a_video.py [VIDEO]
"""

import sys
from pathlib import Path

import numpy as np

import prml

CLIP = Path(__file__).with_name("jump.mp4")


def main(video: Path = CLIP) -> prml.PoseSequence:
    """Lift ``video`` without writing anything; returns the sequence."""
    result = prml.lift(video)
    sequence = result.sequence
    joints = sequence.joints_m[
        sequence.has_person
    ]  # (frames, 17, 3): metres, x right, y down, z away; the hip is 0, 0, 0
    names = sequence.skeleton

    print(f"{len(sequence)} frames at {sequence.fps:g} frames/s, {int(sequence.has_person.sum())} with a person")
    wrists = joints[:, [names.index("LWrist"), names.index("RWrist")], 1].mean(1)
    heads = joints[:, names.index("Head"), 1]
    above = sequence.times_s[sequence.has_person][wrists < heads]  # y points down
    print(
        f"hands above the head in {len(above)} frames, first after {above.min():.2f} s" if len(above) else "hands down"
    )
    ankles = joints[:, names.index("LAnkle")] - joints[:, names.index("RAnkle")]
    print(f"feet apart by {np.linalg.norm(ankles, axis=-1).max():.2f} m at most")
    if sequence.std_m is not None:
        across, along = np.nanmean(sequence.std_m[..., :2]), np.nanmean(sequence.std_m[..., 2])
        print(f"the network's own standard deviation: {1000 * across:.0f} mm across, {1000 * along:.0f} mm in depth")
    return sequence


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
