"""Shared by all tests: nothing is written to the user's cache; misfits reach the code that refuses them."""

import os
import signal
import sys

import jaxtyping
import pytest
from hypothesis import HealthCheck, settings

# a busy machine is slow, which is no fault of a test
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


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


@pytest.fixture(scope="session", autouse=True)
def _usual_signals():
    """Programs that tests start and stop inherit the usual signals, even under nohup or in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _same_weights():
    """Networks built by tests have the same initial weights in every run and every test order."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.default_generator.manual_seed(0)  # torch.manual_seed prepares for GPUs too, 3 ms a test


@pytest.fixture(autouse=True)
def _misfits_pass(request: pytest.FixtureRequest):
    """``make test-shapes`` checks annotations, which would reject wrong shapes before the code under test does."""
    misfit = request.node.get_closest_marker("misfit") is not None
    if misfit:
        jaxtyping.config.update("jaxtyping_disable", True)
    yield
    if misfit:
        jaxtyping.config.update("jaxtyping_disable", False)
