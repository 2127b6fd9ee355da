"""Settings of a motion: what is assumed and corrected between lifted joints and a person in a room. Without numpy."""

from dataclasses import dataclass
from typing import Literal

from prml.options import option


@dataclass(frozen=True, kw_only=True)
class MotionSettings:
    """How lifted joints become a motion (docs/motion.md).

    Attributes:
        motion: write motion.npz, the person in a room: metres, z up, floor at 0.
        refine: pose the joints on one set of bone lengths per clip, near the network's joints and the 2D; without it
            the network's joints stay as they are.
        smooth: butterworth or savitzky-golay (zero-lag, for files), one-euro (uses the past only) or off.
        cutoff: cut-off of the smoothing; lower is smoother and blunts impacts (default: 10).
        height: the person's height, which sets the size; without it the network's estimate stands.
        gravity: auto (extrinsics of the camera or gravity in the video's metadata, else from the person), person, or
            level for a camera that is held level.
        static_camera: the camera stands still; moving ones are not supported, and false writes no motion.
        hold_feet: feet in contact with the ground neither slide nor sink.
        angles: write angles.csv and angles.png, joint angles with their deviations, and gait.csv, the events of
            walking, if somebody walks.
        facing: turn the world so that the person faces +x in the first frame; else a camera without extrinsics looks
            along +y.
    """

    motion: bool = True
    refine: bool = True
    smooth: Literal["butterworth", "savitzky-golay", "one-euro", "off"] = "butterworth"
    cutoff: float = option(10.0, minimum=0.5, maximum=100, metavar="HZ")
    height: float | None = option(None, minimum=40, maximum=260, metavar="CM")
    gravity: Literal["auto", "person", "level"] = "auto"
    static_camera: bool = True
    hold_feet: bool = True
    angles: bool = False
    facing: bool = False
