"""What the harness itself costs: LoadGen, the binding and our callback around a model that does nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.measure.loadgen import detail_log, settings, systems
from bench.measure.samples import Library
from bench.runtimes.evidence import Evidence

if TYPE_CHECKING:
    from bench.runtimes.base import Array

_ASKED = {"min_queries": 64, "min_duration": 1.0, "max_duration": 0, "percentile": 90}
_SAMPLES = 64


class _Null:
    """A runner of batch 1 that returns the same logits at once."""

    batch = 1

    def __init__(self) -> None:
        self._logits: Array = np.zeros((1, 1000), np.float32)

    def bind(self, store: Array, starts: Iterable[int]) -> None:
        """Nothing to prepare."""

    def run(self, start: int) -> Array:
        return self._logits

    def evidence(self) -> Evidence:
        return Evidence("no model")


def measure() -> dict[str, Any]:
    """Measure SingleStream for a second: {"single_stream_ns" (p50 latency), "mean_ns", "queries"}.

    mean_ns is the whole second over its queries: what a query costs from end to end, LoadGen included.
    """
    images: Array = np.zeros((_SAMPLES, 3, 8, 8), np.float32)
    library = Library(images, "NCHW", 1, _SAMPLES, lambda: None)
    wanted = settings.settings("SingleStream", _ASKED, 1, settings.Pace(0, 1e-6))
    with tempfile.TemporaryDirectory() as folder:
        test = systems.Test("SingleStream", False, Path(folder), 0, _SAMPLES, _SAMPLES)
        systems.run(test, wanted.attributes, _Null(), library)
        log = detail_log.read(test.logs / "mlperf_log_detail.txt")
    return {
        "single_stream_ns": log["result_50.00_percentile_latency_ns"],
        "mean_ns": 1e9 / log["result_qps_with_loadgen_overhead"],
        "queries": log["result_query_count"],
    }
