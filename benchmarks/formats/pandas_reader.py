"""pandas: tables as CSV or Parquet, read without options."""

import numpy as np
import pandas as pd
from wanted import given, say, worst_mm

path, wanted = given()
table = pd.read_parquet(path) if path.endswith(".parquet") else pd.read_csv(path)
people = list(table["person"].unique())
times = np.sort(table["time_s"].unique())
if "kind" in table:
    joints = table[table["kind"] == "joint"]
    rows = {key: part for key, part in joints.groupby(["person", "name"])}  # noqa: C416


def place(number: int, name: str) -> np.ndarray:
    person = people[number]
    if "kind" in table:
        return rows[person, name].sort_values("frame")[["x_m", "y_m", "z_m"]].to_numpy()
    return table[table["person"] == person][[f"{name}_{axis}_m" for axis in "xyz"]].to_numpy()


error = worst_mm(wanted["people"], place)
errors = int(len(times) != wanted["frames"])
say(version=pd.__version__, error_mm=error, fps=(len(times) - 1) / (times[-1] - times[0]), errors=errors)
