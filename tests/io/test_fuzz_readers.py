"""Every reader on damaged files: a result or one line that says what is wrong, and nothing else."""

import shutil
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

from fixtures.mutations import damage
from fixtures.targets import TARGETS, Target
from prml.datasets import registry as datasets
from prml.errors import PrmlError
from prml.io import registry


def examine(target: Target, folder: Path) -> str | None:
    """What goes wrong when the target's file is read: neither a result nor one line. None if nothing does."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            target.read(folder)
        except PrmlError as error:
            text = str(error)
            if "\n" in text or len(text) > 600 or not text.isprintable():
                return f"not one short line: {text!r}"
        except Exception as error:
            import traceback

            at = traceback.extract_tb(error.__traceback__)
            ours = [f"{Path(f.filename).name}:{f.lineno}" for f in at if "prml" in f.filename]
            return f"{type(error).__name__}: {error} at {' '.join(ours[-3:])}"
    kinds = {(w.category.__name__, str(w.message)) for w in caught if not issubclass(w.category, DeprecationWarning)}
    return f"warns: {kinds}" if kinds else None


def faults(name: str, folder: Path, share: float) -> dict[str, int]:
    """Every kind of fault among a share of the damaged files of a target, with the first case that shows it."""
    target = TARGETS[name]()
    if target.needs:
        pytest.importorskip(target.needs)
    sound, work = folder / "sound", folder / "work"
    sound.mkdir()
    target.write(sound)
    shutil.copytree(sound, work)
    assert examine(target, work) is None, "the sound file"
    raw = (sound / target.file).read_bytes()
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    found: dict[str, int] = {}
    for case in range(max(2, int(share * target.cases))):
        damage(rng, work / target.file, target.form, raw)
        if wrong := examine(target, work):
            found.setdefault(wrong[:300], case)
    return found


@pytest.mark.parametrize("name", TARGETS)
def test_a_damaged_file_gives_a_result_or_one_line(name, tmp_path):
    assert not faults(name, tmp_path, 1 / 10)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many_damaged_files_give_results_or_one_line(name, tmp_path):
    assert not faults(name, tmp_path, 1.0)


def test_every_format_and_dataset_is_among_them():
    """What is registered here and read has a damaged file, which is named after it."""
    readers = {name for name in registry._SHIPPED if registry.get_format(name).read is not None}
    ours = {*readers, *datasets._SHIPPED}
    assert {name for name in ours if not any(name in target for target in TARGETS)} == set()
