"""Import checkpoints of other papers, without running any code in them, as a network and a card.

Authors publish various kinds of pickles: a bare state_dict, or a dictionary with the state_dict, the optimiser and the
random state of numpy. They are read with torch's restricted unpickler. The few numpy names in them are allowed as empty
stand-ins, so that not even numpy is called.
"""

import mmap
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from prml.errors import PrmlError
from prml.io.guard import one_line, what_instead
from prml.io.npz import check_directory
from prml.io.pickle_scan import scan
from prml.networks import registry
from prml.networks.base import Network
from prml.networks.published.convert import from_published, published_arguments, strip_common
from prml.weights.checks import check_tensors
from prml.weights.record import Card

Dataset = Literal["h36m", "3dhp"]
# keys of the weights in the authors' dictionaries, in order of preference
CONTAINERS = ("model_pos", "model", "state_dict", "model_state_dict")
_NOTHING = (  # numpy's random state and numbers, options of a program, paths, and the types of missing values
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.random._pickle.__randomstate_ctor",
    "numpy.random._pickle.__bit_generator_ctor",
    "numpy.random._mt19937.MT19937",
    "numpy.random.__RandomState_ctor",
    "numpy.random.mtrand.__RandomState_ctor",
    "numpy.random.RandomState",
    "numpy.random.mtrand.RandomState",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    "argparse.Namespace",
    "types.SimpleNamespace",
    *(f"{module}.{name}Path" for module in ("pathlib", "pathlib._local") for name in ("Posix", "Windows", "PurePosix")),
    *(f"builtins.{name}" for name in ("bool", "dict", "float", "int", "list", "str", "tuple")),
)
_LEGACY_PICKLES = 5  # in the format before zip: a magic number, version, system, the content, the names of its storages
_DICTIONARIES = ("easydict.EasyDict", "addict.addict.Dict", "yacs.config.CfgNode")


class _Nothing:
    """Stand-in for any object in a checkpoint that is neither a tensor nor a plain value."""

    def __new__(cls, *_: Any, **__: Any) -> "_Nothing":
        """Accept and ignore any arguments."""
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        """Ignore the state."""


def _dictionary(*_: Any) -> dict[Any, Any]:
    """Stand-in for ``defaultdict``; its default factory is ignored."""
    return {}


def _stand_ins() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    named = [(_Nothing, name) for name in _NOTHING] + [(OrderedDict, name) for name in _DICTIONARIES]
    return [*named, (_dictionary, "collections.defaultdict")]


def read_checkpoint(file: str | os.PathLike[str]) -> Any:
    """Read a pickled checkpoint: tensors and plain containers; options and numpy objects become empty stand-ins.

    Raises:
        PrmlError: the file is missing, not a torch checkpoint, or refers to other objects (named; no code was run).
    """
    path = Path(file)
    if not path.is_file():
        raise PrmlError(f"no file {path}")
    try:
        _check_limits(path)
        with torch.serialization.safe_globals(_stand_ins()):
            return _plain_containers(torch.load(path, map_location="cpu", weights_only=True))
    except PrmlError as error:
        raise PrmlError(f"{path.name}: {error}") from error.__cause__
    except Exception as error:  # torch, zipfile and pickle each raise different errors for a damaged file
        raise PrmlError(f"{path.name}: {what_instead(path) or _what_it_asks(error)}") from error


def _check_limits(path: Path) -> None:
    """Scan the pickles of a checkpoint before torch builds anything; see :mod:`prml.io.pickle_scan`."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            check_directory(archive)
            for name in archive.namelist():
                if name.endswith(".pkl"):
                    scan(archive.read(name), admit=None)
        return
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as held:
        end = 0
        for _ in range(_LEGACY_PICKLES):
            end = scan(held, end, admit=None)


def _what_it_asks(error: Exception) -> str:
    asked = re.search(r"(?:Unsupported global: GLOBAL|unsupported GLOBAL) ([\w.]+)", str(error))
    if asked:
        return (
            f"it contains an object of {asked[1]}, which only the program that wrote it can read (nothing was run); "
            "there, save only the weights: torch.save(model.state_dict(), FILE)"
        )
    if isinstance(error, pickle.UnpicklingError) and "weights" in str(error).lower():
        return "not a checkpoint of weights and plain values; it is damaged or of another format, get it again"
    return f"not a readable torch checkpoint ({one_line(error)}); it is damaged, get it again"


def _plain_containers(value: Any, depth: int = 2) -> Any:
    """Convert dictionaries of any kind to plain ones, down to the depth at which weights may be."""
    if not isinstance(value, dict) or not depth:
        return value
    return {key: _plain_containers(dict.__getitem__(value, key), depth - 1) for key in dict.keys(value)}


def _is_state_dict(content: Any) -> bool:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items())
    )


def state_dict_of(content: Any, origin: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the weights in the content of a checkpoint, and the plain values next to them (epoch, learning rate ...).

    Raises:
        PrmlError: there are no weights at the top level or under the usual keys.
    """
    if _is_state_dict(content):
        return dict(content), {}
    if isinstance(content, Mapping):
        for key in CONTAINERS:
            if _is_state_dict(content.get(key)):
                facts = {k: v for k, v in content.items() if isinstance(v, int | float | str) and isinstance(k, str)}
                return dict(content[key]), facts
    found = f"a {type(content).__name__}"
    if isinstance(content, Mapping):
        found = f"a dictionary of {one_line(', '.join(map(str, list(content)[:6]))) or 'nothing'}"
    raise PrmlError(
        f"{origin} has no weights: expected a state_dict, alone or as {', '.join(CONTAINERS)}; found {found}"
    )


def _refuse_mesh(name: str, state: Mapping[str, Tensor]) -> None:
    keys = {key.split(".")[0] for key in strip_common(state)}
    if registry.entry(name).name.startswith("motionbert") and keys == {"backbone", "head"}:
        raise PrmlError(
            "this is MotionBERT's mesh model: its head regresses SMPL parameters and its lifting head was not trained; "
            "import a pose3d checkpoint (its weights are under 'model_pos')"
        )


def read_published(
    name: str,
    file: str | os.PathLike[str],
    *,
    dataset: Dataset = "h36m",
    rootrel: bool | None = None,
    **arguments: Any,
) -> tuple[Network, Card]:
    """Read a checkpoint as published by its authors.

    Args:
        name: registry name.
        file: path of the checkpoint, in any of the authors' containers.
        dataset: training data of the authors; a file does not state it, and the shapes are the same.
        rootrel: MotionBERT's option of that name, for its checkpoints: whether poses are relative to the root. None
            recognises it by the names of the file and its folder, or by what the network answers.
        arguments: arguments of the network that the shapes do not determine, by our names or the authors'.

    Returns:
        The network, in evaluation mode, and the card of its record.

    Raises:
        PrmlError: the file cannot be read, a key (named in the message) does not fit the network, or nothing tells
            ``rootrel``.
    """
    state, facts = state_dict_of(read_checkpoint(file), Path(file).name)
    check_tensors(state, Path(file).name)
    _refuse_mesh(name, state)
    network = from_published(name, state, **arguments)
    own = published_arguments(name, state, **arguments)
    scoring = _scoring(registry.entry(name), dataset)
    if registry.entry(name).name.startswith("motionbert"):
        absolute = not (root_relative(Path(file), network) if rootrel is None else rootrel)
        scoring |= {"root": "subtract"} if absolute else {}
    elif rootrel is not None:
        raise PrmlError(f"rootrel is an option of MotionBERT's, not of {name}'s; leave it out")
    return network, _card(name, network, own, facts, Path(file), dataset, scoring)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _trained_on(dataset: Dataset, entry: registry.NetworkEntry) -> dict[str, Any]:
    """Return joints, unit, rate and licence of the authors' data, as entries of a card."""
    if dataset == "3dhp":  # P-STMO's files, which all of them use; 25 Hz except for 5 of the 16 training clips
        unit = "camera_mm" if entry.space == "camera_m" else entry.space
        return {
            "skeleton": "mpi_inf_3dhp17",
            "output": unit,
            "fps": 25.0,
            "data_licence": "MPI-INF-3DHP: non-commercial research only",
        }
    rate = 50.0 / entry.dilation  # the authors' window takes every n-th frame of 50 Hz
    return {"skeleton": "h36m17", "output": entry.space, "fps": rate, "data_licence": "Human3.6M: academic use only"}


def _protocol(dataset: Dataset, entry: registry.NetworkEntry) -> str:
    if dataset == "3dhp":
        return "3dhp-gt"
    return "h36m-sh-2.5d" if entry.space == "image" else "h36m-cpn"


def _scoring(entry: registry.NetworkEntry, dataset: Dataset) -> dict[str, Any]:
    """Under which protocols the authors' own rules hold, and what they are."""
    image = ["h36m-sh-2.5d", "h36m-gt-orthographic", "h36m-gt-pasted"]
    camera = ["h36m-cpn", "h36m-gt-projected"]
    protocols = ["3dhp-gt"] if dataset == "3dhp" else image if entry.space == "image" else camera
    rate = 1 if dataset == "3dhp" else entry.dilation
    return {"protocols": protocols, "flip": True, "stride": rate, **entry.scoring.get(dataset, {})}


_ABSOLUTE = re.compile(r"global|pretrain", re.IGNORECASE)  # MB_ft_h36m_global.yaml, MB_pretrain.yaml
_RELATIVE = re.compile(r"(train|ft)_h36m", re.IGNORECASE)  # MB_train_h36m.yaml, MB_ft_h36m.yaml
_STANDING = (  # x, y of somebody who stands, in H36M17, half an image's width being 1
    *((0, 0), (-0.05, 0), (-0.05, 0.2), (-0.05, 0.38), (0.05, 0), (0.05, 0.2), (0.05, 0.38), (0, -0.12), (0, -0.24)),
    *((0, -0.28), (0, -0.34), (0.08, -0.22), (0.1, -0.1), (0.1, 0.02), (-0.08, -0.22), (-0.1, -0.1), (-0.1, 0.02)),
)
_PROBES = ((-0.45, 0.1), (0.45, -0.1))  # where people stand in the normalised image
_FOLLOWS, _STAYS, _SMALL = 0.7, 0.1, 0.1


def root_relative(file: Path, network: Network) -> bool:
    """Whether a checkpoint of MotionBERT was trained with ``rootrel: True``.

    Its configurations say so, and folders are named after them; else two people at different places of the image tell:
    an absolute network's root follows them, a relative one's stays at 0.

    Raises:
        PrmlError: neither the names nor the answers tell.
    """
    named = "/".join(file.absolute().parts[-2:])
    if _ABSOLUTE.search(named) or _RELATIVE.search(named):
        return not _ABSOLUTE.search(named)
    at = torch.tensor(_PROBES)
    given = torch.ones(len(at), network.frames, 17, network.in_channels)
    given[..., :2] = torch.tensor(_STANDING) + at[:, None, None]
    with torch.inference_mode():
        answer = network(given)[..., :2].mean(1)
    moved, by = answer[1, 0] - answer[0, 0], at[1] - at[0]
    follows = float(moved @ by / (by @ by))
    size = float((answer - answer[:, :1]).norm(dim=-1).mean())
    if follows > _FOLLOWS:
        return False
    if abs(follows) < _STAYS and float(answer[:, 0].norm(dim=-1).mean()) < _SMALL * size:
        return True
    raise PrmlError(
        f"{file.name}: nothing tells whether it was trained with rootrel: True (MB_train_h36m, MB_ft_h36m) or False "
        "(MB_ft_h36m_global, MB_pretrain); give rootrel=True or rootrel=False"
    )


def _card(
    name: str,
    network: Network,
    arguments: Mapping[str, Any],
    facts: Mapping[str, Any],
    file: Path,
    dataset: Dataset,
    scoring: Mapping[str, Any],
) -> Card:
    """Make a card from what the authors state and what their code does."""
    import hashlib

    entry = registry.entry(name)
    unstated = "not stated (the authors' repository has no licence)"
    return Card(
        name=entry.name,
        network=entry.name,
        arguments={k: _plain(v) for k, v in arguments.items() if entry.arguments.get(k) != v},
        normalisation="screen",
        window=network.frames,
        flip=True,
        training={
            "imported": {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), **facts},
            "paper": f"{entry.paper} ({entry.venue} {entry.year})",
            "protocol": _protocol(dataset, entry),
            **({"dilation": entry.dilation} if dataset == "h36m" else {}),
            "scoring": dict(scoring),
        },
        weights_licence=unstated if entry.code_licence == "none" else entry.code_licence,
        notes=f"Imported from the authors' checkpoint; its accuracy was not measured here. {entry.notes}".strip(),
        **_trained_on(dataset, entry),
    )
