"""Shared by all tests: nothing is written to the user's cache."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Parsed data sets go to a temporary folder."""
    before = os.environ.get("PRML_CACHE")
    os.environ["PRML_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["PRML_CACHE"]
    else:
        os.environ["PRML_CACHE"] = before
