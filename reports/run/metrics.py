"""The figures of a cell by round, in the scenario's own metric."""

from __future__ import annotations

from collections.abc import Callable

from bench.plan.matrix import Matrix
from reports.run.results import Measured, Timing

Round = tuple[int, str]


def metric_percentile(matrix: Matrix, profile: str, scenario: str) -> int:
    """Return the percentile that is the scenario's metric under `profile` (99 or 90 for MultiStream)."""
    load = matrix.profiles[profile].scenarios.get(scenario) if profile in matrix.profiles else None
    return load.percentile if load else matrix.scenarios[scenario].percentile


def metric_by_round(one: Measured, percentile: int, matrix: Matrix) -> dict[Round, float]:
    """Return the metric of the cell's scenario by round: samples/s, or a latency percentile in ms a query.

    Rounds whose log lacks it or says 0 are not there.
    """
    throughput = matrix.scenarios[one.cell.scenario].metric == "throughput"
    found = values_by_round(one, rate_of if throughput else latency_of(f"p{percentile}"))
    return {number: value for number, value in found.items() if value > 0}


def rate_of(timing: Timing) -> float | None:
    """Return samples a second."""
    return timing.rate


def latency_of(name: str) -> Callable[[Timing], float | None]:
    """Return the getter of a latency in milliseconds; None where LoadGen's log does not have it."""

    def get(timing: Timing) -> float | None:
        value = (timing.latency_ns or {}).get(name)
        return None if value is None else value / 1e6

    return get


def round_of(timing: Timing) -> Round:
    """What makes two figures those of one round: its number, and the machine that measured it."""
    return timing.number, timing.machine


def values_by_round(one: Measured, metric: Callable[[Timing], float | None]) -> dict[Round, float]:
    """Return a figure by round and machine: a ratio is taken on one device."""
    values = {round_of(timing): metric(timing) for timing in one.timings}
    return {number: value for number, value in values.items() if value is not None}
