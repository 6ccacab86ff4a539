"""The pre-run that tells LoadGen what to expect, and warms the model up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from bench.device.allocator import keep_freed_memory
from bench.measure.loadgen.settings import Pace

if TYPE_CHECKING:
    from bench.runtimes.base import AsyncRunner, Runner

_TIMED_ROUNDS = 3
_ENOUGH_SECONDS = 0.15
_TOO_MUCH_SECONDS = 0.6
_SLOW_SECONDS = 1.0  # a call this slow is not repeated for warmth's sake: the timed one warms as well


def warm_up(runner: Runner, scenario: str, loaded: int, warm_calls: int) -> Pace:
    """Time calls of `runner.run` (or rounds of its queue) over the `loaded` bound samples.

    After `warm_calls`, rounds are timed until three are done and 0.15 s have passed, or 0.6 s; the fastest
    counts, because LoadGen must be given enough queries for the fastest it can get. What is freed from here
    on stays with the process.
    """
    keep_freed_memory()
    starts = range(0, loaded - runner.batch + 1, runner.batch)
    if scenario == "Offline" and hasattr(runner, "start"):
        queue = cast("AsyncRunner", runner)
        found = _fastest(*_queue_round(queue, starts), warm_calls)
        return Pace(found.calls, found.seconds_per_call, queue.in_flight)
    return _fastest(lambda number: runner.run(starts[number % len(starts)]), 1, warm_calls)


def _queue_round(runner: AsyncRunner, starts: range) -> tuple[Callable[[int], object], int]:
    """A round keeps every request busy twice: (the round, its calls)."""
    calls = 2 * runner.in_flight
    runner.on_done(lambda request, userdata: None)

    def once(number: int) -> None:
        for call in range(calls):
            runner.start(starts[call % len(starts)], call)
        runner.wait()

    return once, calls


def _fastest(once: Callable[[int], object], calls: int, warm_calls: int) -> Pace:
    for number in range(warm_calls):
        if _timed(once, number) > _SLOW_SECONDS:
            break
    times: list[float] = []
    while sum(times) < _ENOUGH_SECONDS or (len(times) < _TIMED_ROUNDS and sum(times) < _TOO_MUCH_SECONDS):
        times.append(_timed(once, len(times)))
    return Pace(calls * len(times), min(times) / calls)


def _timed(once: Callable[[int], object], number: int) -> float:
    started = time.perf_counter()
    once(number)
    return time.perf_counter() - started
