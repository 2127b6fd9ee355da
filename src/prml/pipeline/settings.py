"""What may be chosen about a lift: ``prml.lift`` and ``prml lift`` take the same. Nothing here imports numpy."""

from dataclasses import dataclass

from prml.options import option


@dataclass(frozen=True, kw_only=True)
class LiftSettings:
    """How to lift.

    Attributes:
        weights: bundled name (prml-s, prml-xs) or a .safetensors file with its card.
        detector: what finds people in a video: mediapipe, or a name that an installed package adds.
        model: of the detector: for mediapipe full, lite, or the path of a .task file (default: full).
        fov: field of view to assume over the longer image side, degrees (default: 55).
        intrinsics: JSON file with the camera: width, height, fx, fy, cx, cy, radial, tangential.
        fps: frame rate at which the pictures were taken: of an image folder (default: 30), and instead of what a video
            or keypoint file states (slow motion of 240 frames/s that is saved to play at 30).
        flip: average with the mirrored input's result: twice the work, a little more accurate (default: only for
            networks imported from their authors, who do so).
        backbone: for networks that need image features: hrnet_w32, or your own FILE.py:FUNCTION (default: the card's).
        backbone_weights: file with the backbone's weights, the same as in training.
        device: where the network runs: cpu, cuda, cuda:1, mps, ...
        video: where the pictures of a keypoint file or a result file are, to be drawn behind the poses.
        overlay: write overlay.mp4.
        viewer: write viewer.html.
        overwrite: overwrite existing results and delete stale ones.
    """

    weights: str = option("prml-s", local=True)
    detector: str = "mediapipe"
    model: str | None = option(None, local=True)
    fov: float | None = option(None, minimum=5, maximum=170)
    intrinsics: str | None = option(None, local=True)
    fps: float | None = option(None, minimum=0.1, maximum=1000)
    flip: bool | None = None
    backbone: str | None = option(None, local=True)
    backbone_weights: str | None = option(None, local=True)
    device: str = "cpu"
    video: str | None = option(None, local=True)
    overlay: bool = True
    viewer: bool = True
    overwrite: bool = False
