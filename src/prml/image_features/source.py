"""Features of the frames of a sequence, a few at a time, as a lifter with image features requests them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from prml.errors import PrmlError
from prml.image_features import crops
from prml.image_features.backbones import Backbone
from prml.media.read import read_frames
from prml.sequence import PoseSequence
from prml.skeleton import H36M17

Array = np.ndarray


@dataclass(frozen=True)
class Features:
    """The features of some frames.

    Attributes:
        rows: indices of the frames in the sequence, increasing.
        reference: the joints in their crops, [-1, 1].
        maps: of the crops, finest first.
        mirrored: of the mirrored crops; None if not requested.
    """

    rows: Int[Array, " n"]
    reference: Float[Array, "n 17 2"]
    maps: list[Float[Tensor, "n c h w"]]
    mirrored: list[Float[Tensor, "n c h w"]] | None


@runtime_checkable
class FeatureSource(Protocol):
    """Where features come from: a video and a backbone, or a cache."""

    @property
    def fingerprint(self) -> str:
        """Of the backbone."""

    def features(self, sequence: PoseSequence, rows: Array, *, mirrored: bool = False) -> Iterator[Features]:
        """Features of the frames ``rows`` of a sequence, in order, batch by batch."""


class FrameFeatures:
    """Features computed from the frames of a video or image folder; memory does not grow with its length.

    Args:
        path: video file or folder of images that the sequence's keypoints belong to, frame by frame.
        backbone: what turns crops into maps.
        fps: as for :func:`prml.media.read.read_frames`; only the frame index matters here, not the time.
        batch: crops at a time.
    """

    def __init__(self, path: Path, backbone: Backbone, *, fps: float | None = None, batch: int = 16) -> None:
        self.path, self.backbone, self.fps, self.batch = path, backbone, fps, batch

    @property
    def fingerprint(self) -> str:
        """Of the backbone."""
        return self.backbone.fingerprint

    def features(self, sequence: PoseSequence, rows: Array, *, mirrored: bool = False) -> Iterator[Features]:
        """See :class:`FeatureSource`.

        Raises:
            PrmlError: no 2D in one of the frames, or a video that ends before the last of them.
        """
        given = sequence.to_skeleton(H36M17).keypoints_px
        if given is None or not np.isfinite(given[rows]).all():
            raise PrmlError(f"{sequence.name or self.path.name}: image features need the 2D joints of every frame")
        where, places = crops.boxes(given[rows].astype(np.float64)), crops.reference(given[rows].astype(np.float64))
        done = 0
        for seen in self._crops(rows, where):
            part = slice(done, done + len(seen))
            yield Features(
                rows[part],
                places[part],
                self.backbone.features(crops.normalised(seen)),
                self.backbone.features(crops.normalised(np.ascontiguousarray(seen[:, :, ::-1]))) if mirrored else None,
            )
            done = part.stop
        if done < len(rows):
            raise PrmlError(f"{self.path} ends after {done} of the {len(rows)} frames that have 2D; is it their video?")

    def _crops(self, rows: Array, where: Float[Array, "n 3"]) -> Iterator[UInt8[Array, "b 256 192 3"]]:
        wanted, waiting = dict(zip(rows.tolist(), where, strict=True)), []
        last = int(rows[-1]) if len(rows) else -1
        for frame in read_frames(self.path, fps=self.fps):
            if frame.index > last:
                break
            if frame.index in wanted:
                waiting.append(crops.cut(frame.image, wanted[frame.index]))
            if len(waiting) == self.batch:
                yield np.stack(waiting)
                waiting = []
        if waiting:
            yield np.stack(waiting)
