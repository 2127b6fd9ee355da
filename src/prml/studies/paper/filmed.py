"""A video or keypoint file of the user, detected once and lifted by several networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, UInt8

from prml.errors import PrmlError
from prml.filters.scale import to_metres
from prml.sequence import PoseSequence
from prml.skeleton import H36M17

if TYPE_CHECKING:
    from prml.lifting.lifter import Lifter

EXAMPLE = Path(__file__).parents[4] / "examples/jump.mp4"  # of the checkout
Array = np.ndarray


@dataclass(frozen=True)
class Filmed:
    """One person on a video.

    Attributes:
        path: of the video or keypoint file.
        seen: 2D on H36M17.
        lifted: 3D on H36M17 by the label of each network, root-relative, camera frame.
        video: the video whose frames are drawn; None for an empty canvas.
    """

    path: Path
    seen: PoseSequence
    lifted: Mapping[str, PoseSequence]
    video: Path | None

    @property
    def usable(self) -> Bool[Array, " T"]:
        """Frames in which every network gave a pose, and whose 2D is complete."""
        lifted = [np.isfinite(np.asarray(one.joints_m)).all((1, 2)) for one in self.lifted.values()]
        seen = np.isfinite(np.asarray(self.seen.keypoints_px)).all((1, 2))
        return np.asarray(np.logical_and.reduce([seen, *lifted]))

    def images(self, frames: Sequence[int]) -> dict[int, UInt8[Array, "H W 3"]]:
        """Return the pictures of some frames; none where there is no video."""
        if self.video is None:
            return {}
        from prml.media.read import read_frames

        wanted, found = set(frames), {}
        for frame in read_frames(self.video):
            if frame.index in wanted:
                found[frame.index] = frame.image
            if len(found) == len(wanted):
                break
        return found


def example() -> Path:
    """Return the bundled clip; raise PrmlError outside a checkout, which alone has it."""
    if not EXAMPLE.is_file():
        raise PrmlError("no example clip outside a checkout of the project: give video=PATH, a video or keypoint file")
    return EXAMPLE


def film(path: Path, lifters: "Mapping[str, Lifter]") -> Filmed:
    """Detect the most prominent person of a video, or read keypoints or a result's 2D, and lift it by every network.

    Raises:
        PrmlError: as ``prml.lift``.
    """
    from prml.pipeline.lift import lift

    first = next(iter(lifters.values()))
    result = lift(path, lifter=first, overlay=False, viewer=False, motion=False, export="none")
    seen = result.sequence.with_(joints_m=None, std_m=None, root_relative=False)
    lifted = {label: _lifted(lifter, seen) for label, lifter in lifters.items()}
    video = result.scene.video
    return Filmed(path, seen.to_skeleton(H36M17), lifted, None if video is None else video.path)


def _lifted(lifter: "Lifter", seen: PoseSequence) -> PoseSequence:
    lifted = lifter.lift(seen).to_skeleton(H36M17)
    return to_metres(lifted)[0] if lifter.card.output == "image" else lifted
