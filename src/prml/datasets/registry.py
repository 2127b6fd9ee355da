"""Datasets by name and by path. For looking at data, training and scoring; each has its reader's module.

A dataset is one module with an entry (:class:`prml.datasets.base.Dataset`) and one line of ``_SHIPPED``. An outside
package adds one by an entry point of the group ``prml.datasets`` (see :mod:`prml.plugins`).
"""

from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from prml.errors import PrmlError
from prml.plugins import plugin, plugin_names

if TYPE_CHECKING:  # configurations ask for names, and load nothing for that
    from prml.datasets.base import Dataset
    from prml.sequence import PoseSequence

GROUP = "prml.datasets"
_SHIPPED = {
    "human36m": "prml.datasets.human36m:HUMAN36M",
    "human36m-sh": "prml.datasets.human36m_sh:HUMAN36M_SH",
    "3dhp": "prml.datasets.mpi_inf_3dhp:MPI_INF_3DHP",
    "3dpw": "prml.datasets.pw3d:PW3D",
    "3dpw-mesh": "prml.datasets.pw3d_mesh:PW3D_MESH",
    "mocap": "prml.datasets.mocap:MOCAP",
    "custom": "prml.datasets.custom:CUSTOM",
}
_LAST = "custom"  # takes any npz, and is asked when all others have said no


@cache
def _shipped(name: str) -> "Dataset":
    module, _, attribute = _SHIPPED[name].partition(":")
    found: Dataset = getattr(import_module(module), attribute)
    return found


def dataset_names() -> tuple[str, ...]:
    """The names of all datasets: ours, then those of outside packages. Nothing is imported."""
    ours = [name for name in _SHIPPED if name != _LAST]
    return (*ours, *(name for name in plugin_names(GROUP) if name not in _SHIPPED), _LAST)


def dataset(name: str) -> "Dataset":
    """A dataset by its name; raises PrmlError with the known names, or why an outside one is not available."""
    from prml.datasets.base import Dataset

    found = _shipped(name) if name in _SHIPPED else plugin(GROUP, name, Dataset)
    if found is None:
        raise PrmlError(f"unknown dataset {name!r}; expected one of {', '.join(dataset_names())}")
    return found


def dataset_at(path: Path) -> "Dataset":
    """The dataset at ``path``; raises PrmlError that says what is known, or that it is a part of one."""
    if not path.exists():
        raise PrmlError(f"{path}: no such file or folder")
    known = [dataset(name) for name in dataset_names()]
    found = next((d for d in known if d.detect(path)), None)
    if path.is_file() and (found is None or found.name == _LAST) and (whole := _whole_of(path, known)):
        raise PrmlError(f"{path.name}: part of a dataset of several files ({whole}); give the folder that holds it")
    if found is not None:
        return found
    if path.is_dir():
        folders = ", ".join(d.name for d in known if d.files)
        raise PrmlError(f"{path}: no dataset that is known here; expected the files of {folders}")
    raise PrmlError(f"{path.name}: expected .npz, .parquet or .pkl; motion files go through 'prml data import'")


def _whole_of(path: Path, known: "list[Dataset]") -> str | None:
    """The dataset of several files that a file is a part of, by its name."""
    names = ((d.name, pattern.rpartition("/")[2]) for d in known for pattern in d.files)
    return next((name for name, pattern in names if fnmatch(path.name, _any_option(pattern))), None)


def _any_option(pattern: str) -> str:
    head, _, rest = pattern.partition("{")
    return f"{head}*{rest.partition('}')[2]}" if rest else pattern


def open_any(path: Path) -> "tuple[Dataset, Iterator[PoseSequence]]":
    """The dataset at ``path`` and its sequences; raises PrmlError for what the reader finds wrong."""
    found = dataset_at(path)
    return found, found.sequences(path)
