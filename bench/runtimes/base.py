"""Backends: load an artifact, compile it for a batch and a scenario, run windows of samples.

A runtime is one file beside this one, under the name that its framework has in matrix.toml: to add it there
is all it takes. It is configured as its own experts would for the given threads; each file says how.
`module` alone imports it, after the instruction-set cap is in the environment.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench.common.errors import MeasureError, unknown
from bench.runtimes.evidence import Evidence, Quantization
from bench.runtimes.isa import NATIVE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

#: Files beside this one that are no runtime.
_OTHERS = ("base", "evidence", "isa", "verbose")


@dataclass(frozen=True)
class Options:
    """How a backend runs: the method (what it should compute in), worker threads, the ISA cap or "native".

    `isa_environment` are the variables that cap this framework's kernels, as the matrix has them.
    """

    method: Quantization
    threads: int
    isa: str = NATIVE
    isa_environment: Mapping[str, str] = field(default_factory=dict)


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

    def logits(self, request: Any) -> Array:
        """The logits (batch, classes) of a finished inference, valid until its callback returns."""

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


def names() -> list[str]:
    """The runtimes that there is a file for; which of them this image holds is another matter."""
    folder = [str(Path(__file__).parent)]
    return sorted(found.name for found in pkgutil.iter_modules(folder) if found.name not in _OTHERS)


def module(framework: str, options: Options) -> Any:
    """Import the framework and return its backend module, which has `load(artifact, options) -> Backend`.

    Raises MeasureError where the framework is unknown or not in this image.
    """
    if framework not in names():
        raise MeasureError(unknown("framework", framework, names()))
    os.environ.update(options.isa_environment)  # kernels are chosen as libraries load
    try:
        return importlib.import_module(f"bench.runtimes.{framework}")
    except ImportError as error:
        raise MeasureError(
            f"{framework} is not in this image: {error}", remedy="rebuild the image (invoke build)"
        ) from error
