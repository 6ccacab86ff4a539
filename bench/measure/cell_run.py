"""One cell under test: compiled, its samples loaded, timed by LoadGen; or judged: accuracy and agreement.

Everything that is not timing is collected after the timing.
"""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.common.errors import ArtifactError, MeasureError
from bench.device import environment
from bench.device.watch import Watch
from bench.measure import accuracy
from bench.measure.limits import AGREEMENT_SHARE, affordable
from bench.measure.loadgen import detail_log, settings, systems
from bench.measure.loadgen.settings import seeds_of
from bench.measure.replay import Replay
from bench.measure.samples import Library, open_labels
from bench.measure.warmup import warm_up

if TYPE_CHECKING:
    from bench.measure.work import Work
    from bench.runtimes.base import Array, Runner

_FEWEST = 32  # fewer answers say nothing about accuracy


class CellRun:
    """One cell under test: its compiled model and its samples."""

    def __init__(self, work: Work, cell: Mapping[str, Any]) -> None:
        self.work, self.cell = work, cell
        self.settings: Mapping[str, Any] = cell["settings"]
        self.seeds = seeds_of(self.settings)
        started = time.perf_counter()
        runner: Runner = work.backend.compile(cell["batch"], cell["scenario"])
        self.load_seconds = work.load_seconds + time.perf_counter() - started
        self.loaded_bytes = environment.anonymous_memory()
        self.capacity = self._capacity()
        self.sample_seconds = 0.0  # known once the cell is warm
        self.library = Library(work.images, work.backend.layout, cell["batch"], self.capacity, self._bind)
        self.runner: Runner = Replay(runner, self.library) if work.emulated else runner

    def _capacity(self) -> int:
        """Samples loaded at once: the profile's, up to whole batches, or down where the data ends."""
        batch, asked = int(self.cell["batch"]), int(self.settings["performance_samples"])
        there = len(self.work.images)
        if there < batch:
            raise MeasureError(f"batch {batch} needs as many images, the data has {there}")
        return min(math.ceil(asked / batch), there // batch) * batch

    def _bind(self) -> None:
        self.runner.bind(self.library.store, self.library.starts())

    def test(self, *, accurate: bool, logs: str, samples: int) -> systems.Test:
        """A LoadGen test of `samples` images that logs into this folder of the run."""
        folder = self.work.run / logs
        loaded = min(self.capacity, samples)
        return systems.Test(self.cell["scenario"], accurate, folder, self.work.spec["seed"], samples, loaded)

    def timed(self) -> dict[str, Any]:
        """Warm up, run LoadGen in performance mode; the row of this round, `seconds` still to come."""
        number, cell = self.work.spec["round"], self.cell
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.library.load(range(self.capacity))
        # emulated: the first images are those that the reference has
        samples = self.capacity if self.work.emulated else len(self.work.images)
        test = self.test(accurate=False, logs=f"loadgen/{cell['id']}/round-{number}", samples=samples)
        first = self._first_inference()
        pace, watched, found = self.perform(test, self.seeds)
        peak = environment.peak_memory()
        return {
            "round": number,
            "started": now,
            "machine": os.environ.get("EDGEQUANT_MACHINE") or self.work.spec["machine"],
            "load_seconds": self.load_seconds,
            "first_inference_seconds": first,
            "memory": self._memory(),
            "calibration": {"calls": pace.calls, "seconds_per_call": pace.seconds_per_call},
            **found,
            "peak_memory_bytes": peak,
            **watched.document(),
            "logs": str(test.logs.relative_to(self.work.run)),
        }

    def perform(
        self, test: systems.Test, seeds: Mapping[str, int]
    ) -> tuple[settings.Pace, Watch, dict[str, Any]]:
        """Warm up on the loaded samples, run LoadGen in performance mode; what was found and seen."""
        cell = self.cell
        pace = self._warm_up()
        self.sample_seconds = self.work.sample_seconds = pace.seconds_per_call / cell["batch"]
        wanted = settings.settings(cell["scenario"], self.settings, cell["batch"], pace)
        with Watch(self.work.machine) as watched:
            systems.run(test, {**wanted.attributes, **seeds}, self.runner, self.library)
        found = detail_log.outcome(detail_log.read(test.logs / "mlperf_log_detail.txt"), cell["scenario"])
        if wanted.shortfall:
            found["result"] = "INVALID"
            found["reasons"] = [*found["reasons"], *wanted.shortfall]
        return pace, watched, found

    def _warm_up(self) -> settings.Pace:
        """Time this cell; where timings are not shown, one cell of the launch is enough for them all."""
        work, batch = self.work, int(self.cell["batch"])
        if not work.emulated:
            return warm_up(self.runner, self.cell["scenario"], self.capacity, work.backend.warm_calls)
        if work.sample_seconds:
            return settings.Pace(0, work.sample_seconds * batch)
        return warm_up(self.runner, self.cell["scenario"], self.capacity, 0)

    def _first_inference(self) -> float | None:
        """Seconds of the first call, which allocates and chooses; emulated it would only take time."""
        if self.work.emulated:
            return None
        started = time.perf_counter()
        self.runner.run(self.library.starts()[0])
        return time.perf_counter() - started

    def _memory(self) -> dict[str, int] | None:
        """The process's anonymous memory: before the framework, with the model loaded, after it ran.

        The samples, which every framework is handed alike, are left out; None where the kernel does not tell.
        """
        ran = environment.anonymous_memory()
        if self.work.baseline_bytes is None or self.loaded_bytes is None or ran is None:
            return None
        return {
            "baseline_bytes": self.work.baseline_bytes,
            "loaded_bytes": self.loaded_bytes,
            "ran_bytes": ran - self.library.bytes,
        }

    @functools.cached_property
    def _judging(self) -> tuple[Replay, Array]:
        """What hears the outputs, and the reference's; what is read is what was prepared, by hash."""
        self.work.verify()
        reference = _reference(Path(self.work.spec["reference"]))
        if not self.sample_seconds:  # timed in another launch
            self.library.load(range(self.capacity))
            self.sample_seconds = self._warm_up().seconds_per_call / self.cell["batch"]
        heard = self.runner if isinstance(self.runner, Replay) else Replay(self.runner, self.library)
        heard.keep(len(reference))
        return heard, reference

    def accuracy(self) -> dict[str, Any]:
        """The result's accuracy, of as many images as the profile's limit allows, or why there is none."""
        limit, asked = self.settings["accuracy_limit"], self.settings["accuracy_samples"]
        if not asked:
            return {"accuracy": None, "accuracy_reason": self.settings["accuracy_reason"]}
        heard, _ = self._judging
        samples = affordable(asked, self.sample_seconds, limit)
        if samples >= min(asked, _FEWEST):
            return {"accuracy": self._answers(samples, heard), "accuracy_reason": None}
        cost = "emulated" if self.work.emulated else f"{self.sample_seconds:.3g} s a sample"
        return {
            "accuracy": None,
            "accuracy_reason": f"{cost}: not even {_FEWEST} samples fit into the profile's accuracy_limit "
            f"of {limit:g} s",
        }

    def agreement(self) -> dict[str, Any]:
        """The result's agreement: of the accuracy run's images, else of as many as the limit allows."""
        heard, reference = self._judging
        classes = np.unique(open_labels(Path(self.work.spec["data"])))
        if heard.empty:
            share = AGREEMENT_SHARE * self.settings["accuracy_limit"]
            self._run(affordable(len(reference), self.sample_seconds, share), heard)
        return {
            "agreement": accuracy.agreement(*heard.against(reference), classes),
            "agreement_reason": None,
        }

    def _answers(self, samples: int, heard: Replay) -> dict[str, Any]:
        labels = open_labels(Path(self.work.spec["data"]))
        if samples > min(len(labels), len(self.work.images)):
            raise MeasureError(f"accuracy_samples = {samples}, but there are {len(labels)} labelled images")
        test = self.test(accurate=True, logs=f"loadgen/{self.cell['id']}/accuracy", samples=samples)
        per_query = self.settings["samples_per_query"]
        attributes = (
            {"multi_stream_samples_per_query": per_query} if self.cell["scenario"] == "MultiStream" else {}
        )
        systems.run(test, {**attributes, **self.seeds}, heard, self.library)
        counts = accuracy.score(test.logs / "mlperf_log_accuracy.json", labels, samples)
        return {
            "scenario": self.cell["scenario"],
            **counts,
            "logs": str(test.logs.relative_to(self.work.run)),
        }

    def _run(self, count: int, heard: Replay) -> None:
        """Run the first `count` test images, so that their logits are heard."""
        for first in range(0, count, self.capacity):
            chunk = list(range(first, min(first + self.capacity, count)))
            self.library.load(chunk)
            for start in range(0, len(chunk), self.runner.batch):
                heard.run(self.library.window(chunk[start : start + self.runner.batch]))


def _reference(folder: Path) -> Array:
    try:
        logits: Array = np.load(folder / "logits.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"no reference logits: {error}", where=str(folder), remedy="prepare again"
        ) from error
    return logits
