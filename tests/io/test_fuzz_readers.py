"""Every reader on damaged files: a result or one line that says what is wrong, and nothing else.

The slow tests read 60 files with every reader, or as many as ``PRML_FUZZ`` says; 2,000 are
read by ``benchmarks/fuzz_readers.py``, whose ``results/fuzz.json`` says what came of it.
"""

import os

import pytest

from fixtures.fuzz import fast_native, read_damaged
from fixtures.targets import TARGETS
from fixtures.targets.files import FILES
from prml.datasets import registry as datasets
from prml.io import registry

INPUTS = int(os.environ.get("PRML_FUZZ", "60"))


def _faults(name: str, folder, mutations: int, made_up: int) -> dict[str, int]:
    target = TARGETS[name]()
    if target.needs:
        pytest.importorskip(target.needs)
    share = min(1.0, target.cases / 200)  # what takes long gets fewer
    found = read_damaged(name, folder, max(2, int(share * mutations)), int(share * made_up))
    return found.faults


@pytest.mark.parametrize("name", TARGETS)
def test_a_damaged_file_gives_a_result_or_one_line(name, tmp_path):
    assert not _faults(name, tmp_path, 20, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_many_damaged_files_give_results_or_one_line(name, tmp_path):
    with fast_native():
        assert not _faults(name, tmp_path, INPUTS // 2, INPUTS // 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TARGETS if name not in FILES])
def test_many_damaged_files_of_ours_give_results_or_one_line(name, tmp_path):
    assert not _faults(name, tmp_path, INPUTS, 0)


def test_every_format_and_dataset_is_among_them():
    """What is registered here and read has a damaged file, which is named after it."""
    readers = {name for name in registry._SHIPPED if registry.get_format(name).read is not None}
    ours = {*readers, *datasets._SHIPPED}
    assert {name for name in ours if not any(name in target for target in TARGETS)} == set()
