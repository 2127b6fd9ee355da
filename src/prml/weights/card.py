"""Model cards: the description and location of a weights file. This module does not import torch."""

import os
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, get_type_hints

from prml.errors import PrmlError
from prml.io.plain_yaml import read_yaml
from prml.io.typed import check_values
from prml.networks import registry
from prml.normalise import check_strategy
from prml.sequence import check_fps
from prml.skeleton import joint_groups, skeleton

SCHEMA = "prml.card/1"
OPEN = "Apache-2.0"  # as this project, for weights that neither data nor earlier weights restrict
LIFTED = (  # skeleton and output
    ("h36m17", "camera_m"),
    ("h36m17", "image"),
    ("body28", "camera_m"),
    ("mpi_inf_3dhp17", "camera_mm"),
    ("mpi_inf_3dhp17", "image"),
)
OUTPUTS = ("camera_m", "camera_mm", "image")
PRETRAINED = "pretrained_on"  # entry of ``training`` of weights that have not learned 3D


@dataclass(frozen=True)
class Card:
    """The description of a weights file.

    Attributes:
        name: name of the record.
        network, arguments: registry name and all constructor arguments that differ from its defaults.
        skeleton: joint set of input and output.
        normalisation: input normalisation (``prml.normalise``).
        output: what the network returns: "camera_m" (root-relative metres in the frame of the normalised input),
            "image" (root-relative, in units of the normalised image: MotionBERT's 2.5D space), "camera_mm" (as
            camera_m in millimetres: other authors' weights for MPI-INF-3DHP). For MPI-INF-3DHP, "image" is millimetres
            over half the image's width.
        window: T.
        fps: frame rate of the training windows.
        flip: whether its scores average with the mirrored input.
        uncertainty: arguments of the head that predicts standard deviations; empty if there is none.
        temperature: joint group (:func:`prml.skeleton.joint_groups`) -> factors on the predicted standard deviations
            along x, y, z, fitted on validation subjects (``prml.evaluation.calibration``); 1 for groups left out.
        context: backbone (name, fingerprint) and crop rule of the image features used in training; empty if none.
        training: data, recipe, command, commit, versions, data hashes.
        data_licence, weights_licence: licences of training data and weights.
        scores: protocol -> metric -> mm.
        notes: anything else that users should know.
        sha256: hash of the weights file; set by :func:`save_record`.
    """

    name: str
    network: str
    arguments: dict[str, Any] = field(default_factory=dict)
    skeleton: str = "h36m17"
    normalisation: str = "virtual_camera"
    output: str = "camera_m"
    window: int = 243
    fps: float = 50.0
    flip: bool = True
    uncertainty: dict[str, Any] = field(default_factory=dict)
    temperature: dict[str, list[float]] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    data_licence: str = ""
    weights_licence: str = ""
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: str = ""
    sha256: str = ""
    schema: str = SCHEMA

    @property
    def imported(self) -> bool:
        """Whether the weights come from other authors (``prml import``)."""
        return "imported" in self.training

    def check_lifts(self) -> None:
        """Raise PrmlError for weights of a pre-training, whose pose heads have learned nothing."""
        if PRETRAINED in self.training:
            raise PrmlError(
                f"{self.name} is pre-trained on {self.training[PRETRAINED]} and has not learned 3D; start a training "
                "from it (network.start_from)"
            )

    def check_joints(self) -> None:
        """Raise PrmlError unless joints, unit and normalisation are a combination that all callers know."""
        along_rays = self.skeleton != "body28" or self.normalisation == "virtual_camera"
        flat = self.skeleton != "mpi_inf_3dhp17" or self.normalisation == "screen"
        if (self.skeleton, self.output) not in LIFTED or not along_rays or not flat:
            raise PrmlError(
                f"{self.name} is of {self.skeleton} joints in {self.output}, which is not lifted, scored or trained "
                "on here; choose weights of h36m17 in camera_m or image, of body28 in camera_m, or authors' "
                "checkpoints of mpi_inf_3dhp17"
            )


def bundled() -> dict[str, Path]:
    """Return names and cards of the bundled records."""
    folder = Path(str(files("prml.weights")))
    return {p.stem: p for p in sorted(folder.glob("*.yaml"))}


def find_record(name: str | os.PathLike[str]) -> Path:
    """Find the card of a bundled name, of a folder with one record (or one called ``best``), or of a weights file.

    Raises PrmlError if there is none.
    """
    known = bundled()
    if str(name) in known:
        return known[str(name)]
    path = Path(name)
    if path.is_dir():
        cards = [p for p in sorted(path.glob("*.yaml")) if p.with_suffix(".safetensors").is_file()]
        named = [p for p in cards if p.stem == "best"] or cards
        if len(named) == 1:
            return named[0]
        raise PrmlError(f"expected one weights record (name.safetensors + name.yaml) in {path}, found {len(cards)}")
    if path.suffix not in (".safetensors", ".yaml"):
        raise PrmlError(
            f"no weights called {name!s}; bundled are {', '.join(known) or 'none'}, else give a .safetensors file"
        )
    if not path.is_file():
        raise PrmlError(f"no file {path}")
    card = path.with_suffix(".yaml")
    if not card.is_file():
        raise PrmlError(
            f"{path.name} has no card: expected {card.name} next to it, which names the network of the weights"
        )
    return card


def read_card(path: str | os.PathLike[str]) -> Card:
    """Read a card; entries without a value are ignored.

    Raises:
        PrmlError: an entry is unknown, missing or of the wrong type, or the network, skeleton or normalisation is
            unknown.
    """
    path = Path(path)
    record = read_yaml(path)
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise PrmlError(f"{path.name} is not a model card of schema {SCHEMA}")
    if unknown := sorted(map(str, set(record) - {f.name for f in fields(Card)})):
        raise PrmlError(f"{path.name} has unknown entries {unknown}")
    if missing := [k for k in ("name", "network", "window", "sha256") if not record.get(k)]:
        raise PrmlError(f"{path.name} lacks {', '.join(missing)}")
    card = Card(**_checked({k: v for k, v in record.items() if v is not None}, path.name))
    registry.entry(card.network, may_import=False)  # a file does not choose which code runs
    skeleton(card.skeleton)
    check_strategy(card.normalisation)
    return card


def _checked(record: dict[str, Any], origin: str) -> dict[str, Any]:
    """Check the entries of a card against the types of :class:`Card`."""
    check_values(record, get_type_hints(Card), origin)
    if record["window"] < 1:
        raise PrmlError(f"{origin}: expected a window of at least 1 frame, got {record['window']}")
    if record.get("output", OUTPUTS[0]) not in OUTPUTS:
        raise PrmlError(f"{origin}: expected output {', '.join(OUTPUTS)}, got {record['output']!r}")
    _check_temperature(record, origin)
    if "fps" in record:
        check_fps(record["fps"], f"{origin}: fps")
    return record


def _check_temperature(record: dict[str, Any], origin: str) -> None:
    groups = joint_groups(skeleton(record.get("skeleton", "h36m17")))
    for group, factors in record.get("temperature", {}).items():
        if group not in groups or len(factors) != 3 or not all(0 < f < float("inf") for f in factors):
            raise PrmlError(
                f"{origin}: expected in temperature three positive factors for each of {', '.join(groups)}, "
                f"got {group!r}: {factors}"
            )
