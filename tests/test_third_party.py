"""THIRD_PARTY.md names every distribution that an installation brings with it."""

import re
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PAGE = (Path(__file__).parents[1] / "THIRD_PARTY.md").read_text()
EXTRAS = ("tensorboard", "figures", "c3d", "h5", "parquet", "backbone")


def _key(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed(name, extras=(), seen=None):
    """Distributions that ``name`` requires, as far as they are installed here."""
    seen = {} if seen is None else seen
    for text in requires(name) or []:
        wanted = Requirement(text)
        if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            continue
        try:
            distribution(wanted.name)
        except PackageNotFoundError:
            continue
        if _key(wanted.name) not in seen:
            seen[_key(wanted.name)] = wanted.name
            _installed(wanted.name, tuple(wanted.extras), seen)
    return seen


LISTED = {
    _key(name)
    for row in re.findall(r"^\| ([^|]+) \|", PAGE[PAGE.index("## Libraries") :], re.MULTILINE)
    for name in re.findall(r"[\w.-]+", row)
}


@pytest.mark.parametrize("name", sorted(_installed("prml-pose", EXTRAS)))
def test_a_library_that_comes_along_is_listed(name):
    assert name in LISTED or name.startswith(("nvidia-", "cuda-", "triton"))
