"""trc-data-reader: markers of a TRC."""

from importlib.metadata import version

from trc import TRCData
from wanted import given, say, worst_mm, z_up

path, wanted = given()
data = TRCData()
data.load(path)
times = data["Time"]
error = worst_mm(wanted["people"], lambda number, name: z_up(data[name]))
say(
    version=version("trc-data-reader"),
    error_mm=error,
    fps=(len(times) - 1) / (times[-1] - times[0]),
    errors=int(data["NumFrames"] != wanted["frames"]),
)
