"""The default 2D detector: MediaPipe's BlazePose through its Tasks API, with the bundled models."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from prml.detect.base import Detection
from prml.errors import PrmlError
from prml.skeleton import BLAZEPOSE33

Array = np.ndarray
MODELS = Path(__file__).parent / "models"
BUNDLED = ("full", "lite")


def model_path(model: str | Path) -> Path:
    """Path of a bundled model by name, or of a ``.task`` file that the user has; raises PrmlError if there is none."""
    path = MODELS / f"pose_landmarker_{model}.task" if model in BUNDLED else Path(model)
    if path.suffix != ".task" or not path.is_file():
        raise PrmlError(f"no detector model {str(model)!r}; expected {', '.join(BUNDLED)} or the path of a .task file")
    return path


@contextmanager
def quiet_stderr() -> Iterator[list[str]]:
    """Keep what native libraries write to file descriptor 2 away from the terminal; the list holds it afterwards.

    glog, absl and TFLite write below Python, so that replacing ``sys.stderr`` does not reach them.
    """
    caught: list[str] = []
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield caught
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            sink.seek(0)
            caught.append(sink.read().decode(errors="replace"))


class MediaPipeDetector:
    """BlazePose in video mode: a person found once is followed from frame to frame, and searched for again when lost.

    Args:
        model: "full", "lite", or the path of a ``.task`` file (``heavy`` for instance).
        people: the most people looked for. With one, MediaPipe smooths over time; with more it does not.
        min_confidence: threshold of detection, of presence and of tracking, in [0, 1].

    Raises:
        PrmlError: where there is no such model or MediaPipe cannot read it.
    """

    skeleton = BLAZEPOSE33

    def __init__(self, model: str | Path = "full", *, people: int = 1, min_confidence: float = 0.5) -> None:
        if people < 1:
            raise PrmlError(f"the detector must look for at least one person, got {people}")
        self._path = model_path(model)
        self._people, self._min_confidence = people, min_confidence
        self.name = f"mediapipe {self._path.stem} people={people}"
        self._landmarker: Any = None
        self._fresh = True
        self._last_ms = -1
        self._open()

    @property
    def digest(self) -> str:
        """SHA-256 of the model file."""
        return sha256(self._path.read_bytes()).hexdigest()

    def _open(self) -> None:
        with quiet_stderr():
            from mediapipe.tasks.python import BaseOptions, vision

            options = vision.PoseLandmarkerOptions(
                base_options=BaseOptions(model_asset_path=str(self._path)),
                running_mode=vision.RunningMode.VIDEO,
                num_poses=self._people,
                min_pose_detection_confidence=self._min_confidence,
                min_pose_presence_confidence=self._min_confidence,
                min_tracking_confidence=self._min_confidence,
            )
            try:
                self._landmarker = vision.PoseLandmarker.create_from_options(options)
            except (RuntimeError, ValueError, OSError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise PrmlError(f"MediaPipe cannot read the detector model {self._path}: {reason}") from None
        self._fresh, self._last_ms = True, -1

    def landmarks(self, image: UInt8[Array, "H W 3"], time_s: float) -> Float[Array, "people 33 4"]:
        """Every person's landmarks as x, y in pixels, visibility, presence."""
        import mediapipe as mp

        if self._landmarker is None:
            raise PrmlError("this detector is closed; make another one")
        self._last_ms = max(self._last_ms + 1, round(time_s * 1000))  # MediaPipe wants whole, increasing milliseconds
        frame = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image))
        if self._fresh:  # the first call logs too
            with quiet_stderr():
                result = self._landmarker.detect_for_video(frame, self._last_ms)
            self._fresh = False
        else:
            result = self._landmarker.detect_for_video(frame, self._last_ms)
        height, width = image.shape[:2]
        rows = [[(p.x * width, p.y * height, p.visibility, p.presence) for p in person] for person in result.pose_landmarks]
        return np.asarray(rows, dtype=np.float64).reshape(-1, 33, 4)

    def __call__(self, image: UInt8[Array, "H W 3"], time_s: float) -> list[Detection]:
        """People in an RGB image; times must increase from call to call."""
        return [
            Detection(person[:, :2], np.clip(person[:, 2] * person[:, 3], 0.0, 1.0))
            for person in self.landmarks(image, time_s)
        ]

    def reset(self) -> None:
        """Forget the person that is being followed."""
        self.close()
        self._open()

    def close(self) -> None:
        """Free the native graph: its destructor complains if the interpreter gets there first."""
        if self._landmarker is not None:
            with quiet_stderr():
                self._landmarker.close()
            self._landmarker = None

    def __enter__(self) -> "MediaPipeDetector":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
