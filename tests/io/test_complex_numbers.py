"""Arrays of complex numbers are no keypoints, in any file."""

import numpy as np
import pytest

from prml.errors import PrmlError
from prml.io import deeplabcut, rtmlib


def test_complex_numbers_are_refused_in_one_line(monkeypatch, tmp_path):
    pytest.importorskip("h5py")
    answer = {"columns": [], "blocks": [np.ones((3, 6), complex)], "index": np.arange(3)}
    monkeypatch.setattr(deeplabcut, "run_isolated", lambda *args, **more: answer)
    (tmp_path / "a.h5").write_bytes(b"x")
    with pytest.raises(PrmlError, match=r"^a\.h5: its values are complex numbers$"):
        deeplabcut.find_deeplabcut(tmp_path / "a.h5")


@pytest.mark.parametrize("name", ["keypoints", "scores", "fps"])
def test_arrays_of_complex_numbers_are_refused(tmp_path, name):
    arrays = {"keypoints": np.ones((3, 17, 2)), "scores": np.ones((3, 17)), "fps": np.array(30.0)}
    arrays[name] = arrays[name] + 1j
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(PrmlError, match=r"^a\.npz: its values are complex numbers$"):
        rtmlib.find_rtmlib(tmp_path / "a.npz")
