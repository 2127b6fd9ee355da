"""The calibration of Human3.6M: read from what the user has, or solved for; never shipped.

The camera numbers are part of the Human3.6M release (``metadata.xml``), whose agreement allows academic use by those
who signed it and no passing on; public copies in other repositories stand under the same agreement or a
non-commercial licence. So the table is not in this package. It is taken, in this order, from

1. the file that is named: ``h36m-cameras.json`` (ours), ``metadata.xml`` (official), ``camera-parameters.json`` (the
   widespread layout ``extrinsics`` / ``intrinsics``), or ``h36m_dataset.py`` of a VideoPose3D checkout, whose two
   literal tables are read as data (the file is parsed, never run);
2. a file of one of these names in the folder of the dataset;
3. the user's own data: the ground-truth 2D is the exact projection of the 3D, and the pair determines every camera,
   so it is solved for (:mod:`prml.datasets.human36m_resection`) and kept in the cache.

``prml data cameras FILE --out h36m-cameras.json`` writes the first from any of the others.
"""

import ast
import json
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from prml.camera import Camera
from prml.errors import PrmlError
from prml.io.guard import guarded

CAMERA_IDS = ("54138969", "55011271", "58860488", "60457274")
IMAGE_SIZE = {"54138969": (1000, 1002), "55011271": (1000, 1000), "58860488": (1000, 1000), "60457274": (1000, 1002)}
FILE_NAMES = ("h36m-cameras.json", "camera-parameters.json", "metadata.xml", "h36m_dataset.py")
FORMAT = "prml-h36m-cameras/1"
# The release's lens has tangential terms (2x^2 + y^2, xy) and (xy, x^2 + 2y^2); Brown-Conrady has (3x^2 + y^2, 2xy) and
# (2xy, x^2 + 3y^2). Over a disc the least-squares factor between them is 28/40; what is left is below 0.05 pixels.
TANGENTIAL_FACTOR = 0.7
_MAX_NUMBER = 1e6  # pixels, metres or coefficients


@dataclass(frozen=True)
class CameraTable:
    """The cameras of every subject.

    Attributes:
        cameras: subject -> camera id -> camera (metres, pixels, world to camera).
        source: where the numbers come from.
    """

    cameras: Mapping[str, Mapping[str, Camera]]
    source: str

    def camera(self, subject: str, camera_id: str) -> Camera:
        """One camera; raises PrmlError that names what the table has."""
        if subject not in self.cameras:
            raise PrmlError(
                f"the calibration ({self.source}) has no subject {subject}; it has {', '.join(self.cameras)}"
            )
        if camera_id not in self.cameras[subject]:
            known = ", ".join(self.cameras[subject])
            raise PrmlError(f"the calibration ({self.source}) has no camera {camera_id} of {subject}; it has {known}")
        return self.cameras[subject][camera_id]

    def to_json(self) -> str:
        """The text of ``h36m-cameras.json``; :func:`read_cameras` reads it back."""
        cameras = {s: {c: camera.to_dict() for c, camera in views.items()} for s, views in self.cameras.items()}
        return json.dumps({"format": FORMAT, "source": self.source, "cameras": cameras}, indent=1)


def find_cameras(folder: Path, given: Path | str | None, solve: Callable[[], CameraTable]) -> CameraTable:
    """The calibration for a dataset in ``folder``: the file given, one found there, or the solution from its own data.

    Args:
        folder: of the npz pair.
        given: a file that :func:`read_cameras` knows; ``None`` to look in ``folder``.
        solve: called only if there is no file but ground-truth 2D.

    Raises:
        PrmlError: the file is not usable, or there is neither a file nor ground-truth 2D.
    """
    if given is not None:
        return read_cameras(given)
    for name in FILE_NAMES:
        if (folder / name).is_file():
            return read_cameras(folder / name)
    if not (folder / "data_2d_h36m_gt.npz").is_file():
        raise PrmlError(
            f"the Human3.6M npz files hold no calibration: put one of {', '.join(FILE_NAMES)} into {folder.name}, "
            "name one with cameras=, or add data_2d_h36m_gt.npz, from which it can be solved"
        )
    return solve()


def read_cameras(path: Path | str) -> CameraTable:
    """Read a calibration file of any of the four known layouts, by its name's ending.

    Raises:
        PrmlError: no such file, an unknown layout, missing cameras, or rotations that are none.
    """
    path = Path(path)
    readers: dict[str, Callable[[str, str], CameraTable]] = {
        ".json": from_json,
        ".xml": _from_xml,
        ".py": _from_literals,
    }
    if path.suffix not in readers:
        raise PrmlError(f"{path.name}: expected one of {', '.join(FILE_NAMES)} as calibration")
    with np.errstate(over="ignore", invalid="ignore"):  # lens() looks at what comes out
        table = guarded(
            path,
            lambda: readers[path.suffix](path.read_text(encoding="utf-8"), path.name),
            "it is not a Human3.6M calibration of a known layout",
        )
    if not table.cameras:
        raise PrmlError(f"{path.name}: the calibration is empty")
    return table


def lens(
    camera_id: str,
    focal: Float[np.ndarray, " 2"],
    centre: Float[np.ndarray, " 2"],
    radial: Float[np.ndarray, " 3"],
    tangential: Float[np.ndarray, " 2"],
    R: Float[np.ndarray, "3 3"],
    position_m: Float[np.ndarray, " 3"],
    source: str,
) -> Camera:
    """A camera from the release's parameters: pixels, its own tangential convention, and its position in the world."""
    if camera_id not in IMAGE_SIZE:
        raise PrmlError(f"{source}: unknown camera {camera_id!r}; Human3.6M has {', '.join(CAMERA_IDS)}")
    _check_numbers(source, camera_id, focal, centre, radial, tangential, R, position_m)
    if not np.allclose(R @ R.T, np.eye(3), atol=1e-3) or np.linalg.det(R) < 0:
        raise PrmlError(f"{source}: the orientation of camera {camera_id} is not a rotation")
    width, height = IMAGE_SIZE[camera_id]
    k1, k2, k3 = (float(v) for v in np.ravel(radial)[:3])
    p1, p2 = (TANGENTIAL_FACTOR * float(v) for v in np.ravel(tangential)[:2])
    return Camera(
        width,
        height,
        float(focal[0]),
        float(focal[1]),
        float(centre[0]),
        float(centre[1]),
        (k1, k2, k3),
        (p1, p2),
        R,
        -R @ position_m,
        source=source,
    )


def _check_numbers(source: str, camera_id: str, *values: Any) -> None:
    if not (np.abs(np.concatenate([np.ravel(v) for v in values])) < _MAX_NUMBER).all():
        raise PrmlError(f"{source}: camera {camera_id} has numbers that no lens and no room has")


def from_json(text: str, name: str) -> CameraTable:
    """Our ``h36m-cameras.json`` or the widespread ``camera-parameters.json``; ``name`` is for messages."""
    record = json.loads(text)
    if record.get("format") == FORMAT:
        cameras = {s: {c: Camera.from_dict(v) for c, v in views.items()} for s, views in record["cameras"].items()}
        for views in cameras.values():
            for camera_id, camera in views.items():
                _check_numbers(name, camera_id, camera.fx, camera.fy, camera.cx, camera.cy, *camera.radial, *camera.t_m)
                if IMAGE_SIZE.get(camera_id) != (camera.width, camera.height):
                    raise PrmlError(
                        f"{name}: camera {camera_id} of {camera.width} x {camera.height} px is none of "
                        f"Human3.6M's: {IMAGE_SIZE}; the names are shuffled or wrong"
                    )
        return CameraTable(cameras, str(record.get("source", name)))
    intrinsics: dict[str, dict[str, Any]] = record["intrinsics"]
    table: dict[str, dict[str, Camera]] = {}
    for subject, views in record["extrinsics"].items():
        for camera_id, view in views.items():
            K = np.array(intrinsics[camera_id]["calibration_matrix"], dtype=float)
            k1, k2, p1, p2, k3 = np.array(intrinsics[camera_id]["distortion"], dtype=float).ravel()[
                :5
            ]  # OpenCV's order
            R, t = np.array(view["R"], dtype=float), np.array(view["t"], dtype=float).ravel() / 1000
            table.setdefault(subject, {})[camera_id] = lens(
                camera_id, K[[0, 1], [0, 1]], K[:2, 2], np.array([k1, k2, k3]), np.array([p1, p2]), R, -R.T @ t, name
            )
    return CameraTable(table, name)


def _axis_rotation(axis: int, angle: float) -> np.ndarray:
    i, j = ((1, 2), (2, 0), (0, 1))[axis]
    R = np.eye(3)
    R[i, i] = R[j, j] = np.cos(angle)
    R[i, j], R[j, i] = -np.sin(angle), np.sin(angle)
    return R


def _from_xml(text: str, name: str) -> CameraTable:
    """``metadata.xml``: element ``w0`` holds 4 cameras x 11 subjects x 6 (angles, mm), then 4 x 9 numbers."""
    found = re.search(r"<w0>\s*\[(.*?)\]\s*</w0>", text, re.DOTALL)
    if not found:
        raise PrmlError(f"{name}: no element <w0>[...]</w0>; expected the metadata.xml of the Human3.6M release")
    w0 = np.array(found[1].split(), dtype=float)
    if w0.size != 300:
        raise PrmlError(f"{name}: expected 300 numbers in w0, got {w0.size}")
    outer, inner = w0[:264].reshape(4, 11, 6), w0[264:].reshape(4, 9)
    table: dict[str, dict[str, Camera]] = {}
    for c, camera_id in enumerate(CAMERA_IDS):
        for s in range(11):
            a, position = outer[c, s, :3], outer[c, s, 3:] / 1000
            R = _axis_rotation(0, a[0]) @ _axis_rotation(1, a[1]) @ _axis_rotation(2, a[2])
            f, centre, k, p = np.split(inner[c], [2, 4, 7])
            table.setdefault(f"S{s + 1}", {})[camera_id] = lens(camera_id, f, centre, k, p, R, position, name)
    return CameraTable(table, name)


def _from_literals(text: str, name: str) -> CameraTable:
    """The two literal tables of VideoPose3D's ``h36m_dataset.py``, evaluated as literals."""
    wanted = {"h36m_cameras_intrinsic_params", "h36m_cameras_extrinsic_params"}
    values: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # about code that is never run
        body = ast.parse(text).body
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in wanted:
            values[node.targets[0].id] = ast.literal_eval(node.value)
    if missing := sorted(wanted - set(values)):
        raise PrmlError(f"{name}: no table {missing[0]}; expected h36m_dataset.py of VideoPose3D")
    inner = values["h36m_cameras_intrinsic_params"]
    table: dict[str, dict[str, Camera]] = {}
    for subject, views in values["h36m_cameras_extrinsic_params"].items():
        for view, lens_of in zip(views, inner, strict=True):
            if not view:  # subjects of the withheld test set
                continue
            R = quaternion_to_matrix(np.array(view["orientation"], dtype=float)).T
            names = ("focal_length", "center", "radial_distortion", "tangential_distortion")
            f, centre, k, p = (np.array(lens_of[n], dtype=float) for n in names)
            position = np.array(view["translation"], dtype=float) / 1000
            table.setdefault(subject, {})[lens_of["id"]] = lens(lens_of["id"], f, centre, k, p, R, position, name)
    return CameraTable(table, name)


def quaternion_to_matrix(q: Float[np.ndarray, " 4"]) -> Float[np.ndarray, "3 3"]:
    """Rotation matrix of a quaternion (w, x, y, z) of any length."""
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
