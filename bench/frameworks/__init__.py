"""Backends: load an artifact, compile it for a batch and a scenario, run windows of samples.

Every framework is configured as its own experts would for the given threads; each module says how.
A framework is imported by `module` alone, after the instruction-set cap is in the environment.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bench.errors import MeasureError, unknown
from bench.evidence import Evidence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

NAMES = ("onnxruntime", "openvino", "pytorch", "tflite")

#: Backends whose kernels honour ONEDNN_MAX_CPU_ISA.
CAPPED = ("openvino", "pytorch")


@dataclass(frozen=True)
class Options:
    """How a backend runs: the method (for its precision), worker threads, ISA cap or "native"."""

    method: str
    threads: int
    isa: str = "native"


class Runner(Protocol):
    """A model compiled for one batch. `bind` comes before the clock, `run` is the hot path."""

    batch: int

    def bind(self, store: Array, starts: Iterable[int]) -> None:
        """Prepare zero-copy windows [start, start + batch) of `store` (rows in the backend's layout)."""

    def run(self, start: int) -> Array:
        """Infer the bound window; return logits (batch, classes), valid until the next call."""

    def evidence(self) -> Evidence:
        """Say which code path ran. Called after the timing."""


class AsyncRunner(Runner, Protocol):
    """A runner with several inferences in flight, for Offline."""

    def start(self, start: int, userdata: object) -> None:
        """Queue a bound window; blocks while every request is busy."""

    def on_done(self, done: Callable[[Any, Any], None]) -> None:
        """Call `done(request, userdata)` from a worker thread at the end of each inference."""

    def wait(self) -> None:
        """Return when nothing is in flight; raises what an inference raised."""

    in_flight: int


class Backend(Protocol):
    """A loaded artifact. `layout` is "NCHW" or "NHWC": how one stored sample is laid out.

    `warm_calls` is how many calls a new runner needs before it runs at its speed.
    """

    layout: str
    warm_calls: int

    def compile(self, batch: int, scenario: str) -> Runner:
        """Compile for `batch` samples a call; the result is an AsyncRunner where that is faster."""


def module(framework: str, options: Options) -> Any:
    """Import the framework and return its backend module, which has `load(artifact, options) -> Backend`.

    Raises MeasureError where the framework is unknown or not in this image.
    """
    if framework not in NAMES:
        raise MeasureError(unknown("framework", framework, NAMES))
    if options.isa != "native":
        os.environ["ONEDNN_MAX_CPU_ISA"] = options.isa
    try:
        return importlib.import_module(f"bench.frameworks.{framework}")
    except ImportError as error:
        raise MeasureError(
            f"{framework} is not in this image: {error}", remedy="rebuild the image (invoke build)"
        ) from error


def isa_warning(framework: str, isa: str) -> str | None:
    """Why an ISA cap is not to be believed for this framework; None where it is honoured."""
    if isa == "native" or framework in CAPPED:
        return None
    return f"the instruction-set cap {isa} has no effect in {framework}: its kernels ignore it"
