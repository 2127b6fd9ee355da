"""Make the pictures of the README from overlay videos.

python docs/make_picture.py [OVERLAY_VIDEO] [FRAME]   # lifted.jpg, from what ``make lift`` wrote
python benchmarks/people.py --scene "three, one crossing" --keep out/people --out out/people.json
python docs/make_picture.py out/people/three_one_crossing/overlay.mp4 14 --to people.jpg
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
    parser.add_argument("--to", default="lifted.jpg", help="name of the picture in docs/images")
    arguments = parser.parse_args()
    target = ROOT / "docs/images" / arguments.to
    target.parent.mkdir(exist_ok=True)
    with av.open(str(arguments.video)) as container:
        frame = next(islice(container.decode(video=0), arguments.frame, None))
        frame.to_image().save(target, quality=88)


if __name__ == "__main__":
    main()
