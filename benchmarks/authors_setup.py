"""What the comparisons with the authors' code share: whose code, its weights and configuration, the made-up files.

``against_authors.py`` compares scores, ``authors_step.py`` a training step.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests"), str(ROOT / "tests" / "networks")]

import torch  # noqa: E402
import yaml  # noqa: E402

from fixtures import human36m, mpi_inf_3dhp  # noqa: E402
from fixtures.peer_step import weights  # noqa: E402
from prml.datasets.human36m import ACTIONS  # noqa: E402
from prml.datasets.human36m_cameras import read_cameras  # noqa: E402

SEED = 3  # of the weights


@dataclass(frozen=True)
class Code:
    """The code of the authors of a network.

    Attributes:
        repository: folder of the checkout.
        network, arguments: ours.
        file: name of the checkpoint; ``key`` of the weights in it ("" for a bare state_dict); ``prefix`` of the names.
        beside: what the checkpoint holds beside the weights.
        config: their configuration file and what is changed in it.
    """

    repository: str
    network: str
    arguments: Mapping[str, Any]
    file: str = "net.bin"
    key: str = "model_pos"
    prefix: str = ""
    beside: Mapping[str, Any] = field(default_factory=dict)
    config: tuple[str, Mapping[str, Any]] | None = None

    def prepare(self, checkout: Path, work: Path, data: Path) -> dict[str, str]:
        """Lay the weights, the configuration and the data into a folder; returns what {file}, ... stand for."""
        for name in ("data", "dataset"):
            (work / name).symlink_to(data)
        path = work / self.file
        state = {self.prefix + k: v for k, v in weights(self.network, self.arguments, SEED).items()}
        torch.save({self.key: state, "epoch": 0, "lr": 1e-3, **self.beside} if self.key else state, path)
        known = {"file": str(path), "name": path.name}
        if self.config:
            source, changes = self.config
            values = yaml.safe_load((checkout / source).read_text(encoding="utf-8")) | dict(changes)
            known["config"] = str(work / "config.yaml")
            Path(known["config"]).write_text(yaml.safe_dump(values), encoding="utf-8")
        return known


def commit_of(checkout: Path) -> str:
    """The commit of a checkout, from a file COMMIT beside the code or from git."""
    if (stated := checkout / "COMMIT").is_file():
        return stated.read_text(encoding="utf-8").strip()
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def make_files(folder: Path, checkouts: Path) -> None:
    """The official files of Human3.6M (both kinds) and MPI-INF-3DHP, small; the cameras are VideoPose3D's list."""
    calibration = checkouts / "VideoPose3D" / "common" / "h36m_dataset.py"
    cameras = {
        subject: {
            c: {
                "f": (view.fx, view.fy),
                "c": (view.cx, view.cy),
                "k": (0.0, 0.0, 0.0),
                "p": (0.0, 0.0),
                "R": view.R_world_to_camera,
                "position": -view.R_world_to_camera.T @ view.t_m,
            }
            for c, view in views.items()
        }
        for subject, views in read_cameras(calibration).cameras.items()
    }
    named = tuple(f"{a} 1" if i % 2 else a for i, a in enumerate(ACTIONS[1:]))
    human36m.write_npz_pair(folder, actions=("Directions 1", *named), frames=35, cameras=cameras)
    shutil.copy(calibration, folder / "h36m_dataset.py")
    human36m.write_sh_pickle(folder / "motion3d" / "h36m_sh_conf_cam_source_final.pkl", frames=250, short=False)
    (folder / "h36m_sh_conf_cam_source_final.pkl").symlink_to(folder / "motion3d" / "h36m_sh_conf_cam_source_final.pkl")
    for place in (folder, folder / "motion3d"):
        mpi_inf_3dhp.write_test_npz(place, frames=40)
        mpi_inf_3dhp.write_train_npz(place, frames=20)
