"""What a configuration's data are: the terms that go on the card, and sets of one's own."""

import numpy as np

from fixtures.mocap_npz import write_mocap
from prml.batches.options import MocapWindowOptions
from prml.datasets.mocap import data_directory
from prml.training.config import FitConfig, MocapData
from prml.training.data import Source, open_source
from prml.weights.record import bundled, read_card


def _open(*sets: str, folder=None, **data) -> Source:
    windows = MocapWindowOptions(frames=9, stride=9, batch=4)
    directory = None if folder is None else str(folder)
    return open_source(FitConfig(data=MocapData(sets=list(sets), directory=directory, windows=windows, **data)))


def test_the_shipped_sets_give_the_terms_of_the_bundled_cards():
    for card in map(read_card, bundled().values()):
        source = _open(*(file.removesuffix(".npz") for file in card.training["data"]))
        assert card.data_licence.startswith(source.licence), "then the terms of the weights it started from"
        assert source.weights_licence == card.weights_licence


def test_weights_inherit_the_terms_of_the_sets_they_are_trained_on(tmp_path):
    (tmp_path / "ui_prmd.npz").symlink_to(data_directory() / "ui_prmd.npz")
    write_mocap(tmp_path / "free.npz", (40,), license=np.array("CC0"), noncommercial=np.array(False))
    write_mocap(tmp_path / "nc.npz", (40,), license=np.array("CC BY-NC 4.0"), noncommercial=np.array(True))
    free, mixed = _open("free", folder=tmp_path), _open("ui_prmd", "nc", folder=tmp_path)
    assert (free.licence, free.weights_licence) == ("CC0 (free.npz)", "Apache-2.0")
    assert mixed.licence == "PDDL 1.0 and CC BY-NC 4.0 (nc.npz, non-commercial); see THIRD_PARTY.md"
    assert mixed.weights_licence == "non-commercial, as the data"
