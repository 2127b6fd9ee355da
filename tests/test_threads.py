"""The number of torch threads belongs to the thread that asks for it, and only while it asks."""

from threading import Barrier, Thread

import pytest
import torch

from prml.threads import in_order, torch_threads


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


def test_workers_answer_in_order_with_one_torch_thread_each():
    begun = Barrier(2)  # two items at a time, or this hangs until its time is over

    def answer(item):
        begun.wait(5)
        return item, torch.get_num_threads()

    assert list(in_order(answer, range(6), 2)) == [(i, 1) for i in range(6)]
    assert torch.get_num_threads() == elsewhere(torch.get_num_threads) == 3
    assert list(in_order(lambda item: (item, torch.get_num_threads()), range(2), 1)) == [(0, 3), (1, 3)]


def test_workers_read_a_few_items_ahead_and_stop_at_an_error():
    read = []

    def items():
        for i in range(100):
            read.append(i)
            yield i

    def answer(item):
        if item == 3:
            raise LookupError(item)
        return item

    answers = in_order(answer, items(), 2)
    assert [next(answers) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(LookupError, match="3"):
        next(answers)
    assert len(read) <= 10
