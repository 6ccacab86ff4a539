"""LoadGen's settings: what is asked of it in a performance run, and its seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: LoadGen generates 1.1 x (expected rate) x (minimum duration) queries; see `settings`.
_LOADGEN_SLACK = 1.1
#: Offline: samples beyond (warm rate) x (minimum duration), against a warm-up that was slow.
_OFFLINE_MARGIN = 1.15


@dataclass(frozen=True)
class Pace:
    """The pre-run: timed calls (batches), seconds a call at full speed, calls in flight at once."""

    calls: int
    seconds_per_call: float
    in_flight: int = 1


@dataclass(frozen=True)
class Settings:
    """TestSettings attributes by LoadGen's names, and why they fall short of what was asked."""

    attributes: Mapping[str, float]
    shortfall: tuple[str, ...]


def settings(scenario: str, asked: Mapping[str, Any], batch: int, pace: Pace) -> Settings:
    """LoadGen's settings for a performance run.

    `asked` is the profile's: min_queries (Offline: samples), min_duration and max_duration (seconds; 0:
    no limit), percentile, samples_per_query. Streams are told half the latency of the warm-up, so that enough
    queries are generated. LoadGen cannot end an Offline query early, so there max_duration caps the number
    of samples; where that is less than asked, the shortfall says so. The number is a multiple of all the
    batches in flight at once, so that no worker idles while the last ones run.
    """
    common = {"min_duration_ms": round(asked["min_duration"] * 1000)}
    if scenario == "Offline":
        rate = batch / pace.seconds_per_call
        unit = batch * pace.in_flight
        wanted = max(asked["min_queries"], _OFFLINE_MARGIN * rate * asked["min_duration"])
        units = math.ceil(wanted / unit)
        if asked["max_duration"]:
            units = min(units, max(1, int(rate * asked["max_duration"] / unit)))
        count = units * unit
        floor = max(asked["min_duration"], 1e-3) * _LOADGEN_SLACK
        shortfall: tuple[str, ...] = ()
        if count < asked["min_queries"]:
            shortfall = (
                f"{asked['min_queries']} samples asked, {count} issued: {rate:.3g} samples/s do not fit more "
                f"into the profile's max_duration of {asked['max_duration']:g} s (edgequant's reason)",
            )
        expected = min(rate, 0.99 * count / floor)
        return Settings({**common, "min_query_count": count, "offline_expected_qps": expected}, shortfall)
    expected_ns = max(1, round(pace.seconds_per_call * 1e9 / 2))
    streams = {
        **common,
        "min_query_count": asked["min_queries"],
        "max_duration_ms": round(asked["max_duration"] * 1000),
    }
    percentile = asked["percentile"] / 100
    if scenario == "SingleStream":
        own = {"single_stream_expected_latency_ns": expected_ns}
        own["single_stream_target_latency_percentile"] = percentile
    else:
        own = {"multi_stream_expected_latency_ns": expected_ns}
        own["multi_stream_target_latency_percentile"] = percentile
        own["multi_stream_samples_per_query"] = asked["samples_per_query"]
    return Settings({**streams, **own}, ())


#: What LoadGen draws from, by its names for the seeds.
SEEDS = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed")


def seeds_of(settings: Mapping[str, Any]) -> dict[str, int]:
    """The profile's seeds, {} where the run's one seed holds for all."""
    return {name: settings[name] for name in SEEDS if name in settings}
