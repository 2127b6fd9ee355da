from dataclasses import dataclass, replace

import numpy as np

from prml.camera import Camera
from prml.sequence import CONTACTS, PoseSequence
from prml.skeleton import BODY28

# Somebody who faces the camera: x right, y down, z forward, metres from the hip; their left is at the image's right.
STANDING = np.array([
    [0, 0, 0], [-0.11, 0, 0], [-0.12, 0.43, -0.02], [-0.12, 0.87, 0.02], [0.11, 0, 0], [0.12, 0.43, -0.02],
    [0.12, 0.87, 0.02], [0, -0.22, 0], [0, -0.49, 0], [0, -0.61, -0.05], [0, -0.72, -0.03], [0.17, -0.45, 0],
    [0.42, -0.40, 0], [0.66, -0.38, 0], [-0.17, -0.45, 0], [-0.42, -0.40, 0], [-0.66, -0.38, 0],
])  # fmt: skip


@dataclass
class Frame:
    index: int
    time_s: float
    image: np.ndarray


def person(frames=40, width=640, height=360, *, gap=(), filled=(), times_s=None, std=True):
    """A person who waves, four metres in front of the camera."""
    joints = np.repeat(STANDING[None], frames, 0)
    swing = 0.35 * np.sin(np.arange(frames) / 6)
    joints[:, [12, 13], 1] -= np.stack([swing * 0.5, swing], 1)
    camera = Camera.from_fov(width, height)
    fields = {
        "joints_m": joints,
        "keypoints_px": camera.project(joints + [0, 0, 4.0]),
        "confidence": np.full((frames, 17), 0.9),
        "std_m": np.full((frames, 17, 3), 0.02) * [1, 1, 3] if std else None,
    }
    has_person, is_filled = np.ones(frames, bool), np.zeros(frames, bool)
    has_person[[*gap, *filled]] = False
    is_filled[list(filled)] = True
    for values in fields.values():
        if values is not None:
            values[list(gap)] = np.nan
    times = np.arange(frames) / 25 if times_s is None else np.asarray(times_s)
    return PoseSequence(
        skeleton=PoseSequence.regular(1, 25).skeleton,
        times_s=times,
        fps=25.0,
        root_relative=True,
        camera=camera,
        has_person=has_person,
        filled=is_filled,
        **fields,
    )


def video(sequence, shade=70):
    """Plain frames of the size of the sequence's camera."""
    size = (sequence.camera.height, sequence.camera.width, 3)
    return (Frame(i, float(t), np.full(size, shade, np.uint8)) for i, t in enumerate(sequence.times_s))


# Joints of BODY28 that STANDING lacks, in the same axes.
_EXTREMITIES = np.array([
    [-0.12, 0.93, 0.07], [-0.13, 0.93, -0.17], [0.12, 0.93, 0.07], [0.13, 0.93, -0.17],
    [0.74, -0.37, 0], [0.72, -0.36, -0.04], [-0.74, -0.37, 0], [-0.72, -0.36, -0.04],
    [0, -0.63, -0.13], [0.07, -0.64, -0.02], [-0.07, -0.64, -0.02],
])  # fmt: skip


def walker(frames=40, skeleton=BODY28, width=640, height=360):
    """A motion: somebody who shuffles 2 cm a frame along -y, to the camera, on the left and the right foot by turns."""
    body = np.concatenate([STANDING, _EXTREMITIES])[: len(skeleton)]
    world = body @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]).T + [0, 0, 0.95]
    joints = np.repeat(world[None], frames, 0) + np.arange(frames)[:, None, None] * [0, -0.02, 0]
    contacts = np.zeros((frames, 4), bool)
    for start in range(0, frames, 10):
        side = 2 * (start // 10 % 2)
        contacts[start : start + 8, side : side + 2] = True
        for column in (side, side + 1):
            at = skeleton.index(CONTACTS[column]) if len(skeleton) > 17 else skeleton.index("LR"[side // 2] + "Ankle")
            joints[start : start + 8, at] = joints[start, at]
    R = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    camera = replace(Camera.from_fov(width, height), R_world_to_camera=R, t_m=R @ [0, 5.0, -1.0])
    return PoseSequence(
        skeleton=skeleton,
        times_s=np.arange(frames) / 25,
        fps=25.0,
        joints_m=joints,
        keypoints_px=camera.project(camera.to_camera(joints)),
        confidence=np.full(joints.shape[:2], 0.9),
        frame="world",
        root_relative=False,
        camera=camera,
        contacts=contacts,
        has_person=np.ones(frames, bool),
    )
