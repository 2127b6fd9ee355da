"""Datasets by path and by name, and one that an outside package adds: looked at, trained on, scored."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from fixtures.motion import clips
from fixtures.outside import outside_package
from prml.cli import main
from prml.datasets.base import Dataset
from prml.datasets.registry import dataset, dataset_at, dataset_names
from prml.errors import PrmlError
from prml.evaluation.protocols.data import DatasetSource
from prml.image_features.clips import clips_of
from prml.training.config import load_config
from prml.training.data import open_source

CODE = """
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from prml.camera import Camera
from prml.datasets.base import Dataset
from prml.sequence import PoseSequence
from prml.skeleton import H36M17


def read(folder: Path, split: str | None = None) -> Iterator[PoseSequence]:
    camera = Camera.from_fov(1000, 1000)
    for file in sorted(folder.glob(f"walks_{split or '*'}.npy")):
        for number, joints in enumerate(np.load(file)):
            seen = joints.astype(np.float32)
            yield PoseSequence.regular(
                len(seen), 50.0, H36M17, joints_m=seen, keypoints_px=camera.project(seen), camera=camera,
                confidence=np.ones(seen.shape[:2], np.float32), name=f"{file.stem}-{number}", subject="S1",
            )


WALKS = Dataset(
    "walks",
    "walks on a treadmill",
    lambda path: (path / "walks_train.npy").exists(),
    read,
    files=("walks_*.npy",),
    label="camera_m",
    licence="CC0",
    weights_licence="none",
)
"""


@pytest.fixture
def walks(tmp_path, monkeypatch):
    outside_package(monkeypatch, tmp_path, CODE, {"prml.datasets": {"walks": "WALKS"}})
    folder = tmp_path / "data"
    folder.mkdir()
    turned = np.stack([c[..., [0, 2, 1]] * [1, -1, 1] + [0, 0.9, 4] for c in clips(3, 60)])  # y down, z forward
    np.save(folder / "walks_train.npy", turned[:2])
    np.save(folder / "walks_test.npy", turned[2:])
    return folder


def test_a_dataset_from_outside_is_found_by_path_and_by_name(walks):
    found = dataset_at(walks)
    assert found is dataset("walks")
    assert found.name in dataset_names()
    assert [s.name for s in found.sequences(walks, "train")] == ["walks_train-0", "walks_train-1"]
    assert found.sizes(walks) == {p.name: f"{p.stat().st_size} bytes" for p in sorted(walks.iterdir())}


def test_it_is_looked_at(walks, tmp_path, capsys):
    main(["data", "check", str(walks), "--png", str(tmp_path / "look.png")])
    said = capsys.readouterr().out
    assert "walks on a treadmill" in " ".join(said.split())  # a long path breaks the line
    assert "3 clips, 180 frames" in said
    assert (tmp_path / "look.png").exists()


def test_it_is_the_source_of_a_protocol(walks):
    source = DatasetSource("walks", "one walk", "walks_test.npy")
    assert [s.name for s in source.read(walks, None)] == ["walks_test-0"]
    assert set(source.stamp(walks)) == {"walks_test.npy", "walks_train.npy"}


def test_its_videos_are_found(walks, tmp_path):
    for name in ("walks_train-0", "walks_train-1", "walks_test-0"):
        (tmp_path / "videos").mkdir(exist_ok=True)
        (tmp_path / "videos" / f"{name}.mp4").touch()
    made = clips_of(tmp_path / "videos", walks)
    assert [(c.frames.stem, c.split) for c in made] == [
        ("walks_train-0", "train"),
        ("walks_train-1", "train"),
        ("walks_test-0", "val"),
    ]


def test_a_configuration_names_it_and_it_is_trained_on(walks, tmp_path):
    config = {"data": {"kind": "walks", "directory": str(walks), "windows": {"frames": 27, "batch": 4}}}
    (tmp_path / "fit.yaml").write_text(yaml.safe_dump(config | {"network": {"arguments": {"frames": 27}}}))
    read = load_config(tmp_path / "fit.yaml")
    assert read.data.kind == "walks"
    source = open_source(read)
    assert (source.licence, source.weights_licence, source.output) == ("CC0", "none", "camera_m")
    assert source.hashes == dataset("walks").sizes(walks)
    assert len(source.train) > 0
    config["data"]["keypoints"] = "cpn"
    (tmp_path / "fit.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(PrmlError, match=r"data\.keypoints is for data\.kind human36m, not walks"):
        load_config(tmp_path / "fit.yaml")


@pytest.mark.usefixtures("walks")
def test_the_command_line_takes_its_name(tmp_path, capsys):
    (tmp_path / "fit.yaml").write_text("seed: 1")
    words = ["fit", str(tmp_path / "fit.yaml"), "--out", str(tmp_path / "o"), "--data.kind", "walks"]
    assert main(words) == 2
    assert "data.kind walks needs data.directory" in capsys.readouterr().err
    assert main([*words[:-1], "wolks"]) == 2
    assert "expected one of mocap, human36m" in capsys.readouterr().err


def test_a_dataset_that_cannot_be_trained_on_says_so(tmp_path):
    (tmp_path / "fit.yaml").write_text(f"data: {{kind: 3dpw, directory: '{tmp_path}'}}")
    with pytest.raises(PrmlError, match="the dataset 3dpw is not trained on as it is"):
        open_source(load_config(tmp_path / "fit.yaml"))


def test_every_shipped_dataset_describes_itself():
    for name in dataset_names():
        found = dataset(name)
        assert isinstance(found, Dataset)
        assert found.name == name
        assert found.description
        assert found.licence


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nothing", "no such file or folder"),
        (".", "no dataset that is known here; expected the files of human36m, human36m-sh, 3dhp, 3dpw"),
        ("data_2d_h36m_gt.npz", r"part of a dataset of several files \(human36m\); give the folder"),
        ("data_train_3dhp.npz", r"part of a dataset of several files \(3dhp\)"),
        ("annot.mat", r"part of a dataset of several files \(3dhp\)"),
        ("take.bvh", "motion files go through 'prml data import'"),
    ],
)
def test_what_is_not_a_dataset_is_said(tmp_path, name, line):
    if name not in ("nothing", "."):
        (tmp_path / name).write_bytes(b"PK\x05\x06" + bytes(18))  # an empty archive
    with pytest.raises(PrmlError, match=line):
        dataset_at(tmp_path / Path(name))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        PrmlError, match="unknown dataset 'coco'; expected one of human36m, human36m-sh, 3dhp, 3dpw, 3dpw-mesh, mocap"
    ):
        dataset("coco")
