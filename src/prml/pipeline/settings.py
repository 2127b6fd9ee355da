"""Settings of a lift, shared by ``prml.lift`` and ``prml lift``. This module does not import numpy."""

from dataclasses import dataclass
from typing import Literal

from prml.options import option
from prml.pipeline.motion_settings import MotionSettings
from prml.weights import DEFAULT


@dataclass(frozen=True, kw_only=True)
class LiftSettings(MotionSettings):
    """How to lift.

    Attributes:
        weights: bundled name (prml-xs28 with feet, hands and face; prml-s or prml-xs with 17 joints) or a
            .safetensors file with its card.
        detector: 2D detector for videos: mediapipe, or one added by an installed package.
        model: model of the detector; for mediapipe full, lite, or the path of a .task file (default: full).
        quality: fast (looks about 15 times a second), balanced (in every frame) or best (in every frame, with a larger
            model that 'model' gives).
        skeleton: joints of the result: h36m17 for the first 17 of weights with 28 joints (default: the weights' own).
        fov: assumed field of view over the longer image side, degrees (default: 55).
        intrinsics: JSON file with the camera: width, height, fx, fy, cx, cy, radial, tangential.
        fps: capture rate of an image folder (default: 30); for a video or keypoint file, replaces the stated rate (240
            for slow motion at 240 frames/s that is saved to play at 30).
        image_size: width and height in pixels, such as 1920x1080, of the images of a keypoint file that does not state
            them.
        people: how many people to lift: a number, all, or auto for those who are large enough and long enough in view
            (default: only the most prominent). Each has a poses and a motion file.
        person: which person to lift: for a video a number, 1 for the most prominent, or x,y@t for who stands at these
            pixels at that time in seconds; for a keypoint file the number that is said when it is read (default: the
            most prominent).
        flip: average with the result for the mirrored input: twice the work, slightly more accurate (default: only for
            networks imported from their authors, as they do).
        backbone: for networks that need image features: hrnet_w32, sdxl-vae, depth-anything, or a custom
            FILE.py:FUNCTION (default: the card's).
        backbone_weights: file with the backbone's weights, the same as in training; a folder for sdxl-vae and
            depth-anything.
        depth_weights: folder of Depth Anything, if its features follow the backbone's.
        device: device of the network, for example cpu, cuda, cuda:1 or mps.
        engine: what computes the network: torch, torch-bf16 (faster on processors with bfloat16), onnxruntime, openvino
            or openvino-bf16 (packages of their own; 'prml bench --engines' compares them).
        video: video or image folder of a keypoint file or result file, drawn behind the poses.
        overlay: write overlay.mp4.
        viewer: write viewer.html.
        export: files of the motion for other programs, separated by commas: bvh and glb for Blender and games, trc,
            c3d, csv, ... ('prml export FOLDER' lists them; none for none).
        jobs: processes: for one video those that look for the person in stretches of it (the result changes less than
            with the compression of the video), for several inputs those that lift them (default: one per physical
            core).
        overwrite: overwrite existing results and delete stale ones.
    """

    weights: str = option(DEFAULT, local=True)
    detector: str = "mediapipe"
    model: str | None = option(None, local=True)
    quality: Literal["fast", "balanced", "best"] = "balanced"
    skeleton: Literal["h36m17", "body28"] | None = None
    fov: float | None = option(None, minimum=5, maximum=170, metavar="DEGREES")
    intrinsics: str | None = option(None, local=True, metavar="FILE")
    fps: float | None = option(None, minimum=0.1, maximum=1000, metavar="RATE")
    image_size: str | None = option(None, metavar="WIDTHxHEIGHT")
    people: int | str | None = option(None, minimum=1, metavar="{N,all,auto}")
    person: int | str | None = option(None, minimum=0, metavar="{N,X,Y@T}")
    flip: bool | None = None
    backbone: str | None = option(None, local=True)
    backbone_weights: str | None = option(None, local=True, metavar="FILE")
    depth_weights: str | None = option(None, local=True, metavar="DIR")
    device: str = "cpu"
    engine: Literal["torch", "torch-bf16", "onnxruntime", "openvino", "openvino-bf16"] = "torch"
    video: str | None = option(None, local=True)
    overlay: bool = True
    viewer: bool = True
    export: str = option("bvh,glb", metavar="FORMATS")
    jobs: int | None = option(None, minimum=1)
    overwrite: bool = False
