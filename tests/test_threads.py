"""The number of torch threads belongs to the thread that asks for it, and only while it asks."""

from threading import Barrier, Thread

import pytest
import torch

from prml.threads import torch_threads


def elsewhere(function):
    """What a new thread returns."""
    found = []
    thread = Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


@pytest.fixture(autouse=True)
def _three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_caller_has_its_number_and_others_keep_theirs(count):
    with torch_threads(count):
        assert torch.get_num_threads() == count
        assert elsewhere(torch.get_num_threads) == 3
        with torch_threads(4):
            assert torch.get_num_threads() == 4
        assert torch.get_num_threads() == count
    assert torch.get_num_threads() == elsewhere(torch.get_num_threads) == 3


@pytest.mark.parametrize("nothing", [None, 0])
def test_no_number_changes_nothing(nothing):
    with torch_threads(nothing):
        assert torch.get_num_threads() == 3


def test_the_number_returns_after_an_error():
    with pytest.raises(ZeroDivisionError), torch_threads(1):
        raise ZeroDivisionError
    assert torch.get_num_threads() == elsewhere(torch.get_num_threads) == 3


def test_many_threads_at_once_do_not_disturb_each_other():
    ready, found = Barrier(8), {}

    def work(count):
        ready.wait()
        for _ in range(20):
            with torch_threads(count):
                found.setdefault(count, set()).add(torch.get_num_threads())

    threads = [Thread(target=work, args=(count,)) for count in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {count: {count} for count in range(1, 9)}
    assert torch.get_num_threads() == elsewhere(torch.get_num_threads) == 3
