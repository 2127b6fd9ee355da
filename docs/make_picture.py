"""Make ``docs/images/lifted.jpg``, the picture near the top of the README, from what ``make lift`` wrote.

python docs/make_picture.py [OVERLAY_VIDEO] [FRAME]
"""

import argparse
from itertools import islice
from pathlib import Path

import av

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the picture of the README.")
    parser.add_argument("video", nargs="?", type=Path, default=ROOT / "out/jump/overlay.mp4")
    parser.add_argument("frame", nargs="?", type=int, default=54)
    arguments = parser.parse_args()
    target = ROOT / "docs/images/lifted.jpg"
    target.parent.mkdir(exist_ok=True)
    with av.open(str(arguments.video)) as container:
        frame = next(islice(container.decode(video=0), arguments.frame, None))
        frame.to_image().save(target, quality=88)


if __name__ == "__main__":
    main()
