"""Which data a configuration names: training windows, validation batches, and what a model card says of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from prml.batches.noise import measured_noise
from prml.batches.options import HideOptions, MotionOptions
from prml.batches.sequence_windows import SequenceRule, SequenceWindows
from prml.batches.training_windows import Batch, MocapWindows, Windows
from prml.datasets.base import NONCOMMERCIAL
from prml.datasets.mocap import MocapSet, load_sets
from prml.datasets.registry import dataset, dataset_at
from prml.errors import PrmlError
from prml.image_features.cache import INDEX, FeatureCache
from prml.image_features.feature_windows import FeatureWindows
from prml.networks import registry
from prml.networks.meta import on_meta
from prml.sequence import PoseSequence
from prml.skeleton import H36M17, Skeleton
from prml.training.config import (
    DataConfig,
    FeaturesData,
    FitConfig,
    Human36mShData,
    MocapData,
    skeleton_of,
)
from prml.weights.record import OPEN

_VALIDATION_SEED = 7
_SHORT = {  # how the licences of the shipped sets begin -> what cards say, for all their terms are in THIRD_PARTY.md
    "CMU Graphics Lab Motion Capture Database terms": "CMU terms (commercial products allowed, no resale of the data)",
    "Open Data Commons Public Domain Dedication and License (PDDL) v1.0": "PDDL 1.0",
}


@dataclass(frozen=True)
class Source:
    """Training and validation windows, and facts for the card.

    Attributes:
        train, validation: windows.
        normalisation, output: as in :class:`prml.weights.record.Card`.
        licence, weights_licence: of the data, and of what is trained on them.
        hashes: data file -> SHA-256 (size for files that are too large to hash at every start).
        split: clips that are trained on.
        context: as in :class:`prml.weights.record.Card`.
        skeleton: joints of the windows.
    """

    train: Windows
    validation: Windows
    normalisation: str
    output: str
    licence: str
    weights_licence: str
    hashes: dict[str, str]
    split: str = "train"
    context: dict[str, Any] = field(default_factory=dict)
    skeleton: Skeleton = H36M17

    def validation_batch(self, count: int) -> Batch:
        """``count`` windows, evenly spread, the same in every run with the same options."""
        chosen = np.linspace(0, len(self.validation.index) - 1, min(count, len(self.validation.index))).astype(int)
        parts = [
            self.validation.make(
                np.random.default_rng([_VALIDATION_SEED, i]), self.validation.index[chosen[i : i + 16]]
            )
            for i in range(0, len(chosen), 16)
        ]
        return {k: torch.cat([p[k] for p in parts]) for k in parts[0]}


def open_source(config: FitConfig) -> Source:
    """Open the data of a configuration; raises PrmlError if files are missing or wrong."""
    data = config.data
    needed, features = _needs_images(config), isinstance(data, FeaturesData)
    if needed and not features:
        raise PrmlError(
            f"{config.network.name} needs image features beside the 2D: data.kind features, with a cache made by "
            "'prml data features'"
        )
    if features and not needed:
        raise PrmlError(
            f"{config.network.name} takes no image features; data.kind features is for capf and its like, and for prml "
            "with network.arguments.image_features"
        )
    if features:
        return _features(config)
    return _mocap(data, config.seed) if isinstance(data, MocapData) else _licensed(data, config.seed)


def _needs_images(config: FitConfig) -> bool:
    """Whether the network needs image features; PrmlError for an argument that it cannot have."""
    return registry.entry(config.network.name).needs_images(config.network.arguments)


def _features(config: FitConfig) -> Source:
    data = config.data
    if not data.directory:
        raise PrmlError("data.kind features needs data.directory, a cache or a folder of caches ('prml data features')")
    folder = Path(data.directory)
    places = [folder] if (folder / INDEX).is_file() else sorted(p.parent for p in folder.glob(f"*/{INDEX}"))
    if not places:
        raise PrmlError(f"no feature cache in {folder}; make one with 'prml data features'")
    caches = [FeatureCache(place) for place in places]
    _check_channels(config, caches[0])
    still = replace(data.windows, flip=0.0, stride=data.windows.frames)
    licence = "; ".join(dict.fromkeys(str(c.index["options"]["licence"]) for c in caches))
    return Source(
        FeatureWindows(caches, data.windows, part="train", seed=config.seed),
        FeatureWindows(caches, still, part="val", seed=_VALIDATION_SEED),
        "screen",
        caches[0].label,
        licence,
        f"that of the data: {licence}",
        {p.name: str(c.index["clips_sha256"]) for p, c in zip(places, caches, strict=True)},
        context={**caches[0].index["backbone"], "crop": caches[0].index["crop"]},
    )


def _check_channels(config: FitConfig, cache: FeatureCache) -> None:
    with on_meta():
        network = registry.build(config.network.name, **config.network.arguments)
    given, wanted = [shape[0] for shape in cache.shapes], list(network.image_channels)
    if given != wanted:
        raise PrmlError(
            f"{config.network.name} takes maps of {wanted} channels, the cache has {given}; "
            f"set network.arguments.features to {given}, or use another backbone"
        )


def _mocap(data: MocapData, seed: int) -> Source:
    sets = load_sets(tuple(data.sets), data.directory)
    noise = measured_noise() if data.noise else None
    still = replace(
        data.windows,
        flip=0.0,
        speed=(1.0, 1.0),
        scale=(1.0, 1.0),
        motion=MotionOptions(),
        video=replace(data.windows.video, bodies=0.0, children=0.0, sitting=0.0),
        hide=HideOptions(),
        clean=0.0,
        batch=16,
        stride=data.windows.frames,
    )
    bound, skeleton = any(s.noncommercial for s in sets), skeleton_of(data)
    return Source(
        MocapWindows(sets, data.windows, noise, seed=seed, split=data.split, skeleton=skeleton),
        MocapWindows(sets, still, noise, seed=_VALIDATION_SEED, split=data.split, part="val", skeleton=skeleton),
        "virtual_camera",
        "camera_m",
        _mocap_licence(sets),
        NONCOMMERCIAL if bound else OPEN,
        {s.path.name: s.sha256 for s in sets},
        data.split,
        skeleton=skeleton,
    )


def _mocap_licence(sets: list[MocapSet]) -> str:
    """What the sets say of themselves, those that need the most words with the name of their file."""
    words = dict[str, None]()
    for s in sets:
        short = None if s.noncommercial else _SHORT.get(s.licence.partition(":")[0])
        words[short or f"{s.licence} ({s.path.name}{', non-commercial' if s.noncommercial else ''})"] = None
    listed = " and ".join(words)
    return f"{listed}; see THIRD_PARTY.md" if any(w in _SHORT.values() for w in words) else listed


def _licensed(data: DataConfig, seed: int) -> Source:
    if not data.directory:
        raise PrmlError(f"data.kind {data.kind} needs data.directory, the folder with its official files")
    folder = Path(data.directory)
    found = dataset(data.kind)
    _not_motion_capture(data, folder)
    if found.label is None:
        raise PrmlError(f"the dataset {found.name} is not trained on as it is; its sequences lack what networks learn")
    from_label = isinstance(data, Human36mShData) and data.input_from_label
    rule = SequenceRule(found.label, from_label, data.windows.in_channels)
    still = replace(data.windows, flip=0.0, stride=data.windows.frames)
    train, test = _sequences(data, folder, train=True), _sequences(data, folder, train=False)
    return Source(
        SequenceWindows(train, rule, data.windows, seed=seed),
        SequenceWindows(test, rule, still, seed=_VALIDATION_SEED),
        "screen",
        rule.label,
        found.licence,
        found.weights_licence,
        found.sizes(folder, **_reader_options(data)),
    )


def _not_motion_capture(data: DataConfig, file: Path) -> None:
    """Raise PrmlError for a file of motion capture, whose windows need virtual cameras."""
    if data.kind == "custom" and file.is_file() and dataset_at(file).name == "mocap":
        raise PrmlError(
            f"{file.name} is motion capture; train on it with data.kind mocap, data.directory {file.parent} and "
            f"data.sets [{file.stem}]"
        )


def _sequences(data: DataConfig, folder: Path, train: bool) -> Iterator[PoseSequence]:
    """Training sequences, or those that the data set's protocol scores (damaged videos and invalid frames left out)."""
    from prml.evaluation import protocols

    found = dataset(data.kind)
    if not train and found.validation:
        return protocols.get(found.validation).sequences(folder)
    return found.sequences(folder, "train" if train else "test", **_reader_options(data))


def _reader_options(data: DataConfig) -> dict[str, Any]:
    """The options that belong to a kind of data alone; its dataset takes those that it knows."""
    common = {f.name for f in fields(DataConfig)}
    return {f.name: getattr(data, f.name) for f in fields(data) if f.name not in common}
