"""Draw frames of Pose2Sim's model in OpenSim, moved by our TRC: what stands in docs/images/opensim.png.

    FOLDER/venv/bin/python docs/opensim_picture.py out/jump/motion.trc docs/images/opensim.png --frames 0,10,16,22,34,50

Runs in the environment that ``benchmarks/check_formats.py`` makes. The model is scaled to the markers and its inverse
kinematics is solved by Pose2Sim and OpenSim; then OpenSim's API says where every bone lies, and this program draws the
model's meshes there, with our markers as dots. The package of OpenSim has no window of its own.
"""

import argparse
import contextlib
import io
import logging
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "formats"))

import without_detector  # noqa: F401

# isort: split
import numpy as np
import opensim
import Pose2Sim.kinematics as kinematics
from PIL import Image

SETUP = Path(kinematics.__file__).parent / "OpenSim_Setup"
WIDTH, HEIGHT, PIXELS_PER_M = 205, 350, 150
BONE, MARKER, FLOOR, SKY = (222, 214, 196), (200, 30, 40), (176, 180, 184), (238, 241, 244)


def solve(trc: Path, work: Path) -> tuple[opensim.Model, opensim.TimeSeriesTable]:
    """Return the scaled model and its coordinates in radians and metres over time."""
    inside = work / "motion.trc"
    inside.write_bytes(trc.read_bytes())
    with contextlib.redirect_stdout(io.StringIO()):
        kinematics.perform_scaling(inside, "HALPE_26", work, SETUP, use_simple_model=True)
        kinematics.perform_IK(inside, work, SETUP, "HALPE_26")
    model = opensim.Model(str(work / "motion.osim"))
    table = opensim.TimeSeriesTable(str(work / "motion.mot"))
    model.initSystem()
    if table.getTableMetaDataAsString("inDegrees") == "yes":
        model.getSimbodyEngine().convertDegreesToRadians(table)
    return model, table


def mesh(name: str) -> tuple[np.ndarray, list[list[int]]]:
    """Return vertices (N, 3) and faces of a mesh of the model."""
    piece = ElementTree.parse(SETUP / "Geometry" / name).getroot().find(".//Piece")
    points = np.array(piece.find("Points/DataArray").text.split(), float).reshape(-1, 3)
    arrays = {array.get("Name"): array.text.split() for array in piece.findall("Polys/DataArray")}
    corners, ends = list(map(int, arrays["connectivity"])), list(map(int, arrays["offsets"]))
    return points, [corners[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def triangles(model: opensim.Model, state: opensim.State) -> np.ndarray:
    """Return all triangles (N, 3, 3) of the model's bones where they are in a state, metres, Y up."""
    found = []
    for body in model.getBodyList():
        for index in range(body.getPropertyByName("attached_geometry").size()):
            shape = opensim.Mesh.safeDownCast(body.get_attached_geometry(index))
            if shape is None or not (SETUP / "Geometry" / Path(shape.get_mesh_file()).name).exists():
                continue
            place = shape.getFrame().getTransformInGround(state)
            R = np.array([[place.R().get(i, j) for j in range(3)] for i in range(3)])
            scale = shape.get_scale_factors()
            points, faces = mesh(Path(shape.get_mesh_file()).name)
            points = points * [scale.get(i) for i in range(3)] @ R.T + [place.p().get(i) for i in range(3)]
            found += [points[[face[0], a, b]] for face in faces for a, b in pairwise(face[1:])]
    return np.array(found)


def draw(shown: np.ndarray, markers: np.ndarray, azimuth_deg: float, centre: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 3) from the side that ``azimuth_deg`` names; the nearest triangle wins."""
    angle = np.radians(azimuth_deg)
    right = np.array([np.cos(angle), 0, -np.sin(angle)])
    near = np.array([np.sin(angle), 0, np.cos(angle)])
    axes = np.stack([right, [0, 1, 0], near])
    picture = np.full((HEIGHT, WIDTH, 3), SKY, float)
    ground = HEIGHT - 30
    picture[ground:] = FLOOR
    depth = np.full((HEIGHT, WIDTH), -np.inf)

    def at(points: np.ndarray) -> np.ndarray:
        seen = (points - centre) @ axes.T
        return np.stack(
            [WIDTH / 2 + PIXELS_PER_M * seen[..., 0], ground - PIXELS_PER_M * seen[..., 1], seen[..., 2]], -1
        )

    normals = np.cross(shown[:, 1] - shown[:, 0], shown[:, 2] - shown[:, 0]) @ axes.T
    light = 0.35 + 0.65 * np.abs(normals @ [0.3, 0.5, 0.8]) / (np.linalg.norm(normals, axis=1) + 1e-12)
    for corner, bright in zip(at(shown), light, strict=True):
        fill(picture, depth, corner, np.multiply(BONE, min(1.0, bright)))
    for x, y, _ in at(markers[np.isfinite(markers).all(1)]):
        rows, columns = np.ogrid[:HEIGHT, :WIDTH]
        picture[(rows - y) ** 2 + (columns - x) ** 2 < 2.2**2] = MARKER
    return picture


def fill(picture: np.ndarray, depth: np.ndarray, corner: np.ndarray, colour: np.ndarray) -> None:
    """Paint a triangle of pixels and depths (3, 3) where nothing is nearer."""
    low = np.maximum(np.floor(corner[:, :2].min(0)).astype(int), 0)
    high = np.minimum(np.ceil(corner[:, :2].max(0)).astype(int) + 1, (WIDTH, HEIGHT))
    if (low >= high).any():
        return
    x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corner
    area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    if abs(area) < 1e-9:
        return
    b = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
    c = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
    z = az + b * (bz - az) + c * (cz - az)
    part = slice(low[1], high[1]), slice(low[0], high[0])
    visible = (b >= 0) & (c >= 0) & (b + c <= 1) & (z > depth[part])
    depth[part][visible] = z[visible]
    picture[part][visible] = colour


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trc", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--frames", default="0", help="frames to draw, separated by commas")
    parser.add_argument("--azimuth", type=float, default=0, help="where the viewer stands, degrees from +Z to +X")
    given = parser.parse_args()
    logging.disable(logging.INFO)
    opensim.Logger.setLevelString("error")
    with tempfile.TemporaryDirectory() as folder:
        model, table = solve(given.trc, Path(folder))
        states = opensim.StatesTrajectory.createFromStatesTable(model, _states(model, table), True, True)
        seen = opensim.TimeSeriesTableVec3(str(given.trc))
        row = []
        for frame in map(int, given.frames.split(",")):
            state = states.get(frame)
            model.realizePosition(state)
            cells = seen.getRowAtIndex(frame)
            markers = np.array([[cells[k][axis] for axis in range(3)] for k in range(cells.size())])
            centre = np.nanmean(markers, 0) * [1, 0, 1]
            row.append(draw(triangles(model, state), markers, given.azimuth, centre))
    Image.fromarray(np.concatenate(row, 1).clip(0, 255).astype(np.uint8)).quantize(64).save(
        given.picture, optimize=True
    )


def _states(model: opensim.Model, table: opensim.TimeSeriesTable) -> opensim.TimeSeriesTable:
    """Return the table with the coordinates' full paths as names."""
    paths = {c.getName(): f"{c.getAbsolutePathString()}/value" for c in model.getCoordinateSet()}
    labels = [paths.get(name, name) for name in table.getColumnLabels()]
    table.setColumnLabels(labels)
    for label in [label for label in labels if not label.startswith("/")]:
        table.removeColumn(label)
    return table


if __name__ == "__main__":
    main()
