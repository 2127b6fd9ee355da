"""Which video belongs to which poses: the clips to compute features of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from prml.camera import Camera
from prml.datasets.registry import dataset_at
from prml.errors import PrmlError
from prml.image_features.build import Clip
from prml.io.entries import load_entries
from prml.io.keypoints import SCHEMA as KEYPOINTS
from prml.io.keypoints import read_keypoints
from prml.io.npz import npz_keys
from prml.io.poses import SCHEMAS as POSES
from prml.io.poses import read_poses
from prml.io.sequences import SCHEMA as OWN
from prml.io.sequences import read_sequences
from prml.media.image_folder import IMAGE_SUFFIXES
from prml.sequence import PoseSequence

Split = Literal["train", "val"]
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")


def clips_of(images: Path, poses: Path, *, split: Split = "train", keypoints: str = "cpn_ft_h36m_dbb") -> list[Clip]:
    """Clips with their frames.

    Args:
        images: video or folder of images of one clip; for several clips the folder that holds them: NAME.mp4 (or
            another ending) or the folder NAME of images for the clip NAME, for Human3.6M also the release's
            ``S9/Videos/Walking 1.54138969.mp4``.
        poses: result of ``prml lift`` (poses.npz or .json), keypoint file (2D only, not for training), file in the
            schema of ``prml.io.sequences``, or the folder of a dataset with videos, such as Human3.6M's npz pair.
        split: of files that do not state one.
        keypoints: 2D file of Human3.6M.

    Raises:
        PrmlError: files that cannot be read, or a clip without its video.
    """
    if poses.is_dir():
        return list(_of_dataset(images, poses, keypoints))
    if not poses.is_file():
        raise PrmlError(f"no file or folder {poses}; give poses.npz of 'prml lift', or another file with 2D and 3D")
    if poses.suffix == ".parquet" or (poses.suffix == ".npz" and "format" in npz_keys(poses)):
        sequences = list(read_sequences(poses))
        if len(sequences) == 1 and not _named(images, sequences[0].name):
            return [Clip(sequences[0], images, _split(sequences[0]))]
        return [Clip(s, _frames_of(images, s), _split(s)) for s in sequences]
    return [Clip(_single(poses, images), images, split)]


def _single(poses: Path, images: Path) -> PoseSequence:
    record = load_entries(poses)
    schema = record.entries.get("schema")
    if schema not in (*POSES, KEYPOINTS):
        raise record.fail(f"expected {', '.join(POSES)}, {KEYPOINTS} or {OWN}, got {schema!r}; see docs/file_schema.md")
    s = read_poses(poses) if schema in POSES else read_keypoints(poses)
    if s.camera is None and s.image_size is not None:
        s = s.with_(camera=Camera.from_fov(*s.image_size))
    return s if s.name else s.with_(name=images.stem)


def _split(sequence: PoseSequence) -> Split:
    return "train" if sequence.labels.get("split", "train") == "train" else "val"


def _named(images: Path, name: str) -> Path | None:
    candidates = [images / f"{name}{suffix}" for suffix in VIDEO_SUFFIXES]
    if (found := next((p for p in candidates if p.is_file()), None)) is not None:
        return found
    folder = images / name
    holds = folder.is_dir() and any(p.suffix.lower() in IMAGE_SUFFIXES for p in folder.iterdir())
    return folder if holds else None


def _frames_of(images: Path, sequence: PoseSequence) -> Path:
    if (found := _named(images, sequence.name)) is None:
        raise PrmlError(
            f"no video of the clip {sequence.name!r} in {images}: expected {sequence.name}.mp4 (avi, mov, mkv, webm) "
            f"or a folder {sequence.name} with its images"
        )
    return found


def _of_dataset(images: Path, poses: Path, keypoints: str) -> Iterator[Clip]:
    found = dataset_at(poses)
    splits: tuple[tuple[str, Split], ...] = (("train", "train"), ("test", "val"))
    for name, split in splits:
        for s in found.sequences(poses, name, keypoints=keypoints):
            frames = next((p for n in found.video_names(s) if (p := _named(images, n)) is not None), None)
            yield Clip(s, frames or _frames_of(images, s), split, found.label or "camera_m")
