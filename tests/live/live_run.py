"""A run and its frames, made by hand."""

import numpy as np

from prml.camera import Camera
from prml.live.frame import LiveFrame, LiveRun
from prml.skeleton import BODY28

RUN = LiveRun("box.mp4", BODY28, Camera.from_fov(320, 240), 25.0, 2, {"weights": "prml-xs28"})


def frame(index=0, person=True, joints=None, picture=None):
    if not person:
        return LiveFrame(index, index / 25, 0.05, picture=picture)
    rng = np.random.default_rng(index)
    points = rng.uniform(50, 150, (28, 2))
    points[7] = np.nan
    return LiveFrame(
        index,
        index / 25,
        0.05,
        rng.normal(0, 0.3, (28, 3)) if joints is None else joints,
        np.full((28, 3), 0.02),
        points,
        np.full(28, 0.9),
        np.array([0.1, 0.2, 3.0]),
        picture,
    )
