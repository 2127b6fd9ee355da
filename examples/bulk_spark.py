"""Lift many videos on a Spark cluster: one row per path, executors that load the weights once.

    pip install "pyspark[sql]"
    spark-submit examples/bulk_spark.py OUT A.mp4 B.mp4 ...

Frames are decoded inside the executor, and the rows that travel are small: paths, counts, errors. Spark may run a task
twice, after a failure or because it seems slow; results folders are written all at once, so the last one stays. OUT has
to be a folder that all machines see, or an address such as s3://bucket/folder, where an input that is done is skipped.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prml.pipeline.batch import folder_names
from prml.pipeline.unit import LiftVideo

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = (
    "path string, folder string, status string, error string, frames long, fps double, residual_px double, "
    "warnings array<string>, seconds double"
)


class LiftFrames:
    """What ``mapInPandas`` calls: an iterator of frames with ``path`` and ``folder`` in, one of rows out.

    Spark sends this to the executors, where every task makes its own :class:`prml.pipeline.unit.LiftVideo`.

    Args:
        out: folder, or address, for the results.
        settings: fields of :class:`prml.pipeline.settings.LiftSettings`.
    """

    def __init__(self, out: str, **settings: Any) -> None:
        self.out, self.settings = out, settings

    def __call__(self, frames: "Iterator[pd.DataFrame]") -> "Iterator[pd.DataFrame]":
        """Yield the rows of each frame, in its order."""
        import pandas as pd

        unit, columns = LiftVideo(self.out, **self.settings), [part.split()[0] for part in SCHEMA.split(", ")]
        for frame in frames:
            rows = [unit(row) for row in frame.to_dict("records")]
            yield pd.DataFrame(rows, columns=columns)


def lift_on_spark(paths: list[str], out: str, **settings: Any) -> list[dict[str, Any]]:
    """Return one row per path, as :class:`prml.pipeline.unit.LiftVideo` makes them."""
    from pyspark.sql import SparkSession

    whole = [Path(path).absolute() for path in paths]
    inputs = [(str(path), name) for path, name in zip(whole, folder_names(whole, marked=True), strict=True)]
    spark = SparkSession.builder.appName("prml").getOrCreate()
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1")  # a row is minutes of work
    table = spark.createDataFrame(inputs, "path string, folder string").repartition(len(inputs))
    address = "://" in out
    lifted = table.mapInPandas(LiftFrames(out, **settings, overwrite=not address), SCHEMA)
    return [row.asDict() for row in lifted.collect()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="folder or address for the results")
    parser.add_argument("paths", nargs="+", help="videos or keypoint files")
    parser.add_argument("--weights", default="prml-xs28", help="bundled name or a .safetensors file")
    given = parser.parse_args()
    out = given.out if "://" in given.out else str(Path(given.out).absolute())
    for row in lift_on_spark(given.paths, out, weights=given.weights):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
