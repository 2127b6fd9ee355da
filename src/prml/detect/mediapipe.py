"""The default 2D detector: MediaPipe's BlazePose through its Tasks API, with the bundled models."""

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Any

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


class _Diversion:
    """Where file descriptor 2 leads while somebody wants quiet: it is the process's, the last user puts it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._saved = -1
        self._sink: IO[bytes] | None = None

    def _divert(self) -> IO[bytes] | None:
        if sys.stderr is None:  # closed, as for a daemon: the number 2 may belong to another file by now
            return None
        try:
            sys.stderr.flush()
            self._saved = os.dup(2)
        except (OSError, ValueError):
            return None
        try:
            sink = tempfile.TemporaryFile()  # noqa: SIM115  (open until the last user leaves)
        except OSError:  # nowhere to keep it: let it be seen
            os.close(self._saved)
            return None
        os.dup2(sink.fileno(), 2)
        return sink

    def enter(self) -> int:
        """Start of what a new user will catch, in bytes; -1 where there is nothing to divert."""
        with self._lock:
            if not self._users:
                self._sink = self._divert()
            if self._sink is None:
                return -1
            self._users += 1
            return os.fstat(self._sink.fileno()).st_size

    def leave(self, start: int) -> str:
        """What has come since ``start``."""
        with self._lock:
            if start < 0 or self._sink is None:
                return ""
            file = self._sink.fileno()
            text = os.pread(file, os.fstat(file).st_size - start, start).decode(errors="replace")
            self._users -= 1
            if not self._users:
                os.dup2(self._saved, 2)
                os.close(self._saved)
                self._sink.close()
                self._sink = None
            return text


_DIVERSION = _Diversion()


@contextmanager
def quiet_stderr() -> Iterator[list[str]]:
    """Keep what native libraries write to file descriptor 2 away from the terminal; the list holds it afterwards.

    glog, absl and TFLite write below Python, so that replacing ``sys.stderr`` does not reach them. Uses may overlap in
    several threads, each catches what any of them writes meanwhile; without a standard error nothing is caught.
    """
    caught: list[str] = []
    start = _DIVERSION.enter()
    try:
        yield caught
    finally:
        caught.append(_DIVERSION.leave(start))


def _landmarks(run: Callable[[Any], Any], image: UInt8[Array, "H W 3"], quiet: bool) -> Float[Array, "people 33 4"]:
    """Call MediaPipe: x, y in pixels, visibility, presence. ``quiet``: nothing of it may reach the terminal."""
    import mediapipe as mp

    frame = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image))
    with quiet_stderr() if quiet else nullcontext():
        result = run(frame)
    height, width = image.shape[:2]
    rows = [[(p.x * width, p.y * height, p.visibility, p.presence) for p in person] for person in result.pose_landmarks]
    return np.asarray(rows, dtype=np.float64).reshape(-1, 33, 4)


def _detections(people: Float[Array, "people 33 4"]) -> list[Detection]:
    return [Detection(p[:, :2], np.clip(p[:, 2] * p[:, 3], 0.0, 1.0)) for p in people]


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
        self._searcher: Any = None
        self._landmarker: Any = None
        self._last_ms = -1
        self._chatty = {"VIDEO", "IMAGE"}  # graphs that may still log: they do until they have found somebody
        self.reset()

    @property
    def digest(self) -> str:
        """SHA-256 of the model file."""
        return sha256(self._path.read_bytes()).hexdigest()

    def _create(self, mode: str, people: int) -> Any:
        with quiet_stderr():
            from mediapipe.tasks.python import BaseOptions, vision

            options = vision.PoseLandmarkerOptions(
                base_options=BaseOptions(model_asset_path=str(self._path)),
                running_mode=vision.RunningMode[mode],
                num_poses=people,
                min_pose_detection_confidence=self._min_confidence,
                min_pose_presence_confidence=self._min_confidence,
                min_tracking_confidence=self._min_confidence,
            )
            try:
                return vision.PoseLandmarker.create_from_options(options)
            except (RuntimeError, ValueError, OSError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise PrmlError(f"MediaPipe cannot read the detector model {self._path}: {reason}") from None

    def landmarks(self, image: UInt8[Array, "H W 3"], time_s: float) -> Float[Array, "people 33 4"]:
        """Every person's landmarks as x, y in pixels, visibility, presence."""
        if self._landmarker is None:
            raise PrmlError("this detector is closed; make another one")
        self._last_ms = max(self._last_ms + 1, round(time_s * 1000))  # MediaPipe wants whole, increasing milliseconds
        run = partial(self._landmarker.detect_for_video, timestamp_ms=self._last_ms)
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
        """Up to four people in an RGB image on its own."""
        if self._searcher is None:
            self._searcher = self._create("IMAGE", 4)
        return _detections(self._run("IMAGE", self._searcher.detect, image))

    def reset(self) -> None:
        """Forget the person that is being followed (takes about 0.2 s, nothing if no image has been seen)."""
        if self._landmarker is not None:
            if self._last_ms < 0:
                return
            with quiet_stderr():
                self._landmarker.close()
        self._landmarker = self._create("VIDEO", self._people)
        self._last_ms = -1
        self._chatty.add("VIDEO")

    def close(self) -> None:
        """Free the native graphs: their destructors complain if the interpreter gets there first."""
        with quiet_stderr():
            for landmarker in (self._landmarker, self._searcher):
                if landmarker is not None:
                    landmarker.close()
        self._landmarker = self._searcher = None

    def __enter__(self) -> "MediaPipeDetector":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
