"""The page of a live run: the same drawing as the viewer's, of frames that come over a WebSocket."""

import numpy as np

from prml.camera import Camera
from prml.sequence import PoseSequence
from prml.skeleton import Skeleton
from prml.view.page.pack import pack_all
from prml.view.page.page import DRAWING, page
from prml.view.stage import Stage


def live_page(title: str, skeleton: Skeleton, camera: Camera) -> bytes:
    """Return the HTML page, which connects to ``/live`` of the server that it comes from."""
    nobody = np.full((1, len(skeleton), 3), np.nan)
    empty = PoseSequence(
        skeleton,
        np.zeros(1),
        joints_m=nobody,
        std_m=nobody,
        keypoints_px=nobody[..., :2],
        confidence=np.zeros((1, len(skeleton))),
        has_person=np.zeros(1, bool),
        camera=camera,
        root_relative=True,
    )
    meta, arrays = pack_all([empty], Stage.of(empty))
    meta["unit"]["keypoints"] = max(camera.width, camera.height) / 16000  # room for joints outside the picture
    return page(meta, arrays, title, template="live.html", scripts=(*DRAWING, "live.js"))
