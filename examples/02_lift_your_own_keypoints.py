"""Lift 2D keypoints that came from somewhere else: COCO-17 joints in pixels, with the size of the picture and the lens.

python examples/02_lift_your_own_keypoints.py
"""

import numpy as np

import prml
from prml.skeleton import COCO17

FPS, WIDTH, HEIGHT = 25.0, 1280, 720


def waving_figure(frames: int = 50) -> np.ndarray:
    """(frames, 17, 2) pixels of a figure seen from the front that waves its left hand; stands for a detector."""
    upright = {
        "Nose": (640, 190), "Eye": (12, 180), "Ear": (24, 185), "Shoulder": (60, 260), "Elbow": (80, 345),
        "Wrist": (85, 425), "Hip": (38, 430), "Knee": (42, 540), "Ankle": (44, 645),
    }  # fmt: skip
    figure = np.zeros((frames, 17, 2))
    for index, joint in enumerate(COCO17.joints):
        x, y = upright[joint.removeprefix("L").removeprefix("R")]
        figure[:, index] = (x, y) if joint == "Nose" else (640 + x if joint[0] == "L" else 640 - x, y)
    angle = 0.5 * np.sin(np.arange(frames) / FPS * 2 * np.pi)
    figure[:, COCO17.index("LElbow")] = (770, 235)
    figure[:, COCO17.index("LWrist")] = (770, 235) + 80 * np.stack([np.sin(angle), -np.cos(angle)], 1)
    return figure


def main() -> prml.PoseSequence:
    """Lift the figure; returns the sequence."""
    keypoints = waving_figure()
    sequence = prml.PoseSequence.regular(
        len(keypoints), FPS, COCO17, keypoints_px=keypoints, camera=prml.Camera.from_fov(WIDTH, HEIGHT, 60)
    )
    lifted = prml.load("prml-s").lift(sequence)
    hand = lifted.joints_m[:, lifted.skeleton.index("LWrist")]
    print(
        f"the left hand moves over {1000 * np.ptp(hand[:, 0]):.0f} mm, {-1000 * hand[:, 1].mean():.0f} mm above the hip"
    )
    return lifted


if __name__ == "__main__":
    main()
