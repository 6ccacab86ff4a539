"""One launch: one artifact in one round, all its scenarios, each a cell with a result of its own.

A cell that fails says why and the others go on. Everything that is not timing (agreement, accuracy,
kernel evidence) is collected after the timing, once, when the cell's result file is made.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import accuracy, artifacts, environment, frameworks, loadgen, mllog, results
from bench.budget import AGREEMENT_SHARE, affordable
from bench.calibration import calibrate
from bench.courier import Courier
from bench.errors import ArtifactError, KitError, MeasureError, UsageError
from bench.machine import Sensors
from bench.matrix import SEEDS
from bench.recorder import Recorder
from bench.samples import Library, open_images, open_labels
from bench.watch import Watch

if TYPE_CHECKING:
    from bench.frameworks import Array, Backend, Runner

    Emit = Callable[[Mapping[str, Any]], None]

SCHEMA = 1
_FEWEST = 32  # fewer answers say nothing about accuracy


def read_spec(path: Path) -> dict[str, Any]:
    """Read a launch's spec. Raises UsageError for what is not one."""
    try:
        spec: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema = spec["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"not a measure spec: {error!r}", where=str(path)) from error
    if schema != SCHEMA:
        raise UsageError(f"measure spec of schema {schema!r}, expected {SCHEMA}", where=str(path))
    return spec


def launch(spec: Mapping[str, Any], emit: Emit) -> int:
    """Measure the spec's cells, one event each; return 1 if any failed, else 0.

    Where the spec has `so_far` (cell id -> result), the results folder is not the host's: what it knows
    comes with the spec, and what is measured goes back as events, each cell's files before its event.
    """
    courier = None
    try:
        if "so_far" in spec:
            courier = _courier(spec, emit)
        work = Work(spec)
    except Exception as error:
        for cell in spec["cells"]:
            emit(_event(cell, spec, 0.0, reason_of(error)))
        return 1
    failed = 0
    for cell in spec["cells"]:
        started = time.perf_counter()
        reason = None
        try:
            work.measure(cell)
            if courier:
                courier.send()
        except Exception as error:
            reason = reason_of(error)
            failed += 1
        emit(_event(cell, spec, time.perf_counter() - started, reason))
    return 1 if failed else 0


def _courier(spec: Mapping[str, Any], emit: Emit) -> Courier:
    """Lay out what the host knows of this launch's cells, and be ready to send what comes."""
    run = Path(spec["results"])
    courier = Courier(run, emit)
    for cell_id, document in spec["so_far"].items():
        path = results.path_of(run, cell_id)
        if not path.exists():  # in a series the launch before may have added to it
            results.save(path, document)
        courier.known(path)
    return courier


def _event(
    cell: Mapping[str, Any], spec: Mapping[str, Any], seconds: float, reason: str | None
) -> dict[str, Any]:
    return {
        "event": "cell",
        "id": cell["id"],
        "round": spec["round"],
        "seconds": round(seconds, 3),
        "status": "failed" if reason else "ok",
        "reason": reason,
    }


def reason_of(error: Exception) -> str:
    """One message a user can act on; what the kit did not foresee leaves its traceback on stderr."""
    if isinstance(error, KitError):
        return str(error)
    traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
    if isinstance(error, MemoryError):
        return str(
            MeasureError("out of memory", remedy="fewer performance_samples, or a machine with more memory")
        )
    return str(MeasureError(f"{type(error).__name__}: {error}"))


class Work:
    """What the cells of a launch share: the verified artifact, its backend, the images."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.run = Path(spec["results"])
        self.artifact = Path(spec["artifact"])
        artifacts.verify(self.artifact, spec["artifact_sha256"])
        self.machine = Sensors(relay=Path(spec["relay"]) if spec["relay"] else None)
        self.images = open_images(Path(spec["data"]))
        first = spec["cells"][0]
        for fact in ("framework", "model", "method", "isa"):
            if len({cell[fact] for cell in spec["cells"]}) > 1:
                raise UsageError(f"the cells of one launch differ in {fact}")
        self.options = frameworks.Options(
            first["method"], spec["threads"], first["isa"], spec["isa_environment"]
        )
        module = frameworks.module(first["framework"], self.options)
        started = time.perf_counter()
        self.backend: Backend = module.load(self.artifact, self.options)
        self.load_seconds = time.perf_counter() - started
        self.emulated: bool = spec["emulated"]
        self.sample_seconds = 0.0  # of the cell that was calibrated last

    def measure(self, cell: Mapping[str, Any]) -> None:
        """Measure one cell in this round and write its result; nothing to do if the round is there."""
        path = results.path_of(self.run, cell["id"])
        result = results.open_for(path, cell["key"])
        if results.has_round(result, self.spec["round"]):
            return
        started = time.perf_counter()
        environment.reset_peak_memory()
        subject = Subject(self, cell)
        row = subject.timed()
        if result is None:
            result = {**self._header(cell), **subject.judged(), "rounds": []}
        row["seconds"] = time.perf_counter() - started
        results.save(path, results.with_round(result, row))

    def _header(self, cell: Mapping[str, Any]) -> dict[str, Any]:
        spec = self.spec
        names = ("platform", "stack", "framework", "model", "weights", "method", "scenario", "batch", "isa")
        files = sorted(path for path in self.artifact.iterdir())
        return {
            "schema": results.SCHEMA,
            "id": cell["id"],
            "key": cell["key"],
            "cell": {name: cell[name] for name in names},
            "profile": spec["profile"],
            "dataset": spec["dataset"],
            "performance": spec["performance"] and not spec["emulated"],
            "rounds_planned": spec["rounds"],
            "asked": cell["settings"],
            "artifact": {
                "sha256": spec["artifact_sha256"],
                "bytes": sum(path.stat().st_size for path in files),
                "files": [path.name for path in files],
            },
            "environment": environment.describe(
                engine=spec["engine"], lock=spec["lock"], emulated=spec["emulated"], threads=spec["threads"]
            ),
            "versions": _versions(spec["package"]),
            "seeds": _seeds(cell["settings"]) or {"loadgen": spec["seed"]},
        }


class Subject:
    """One cell under test: its compiled model and its samples."""

    def __init__(self, work: Work, cell: Mapping[str, Any]) -> None:
        self.work, self.cell = work, cell
        self.settings: Mapping[str, Any] = cell["settings"]
        self.seeds = _seeds(self.settings)
        started = time.perf_counter()
        runner: Runner = work.backend.compile(cell["batch"], cell["scenario"])
        self.load_seconds = work.load_seconds + time.perf_counter() - started
        self.capacity = self._capacity()
        self.sample_seconds = 0.0  # known once the cell is calibrated
        self.library = Library(work.images, work.backend.layout, cell["batch"], self.capacity, self._bind)
        self.runner: Runner = Recorder(runner, self.library) if work.emulated else runner

    def _capacity(self) -> int:
        """Samples loaded at once: the profile's, up to whole batches, or down where the data ends."""
        batch, asked = int(self.cell["batch"]), int(self.settings["performance_samples"])
        there = len(self.work.images)
        if there < batch:
            raise MeasureError(f"batch {batch} needs as many images, the data has {there}")
        return min(math.ceil(asked / batch), there // batch) * batch

    def _bind(self) -> None:
        self.runner.bind(self.library.store, self.library.starts())

    def test(self, *, accurate: bool, logs: str, samples: int) -> loadgen.Test:
        """A LoadGen test of `samples` images that logs into this folder of the run."""
        folder = self.work.run / logs
        loaded = min(self.capacity, samples)
        return loadgen.Test(self.cell["scenario"], accurate, folder, self.work.spec["seed"], samples, loaded)

    def timed(self) -> dict[str, Any]:
        """Calibrate, run LoadGen in performance mode; the row of this round, `seconds` still to come."""
        number, cell = self.work.spec["round"], self.cell
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self.library.load(range(self.capacity))
        # emulated: the first images are those that the reference has
        samples = self.capacity if self.work.emulated else len(self.work.images)
        test = self.test(accurate=False, logs=f"loadgen/{cell['id']}/round-{number}", samples=samples)
        calibration, watched, found = self.perform(test, self.seeds)
        peak = environment.peak_memory()
        return {
            "round": number,
            "started": now,
            "machine": os.environ.get("EDGEQUANT_MACHINE") or self.work.spec["machine"],
            "load_seconds": self.load_seconds,
            "calibration": {"calls": calibration.calls, "seconds_per_call": calibration.seconds_per_call},
            **found,
            "peak_memory_bytes": peak,
            **watched.document(),
            "logs": str(test.logs.relative_to(self.work.run)),
        }

    def perform(
        self, test: loadgen.Test, seeds: Mapping[str, int]
    ) -> tuple[loadgen.Calibration, Watch, dict[str, Any]]:
        """Calibrate on the loaded samples, run LoadGen in performance mode; what was found and seen."""
        cell = self.cell
        calibration = self._calibrate()
        self.sample_seconds = self.work.sample_seconds = calibration.seconds_per_call / cell["batch"]
        wanted = loadgen.settings(cell["scenario"], self.settings, cell["batch"], calibration)
        with Watch(self.work.machine) as watched:
            loadgen.run(test, {**wanted.attributes, **seeds}, self.runner, self.library)
        found = mllog.outcome(mllog.read(test.logs / "mlperf_log_detail.txt"), cell["scenario"])
        if wanted.shortfall:
            found["result"] = "INVALID"
            found["reasons"] = [*found["reasons"], *wanted.shortfall]
        return calibration, watched, found

    def _calibrate(self) -> loadgen.Calibration:
        """Time this cell; where timings are not shown, one cell of the launch is enough for them all."""
        work, batch = self.work, int(self.cell["batch"])
        if not work.emulated:
            return calibrate(self.runner, self.cell["scenario"], self.capacity, work.backend.warm_calls)
        if work.sample_seconds:
            return loadgen.Calibration(0, work.sample_seconds * batch)
        return calibrate(self.runner, self.cell["scenario"], self.capacity, 0)

    def judged(self) -> dict[str, Any]:
        """The result's agreement, accuracy and evidence."""
        limit = self.settings["accuracy_limit"]
        found: dict[str, Any] = {"accuracy": None, "accuracy_reason": self.settings["accuracy_reason"]}
        if asked := self.settings["accuracy_samples"]:
            samples = affordable(asked, self.sample_seconds, limit)
            if samples >= min(asked, _FEWEST):
                found["accuracy"] = self._accuracy(samples)
            else:
                cost = "emulated" if self.work.emulated else f"{self.sample_seconds:.3g} s a sample"
                found["accuracy_reason"] = (
                    f"{cost}: not even {_FEWEST} samples fit into the profile's accuracy_limit of {limit:g} s"
                )
        found["agreement"] = self._agreement()
        found["evidence"] = self.runner.evidence().document()
        return found

    def _agreement(self) -> dict[str, Any]:
        """Compare with the reference: its images by the timed model, or (emulated) those that ran already."""
        reference = _reference(Path(self.work.spec["reference"]))
        if isinstance(self.runner, Recorder):
            return accuracy.agreement(*self.runner.against(reference))
        share = AGREEMENT_SHARE * self.settings["accuracy_limit"]
        compared = affordable(len(reference), self.sample_seconds, share)
        return accuracy.agreement(self._logits(compared), reference[:compared])

    def _accuracy(self, samples: int) -> dict[str, Any]:
        labels = open_labels(Path(self.work.spec["data"]))
        if samples > min(len(labels), len(self.work.images)):
            raise MeasureError(f"accuracy_samples = {samples}, but there are {len(labels)} labelled images")
        test = self.test(accurate=True, logs=f"loadgen/{self.cell['id']}/accuracy", samples=samples)
        per_query = self.settings["samples_per_query"]
        attributes = (
            {"multi_stream_samples_per_query": per_query} if self.cell["scenario"] == "MultiStream" else {}
        )
        loadgen.run(test, {**attributes, **self.seeds}, self.runner, self.library)
        counts = accuracy.score(test.logs / "mlperf_log_accuracy.json", labels, samples)
        return {
            "scenario": self.cell["scenario"],
            **counts,
            "logs": str(test.logs.relative_to(self.work.run)),
        }

    def _logits(self, count: int) -> Array:
        """Logits of the first `count` test images, float32 (count, classes), by the timed model."""
        rows = []
        for first in range(0, count, self.capacity):
            chunk = list(range(first, min(first + self.capacity, count)))
            self.library.load(chunk)
            for start in range(0, len(chunk), self.runner.batch):
                window = chunk[start : start + self.runner.batch]
                rows.append(self.runner.run(self.library.window(window))[: len(window)].copy())
        return np.concatenate(rows)


def _seeds(settings: Mapping[str, Any]) -> dict[str, int]:
    """The profile's seeds, {} where the run's one seed holds for all."""
    return {name: settings[name] for name in SEEDS if name in settings}


def _reference(folder: Path) -> Array:
    try:
        logits: Array = np.load(folder / "logits.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"no reference logits: {error}", where=str(folder), remedy="prepare again"
        ) from error
    return logits


def _versions(package: str) -> dict[str, str]:
    names = (package, "numpy", "mlcommons-loadgen")
    return {"python": sys.version.split()[0], **{name: metadata.version(name) for name in names}}
