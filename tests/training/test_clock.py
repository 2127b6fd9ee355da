"""A run by the clock: its schedule ends when its time does, its time survives a kill, a kill costs little."""

import math
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from prml.errors import PrmlError
from prml.training import clock as clock_module
from prml.training.callbacks import SafeCheckpoint
from prml.training.clock import RunClock
from prml.training.config import OptimiserConfig
from prml.training.schedule import rate_factor

COSINE = OptimiserConfig(schedule="cosine", warmup_steps=4)
CPU = SimpleNamespace(device=torch.device("cpu"))


class Time:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def hand(monkeypatch):
    time = Time()
    monkeypatch.setattr(clock_module, "time", time)
    return time


def _trainer(step: int = 0, **more):
    usual = {"max_steps": -1, "val_check_batch": 10**9}
    return SimpleNamespace(global_step=step, world_size=1, should_stop=False, **(usual | more))


def _run(clock: RunClock, hand: Time, seconds: list[float], first: int = 0) -> tuple[list[float], SimpleNamespace]:
    """Steps of the given lengths until the clock ends the run; the rate factor after each."""
    trainer, factors = _trainer(first), []
    for length in seconds:
        hand.now += length
        trainer.global_step += 1
        clock.on_train_batch_end(trainer, CPU)
        factors.append(rate_factor(trainer.global_step, COSINE, 10, -1, clock.share))
        if trainer.should_stop:
            break
    return factors, trainer


@pytest.mark.parametrize("step_s", [0.5, 1.0, 2.5])
def test_the_cosine_ends_when_the_time_does_whatever_a_step_takes(hand, step_s):
    clock = RunClock(1.0, warmup_steps=4)
    factors, trainer = _run(clock, hand, [step_s] * 1000)
    assert trainer.global_step == math.ceil(60 / step_s)
    assert factors[-1] == pytest.approx(0.01)
    assert max(factors) == pytest.approx(1.0)
    after = factors[3:]
    assert all(a >= b for a, b in pairwise(after))
    halfway = next(i for i, _ in enumerate(factors, 1) if i * step_s >= 4 * step_s + (60 - 4 * step_s) / 2)
    assert factors[halfway - 1] == pytest.approx(0.505, abs=0.1)


def test_a_resumed_run_has_the_rest_of_its_time(hand):
    whole, _ = _run(RunClock(1.0, warmup_steps=4), hand, [1.0] * 100)
    killed = RunClock(1.0, warmup_steps=4)
    first, _ = _run(killed, hand, [1.0] * 25)
    state = killed.state_dict()
    hand.now += 10_000  # nobody trained then
    resumed = RunClock(1.0, warmup_steps=4)
    resumed.load_state_dict(state)
    assert not resumed.over
    rest, trainer = _run(resumed, hand, [1.0] * 100, first=25)
    assert first + rest == pytest.approx(whole)
    assert trainer.should_stop
    assert resumed.used_s == pytest.approx(60)


def test_a_run_that_has_used_its_time_goes_on_when_it_is_given_more(hand):
    clock = RunClock(1.0)
    _run(clock, hand, [1.0] * 100)
    same, longer = RunClock(1.0), RunClock(2.0)
    for other in (same, longer):
        other.load_state_dict(clock.state_dict())
    assert same.over
    assert not longer.over
    assert longer.share == pytest.approx(0.5)


def test_without_minutes_nothing_ends(hand):
    clock = RunClock()
    factors, trainer = _run(clock, hand, [1e6] * 10)
    assert not trainer.should_stop
    assert not clock.over
    assert set(factors[4:]) == {1.0}


@pytest.mark.parametrize("step_s", [1.0, 0.2])
def test_a_time_too_short_for_the_warm_up_is_refused_early(hand, step_s):
    clock = RunClock(0.5, warmup_steps=500)
    with pytest.raises(PrmlError) as refused:
        _run(clock, hand, [10.0, *[step_s] * 600])  # the first step compiles
    text = str(refused.value)
    assert "run.minutes 0.5 is too short for optimiser.warmup_steps 500: 12 steps took" in text
    assert "raise run.minutes or lower optimiser.warmup_steps" in text
    assert "\n" not in text


def test_a_slow_start_is_not_taken_for_the_speed_of_all_steps(hand):
    clock = RunClock(1.0, warmup_steps=50)
    _, trainer = _run(clock, hand, [20.0, 5.0, *[0.5] * 100])
    assert trainer.should_stop
    assert clock.warm_s == pytest.approx(25 + 48 * 0.5)


def test_the_earlier_of_steps_and_time_ends_the_cosine():
    assert rate_factor(52, COSINE, 10, 100, 0.25) == pytest.approx(rate_factor(52, COSINE, 10, 100))
    assert rate_factor(5, COSINE, 10, 100, 1.0) == pytest.approx(0.01)
    assert rate_factor(10**6, COSINE, 10, -1, 0.0) == pytest.approx(1.0)


# ---------------------------------------------------------------------- checkpoints
class Saving(SafeCheckpoint):
    """Notes when it saves, which takes a while."""

    def __init__(self, hand: Time, minutes: float, clock: RunClock, takes_s: float, folder) -> None:
        super().__init__(folder, minutes, clock)
        self.hand, self.takes_s, self.saved = hand, takes_s, [0.0]

    def save(self, trainer) -> None:
        self.hand.now += self.takes_s
        self.saved.append(self.clock.read())


@pytest.mark.parametrize(("step_s", "save_s", "validate_s"), [(1.0, 0.5, 0.0), (7.0, 3.0, 0.0), (1.0, 0.5, 40.0)])
def test_a_kill_at_any_moment_costs_at_most_the_stated_minutes(hand, tmp_path, step_s, save_s, validate_s):
    """Between the ends of two checkpoints lies never more, steps, checkpoints and validations included."""
    clock = RunClock()
    keep = Saving(hand, 1.0, clock, save_s, tmp_path)
    trainer = _trainer(val_check_batch=20)
    for step in range(1, 200):
        hand.now += step_s
        trainer.global_step = step
        clock.on_train_batch_end(trainer, CPU)
        keep.on_train_batch_end(trainer, CPU)
        if step % 20 == 0:
            hand.now += validate_s
    # the first of each kind cannot be foreseen
    gaps = [b - a for a, b in pairwise(keep.saved) if a > 25 * step_s + validate_s]
    assert max(gaps) <= 60
    assert len(keep.saved) < 199 * (step_s + validate_s / 20) / (60 - 3 * (step_s + save_s)) * 1.5 + 12
