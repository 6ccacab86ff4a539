"""How fast artifacts are here: a few calls at batch 1, from which the planner predicts minutes.

One process times all artifacts of a framework under one cap. What fails says so in its event, at once,
and the others go on; what takes the whole process with it leaves the rest without an event.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.common.events import Emit
from bench.measure.launch import reason_of
from bench.measure.samples import Library, open_images
from bench.measure.warmup import warm_up
from bench.runtimes import base
from bench.runtimes.evidence import Quantization

_SAMPLES = 4  # few, because they are loaded for each artifact; more than one, because data decides speed


def launch(spec: Mapping[str, Any], emit: Emit) -> int:
    """Time the spec's artifacts, one event each; return 1 if any failed, else 0.

    Events: {"event": "speed", "sha256", "load_seconds", "seconds_per_sample"}, or "error" in place of
    the seconds. Only one artifact is in memory at a time.
    """
    failed = 0
    for artifact in spec["artifacts"]:
        event: dict[str, Any] = {"event": "speed", "sha256": artifact["sha256"]}
        try:
            event.update(_timed(spec, artifact))
        except Exception as error:
            failed += 1
            event["error"] = reason_of(error)
        gc.collect()  # bindings refer to each other in cycles
        emit(event)
    return 1 if failed else 0


def _timed(spec: Mapping[str, Any], artifact: Mapping[str, Any]) -> dict[str, float]:
    """Load, compile and warm up one artifact as SingleStream does; seconds."""
    method = Quantization.of(artifact["method"])
    options = base.Options(method, spec["threads"], spec.get("isa", "native"), spec["isa_environment"])
    module = base.module(spec["framework"], options)
    started = time.perf_counter()
    backend = module.load(Path(artifact["path"]), options)
    runner = backend.compile(1, "SingleStream")
    loaded = time.perf_counter() - started
    images = open_images(Path(spec["data"]))
    count = min(_SAMPLES, len(images))
    library = Library(images, backend.layout, 1, count, lambda: None)
    library.load(range(count))
    runner.bind(library.store, library.starts())
    found = warm_up(runner, "SingleStream", count, backend.warm_calls)
    return {"load_seconds": loaded, "seconds_per_sample": found.seconds_per_call}
