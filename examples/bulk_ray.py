"""Lift many videos on a Ray cluster: one row per path, actors that load the weights once.

    pip install "ray[data]"
    python examples/bulk_ray.py OUT A.mp4 B.mp4 ... [--actors 2]

Frames are decoded inside the actor, and the rows that travel are small: paths, counts, errors. If an actor dies, Ray
sends its row to another one; ``overwrite`` makes that safe, since a results folder is written all at once. On several
machines OUT has to be a folder that all of them see.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from prml.pipeline.unit import LiftVideo


def lift_on_ray(paths: list[str], out: str, actors: int, **settings: Any) -> list[dict[str, Any]]:
    """Return one row per path, as :class:`prml.pipeline.unit.LiftVideo` makes them."""
    import ray
    import ray.data

    rows = ray.data.from_items([{"path": str(Path(path).absolute())} for path in paths], override_num_blocks=len(paths))
    lifted = rows.map(
        LiftVideo,
        fn_constructor_args=(out,),
        fn_constructor_kwargs={**settings, "overwrite": True},
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
    )
    return [dict(row) for row in lifted.take_all()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="folder for the results")
    parser.add_argument("paths", nargs="+", help="videos or keypoint files")
    parser.add_argument("--actors", type=int, default=2, help="processes that lift")
    parser.add_argument("--weights", default="prml-xs28", help="bundled name or a .safetensors file")
    given = parser.parse_args()
    rows = lift_on_ray(given.paths, str(Path(given.out).absolute()), given.actors, weights=given.weights)
    for row in rows:
        print(json.dumps({**row, "warnings": list(row["warnings"])}))


if __name__ == "__main__":
    main()
