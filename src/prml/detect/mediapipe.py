"""The default 2D detector: MediaPipe BlazePose through its Tasks API, with bundled models."""

import weakref
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from prml.detect.base import Detection
from prml.detect.native import OFFLINE, deferred_imports, quiet_stderr
from prml.detect.registry import DetectorKind
from prml.errors import PrmlError
from prml.skeleton import BLAZEPOSE33

Array = np.ndarray
MODELS = Path(__file__).parent / "models"
BUNDLED = ("full", "lite")
# Modules that mediapipe imports for drawing and audio. Loading them takes a second, writes matplotlib caches into the
# home folder and starts a sound server.
_UNUSED_BY_US = ("matplotlib", "matplotlib.pyplot", "sounddevice", "cv2")


def model_path(model: str | Path) -> Path:
    """Return the path of a bundled model, or of the user's ``.task`` file; raise PrmlError if it does not exist."""
    path = MODELS / f"pose_landmarker_{model}.task" if model in BUNDLED else Path(model)
    if path.suffix != ".task" or not path.is_file():
        raise PrmlError(f"no detector model {str(model)!r}; expected {', '.join(BUNDLED)} or the path of a .task file")
    return path


def _landmarks(run: Callable[[Any], Any], image: UInt8[Array, "H W 3"], quiet: bool) -> Float[Array, "people 33 4"]:
    """Call MediaPipe and return x, y in pixels, visibility and presence; ``quiet`` keeps its logs off the terminal."""
    import mediapipe as mp

    frame = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image))
    with quiet_stderr() if quiet else nullcontext():
        result = run(frame)
    height, width = image.shape[:2]
    rows = [[(p.x * width, p.y * height, p.visibility, p.presence) for p in person] for person in result.pose_landmarks]
    return np.asarray(rows, dtype=np.float64).reshape(-1, 33, 4)


def _create(mode: str, **options: Any) -> Any:
    """Create a landmarker; raise PrmlError if the model cannot be read.

    The process stays offline until :func:`_shut`, because MediaPipe sends usage reports to a server every minute and
    when a landmarker is closed or cannot be created.
    """
    OFFLINE.hold()
    try:
        with quiet_stderr():
            with deferred_imports(*_UNUSED_BY_US):
                from mediapipe.tasks.python import BaseOptions, vision

            path = options.pop("path")
            base = BaseOptions(model_asset_path=str(path))
            wanted = vision.PoseLandmarkerOptions(base_options=base, running_mode=vision.RunningMode[mode], **options)
            try:
                return vision.PoseLandmarker.create_from_options(wanted)
            except (RuntimeError, ValueError, OSError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise PrmlError(f"MediaPipe cannot read the detector model {path}: {reason}") from None
    except BaseException:
        OFFLINE.release()
        raise


def _shut(landmarkers: dict[str, Any], *modes: str) -> None:
    """Close the landmarkers of some modes (default: all), as their destructors complain at interpreter exit."""
    for mode in modes or tuple(landmarkers):
        landmarker = landmarkers.pop(mode, None)
        if landmarker is not None:
            try:
                with quiet_stderr():
                    landmarker.close()
            finally:
                OFFLINE.release()


def _detections(people: Float[Array, "people 33 4"]) -> list[Detection]:
    return [Detection(p[:, :2], np.clip(p[:, 2] * p[:, 3], 0.0, 1.0)) for p in people]


class MediaPipeDetector:
    """BlazePose in video mode: a detected person is tracked from frame to frame, and searched for again when lost.

    Args:
        model: "full", "lite", or the path of a ``.task`` file (``heavy`` for instance).
        people: maximum number of people. MediaPipe smooths over time only if it is 1.
        min_confidence: threshold for detection, presence and tracking, in [0, 1].

    Raises:
        PrmlError: the model does not exist or MediaPipe cannot read it.
    """

    skeleton = BLAZEPOSE33

    def __init__(self, model: str | Path = "full", *, people: int = 1, min_confidence: float = 0.5) -> None:
        if people < 1:
            raise PrmlError(f"the detector must look for at least one person, got {people}")
        self._path = model_path(model)
        self._people, self._min_confidence = people, min_confidence
        self.name = f"mediapipe {self._path.stem} people={people}"
        self._last_ms = -1
        self._chatty = {"VIDEO", "IMAGE"}  # graphs that may still log, as they do until they first find a person
        self._open: dict[str, Any] = {}  # landmarkers by running mode
        weakref.finalize(self, _shut, self._open)
        self.reset()

    @property
    def digest(self) -> str:
        """SHA-256 of the model file."""
        return sha256(self._path.read_bytes()).hexdigest()

    def _make(self, mode: str, people: int) -> Any:
        threshold = self._min_confidence
        self._open[mode] = _create(
            mode,
            path=self._path,
            num_poses=people,
            min_pose_detection_confidence=threshold,
            min_pose_presence_confidence=threshold,
            min_tracking_confidence=threshold,
        )
        return self._open[mode]

    def landmarks(self, image: UInt8[Array, "H W 3"], time_s: float) -> Float[Array, "people 33 4"]:
        """Return landmarks of every person as x, y in pixels, visibility and presence."""
        if "VIDEO" not in self._open:
            raise PrmlError("this detector is closed; create another one")
        self._last_ms = max(self._last_ms + 1, round(time_s * 1000))  # MediaPipe needs whole, increasing milliseconds
        run = partial(self._open["VIDEO"].detect_for_video, timestamp_ms=self._last_ms)
        return self._run("VIDEO", run, image)

    def _run(self, mode: str, run: Callable[[Any], Any], image: UInt8[Array, "H W 3"]) -> Float[Array, "people 33 4"]:
        found = _landmarks(run, image, quiet=mode in self._chatty)
        if len(found):
            self._chatty.discard(mode)
        return found

    def __call__(self, image: UInt8[Array, "H W 3"], time_s: float) -> list[Detection]:
        """People in an RGB image; times must increase from call to call."""
        return _detections(self.landmarks(image, time_s))

    def search(self, image: UInt8[Array, "H W 3"]) -> list[Detection]:
        """Return up to four people in a single RGB image."""
        searcher = self._open.get("IMAGE") or self._make("IMAGE", 4)
        return _detections(self._run("IMAGE", searcher.detect, image))

    def reset(self) -> None:
        """Forget the tracked person; takes about 0.2 s, or no time if no image has been processed."""
        if "VIDEO" in self._open and self._last_ms < 0:
            return
        _shut(self._open, "VIDEO")
        self._make("VIDEO", self._people)
        self._last_ms = -1
        self._chatty.add("VIDEO")

    def close(self) -> None:
        """Free the native graphs; a closed detector cannot be used again."""
        _shut(self._open)

    def __enter__(self) -> "MediaPipeDetector":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


DETECTOR = DetectorKind(
    "mediapipe",
    "BlazePose by MediaPipe: 33 landmarks of one person, on the CPU",
    BLAZEPOSE33,
    lambda model: MediaPipeDetector(model or BUNDLED[0]),
    BUNDLED,
    large_hint="PATH/pose_landmarker_heavy.task, which MediaPipe's Pose Landmarker page links to",
)
