"""The rule of the paper's Table 15: 14 joints regressed from the SMPL mesh, given the licensed files."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from prml.datasets.pw3d_mesh import DETECTIONS, FILES, MODEL, REGRESSOR, BodyModel, read_3dpw_mesh
from prml.evaluation.protocols.data import need_folder, sizes
from prml.sequence import PoseSequence


@dataclass(frozen=True)
class Pw3dMesh:
    """MotionBERT's test split of 3DPW, with targets from SMPL's mesh."""

    description: str = (
        "3DPW, test split as in MotionBERT's mesh_det_pw3d.pkl (35,515 frames with a detection), 30 frames/s"
    )
    files: str = FILES

    def read(self, data: Path | None, limit: int | None) -> Iterator[PoseSequence]:
        """Yield one sequence per person and video."""
        return islice(read_3dpw_mesh(need_folder(data, self.files)), limit)

    def stamp(self, data: Path | None) -> dict[str, str]:
        """Sizes of the files."""
        folder = need_folder(data, self.files)
        return sizes([folder / n for n in (DETECTIONS, REGRESSOR, f"{MODEL}.npz", f"{MODEL}.pkl")])


__all__ = ["BodyModel", "Pw3dMesh"]
