"""A reader in a separate process: its answer is returned complete, and any failure is a one-line error."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from fixtures import isolated
from prml.errors import PrmlError
from prml.io.sandbox import Limits, run_isolated

linux = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="address space is limited on Linux only")


def test_values_and_arrays_come_back_as_they_were():
    made = run_isolated(isolated.answer, 6, "Ä\n", what="x")
    assert made["text"] == "Ä\n"
    assert made["list"] == [1, 2.5, None, True, {"deep": 0.5}]
    np.testing.assert_array_equal(made["values"], np.arange(6).reshape(3, 2))
    assert (made["values"].dtype, made["empty"].shape) == (np.int16, (0, 3))


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_is_one_line_with_the_signal(number):
    with pytest.raises(PrmlError, match=rf"^a\.c3d: its reader crashed \(signal {number.name}\); it is damaged"):
        run_isolated(isolated.die, int(number), what="a.c3d")


def test_a_reader_that_leaves_without_an_answer_is_one_line():
    with pytest.raises(PrmlError, match=r"^a\.c3d: its reader crashed \(exit code 3\)"):
        run_isolated(isolated.leave, 3, what="a.c3d")
    with pytest.raises(PrmlError, match=r"^a\.c3d: the process that read it gave an incomplete answer"):
        run_isolated(isolated.leave, 0, what="a.c3d")


def test_an_error_of_the_reader_comes_back_in_one_line():
    with pytest.raises(PrmlError, match=r"^a\.c3d: no header here, or so$"):
        run_isolated(isolated.fail, "no header here,\n  or so", what="a.c3d")


def test_time_on_the_clock_is_limited():
    with pytest.raises(PrmlError, match=r"^a\.c3d: reading it takes more than 0\.5 s"):
        run_isolated(isolated.sleep, 60, what="a.c3d", limits=Limits(time_s=0.5))


def test_time_on_the_processor_is_limited():
    with pytest.raises(PrmlError, match=r"^a\.c3d: reading it takes more than 0\.5 s"):
        run_isolated(isolated.work, 60, what="a.c3d", limits=Limits(cpu_s=0.5))


@linux
def test_memory_is_limited_just_above_what_is_allowed():
    limits = Limits(memory_mib=64)
    assert run_isolated(isolated.allocate, 32, what="a.c3d", limits=limits) == 32 * 2**20
    with pytest.raises(PrmlError, match=r"^a\.c3d: reading it takes more than 64 MiB"):
        run_isolated(isolated.allocate, 65, what="a.c3d", limits=limits)


def test_the_parent_is_as_it_was():
    before = dict(os.environ)
    assert run_isolated(isolated.environment, "OMP_NUM_THREADS", what="x") == "1"
    assert dict(os.environ) == before
