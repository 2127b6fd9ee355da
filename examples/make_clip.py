"""Make ``examples/jump.mp4`` from the demo video of Sports2D: the man alone, two star jumps and a turn.

    python examples/make_clip.py SOURCE.mp4 examples/jump.mp4

SOURCE is ``Sports2D/Demo/demo.mp4`` of https://github.com/davidpagnon/Sports2D (BSD-3-Clause; see THIRD_PARTY.md):
1768 x 994 pixels, 30 frames/s, 230 frames. The crop leaves out the second person, who walks below and to the right of
the man; the cut ends before he turns into the glare of the sun, where the detector loses his limbs. Pixels are not
scaled, and every kept frame keeps its time.
"""

import argparse
from fractions import Fraction
from pathlib import Path

import av

LEFT, TOP, WIDTH, HEIGHT = 334, 0, 672, 496
FRAMES = 108
FPS = 30


def make(source: Path, target: Path) -> None:
    """Crop and cut ``source`` into ``target`` (H.264, yuv420p, constant 30 frames/s)."""
    temporary = target.with_suffix(".tmp.mp4")
    with av.open(str(source)) as reader, av.open(str(temporary), "w", options={"movflags": "+faststart"}) as writer:
        stream = writer.add_stream("libx264", rate=FPS, options={"crf": "22", "preset": "veryslow"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, frame in enumerate(reader.decode(video=0)):
            if number == FRAMES:
                break
            pixels = frame.to_ndarray(format="rgb24")[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH]
            cropped = av.VideoFrame.from_ndarray(pixels.copy(), format="rgb24")
            cropped.pts, cropped.time_base = number, Fraction(1, FPS)
            writer.mux(stream.encode(cropped))
        writer.mux(stream.encode(None))
    temporary.replace(target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the example clip from the Sports2D demo video.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    make(arguments.source, arguments.target)
