"""What a process of its own gives of an HDF5 file is checked as the file would be."""

import numpy as np
import pytest

from prml.errors import PrmlError
from prml.io import deeplabcut


def test_complex_numbers_are_refused_in_one_line(monkeypatch, tmp_path):
    pytest.importorskip("h5py")
    answer = {"columns": [], "blocks": [np.ones((3, 6), complex)], "index": np.arange(3)}
    monkeypatch.setattr(deeplabcut, "run_isolated", lambda *args, **more: answer)
    (tmp_path / "a.h5").write_bytes(b"x")
    with pytest.raises(PrmlError, match=r"^a\.h5: its values are complex numbers$"):
        deeplabcut.find_deeplabcut(tmp_path / "a.h5")
