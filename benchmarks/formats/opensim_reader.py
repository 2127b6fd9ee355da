"""OpenSim: markers of a TRC (table reader, MarkerData), or coordinates of a MOT (table reader, Storage)."""

import math
from importlib.metadata import version

import numpy as np
import opensim
from wanted import given, say, worst_mm, z_up

opensim.Logger.setLevelString("error")
path, wanted = given()
if path.endswith(".trc"):
    table = opensim.TimeSeriesTableVec3(path)
    labels, rows = list(table.getColumnLabels()), range(table.getNumRows())
    cells = [table.getRowAtIndex(i) for i in rows]
    points = np.array([[[row[k][axis] for axis in range(3)] for k in range(len(labels))] for row in cells])
    markers = opensim.MarkerData(path)
    counts = [markers.getNumFrames() - wanted["frames"], markers.getNumMarkers() - len(labels)]
    error = worst_mm(wanted["people"], lambda number, name: z_up(points[:, labels.index(name)]))
    unit = table.getTableMetaDataAsString("Units")
    errors = sum(map(bool, counts)) + (unit != "m") + (len(rows) != wanted["frames"])
else:
    table, storage = opensim.TimeSeriesTable(path), opensim.Storage(path)
    found = {name: table.getDependentColumn(name).to_numpy() for name in table.getColumnLabels()}
    error, errors = 0.0, int(storage.getSize() != wanted["frames"]) + int(not storage.isInDegrees())
    for name, values in wanted["people"][0].items():
        off = float(np.abs(found[name] - np.array(values)).max())
        error = max(error, off if math.isfinite(off) else math.inf)
times = np.array(table.getIndependentColumn())
say(version=version("opensim"), error_mm=error, fps=(len(times) - 1) / (times[-1] - times[0]), errors=errors)
