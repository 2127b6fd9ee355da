"""MediaPipe's own loop over a video, as its guide shows it: what the speed of ``prml lift`` is compared with."""

from prml.detect.mediapipe import MediaPipeDetector


def single_stream(video: str, model: str = "full") -> int:
    """Detect in every frame of a video, one after the other, read by OpenCV, which MediaPipe brings.

    Returns the number of frames.
    """
    import cv2

    capture, frames = cv2.VideoCapture(video), 0
    fps = capture.get(cv2.CAP_PROP_FPS)
    with MediaPipeDetector(model) as detector:
        while True:
            read, image = capture.read()
            if not read:
                return frames
            detector.landmarks(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), frames / fps)
            frames += 1
