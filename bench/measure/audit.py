"""One launch of audit runs: measured cells again, each under the tests of bench.measure.audit_rules.

A test's folder, audit/<cell>/<test>/, holds its audit.config, LoadGen's logs and, once it is settled,
verdict.json. Like measure, a test that cannot be run says why and the others go on.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import files
from bench.common.errors import MeasureError
from bench.common.events import Emit
from bench.measure import accuracy, audit_rules
from bench.measure.cell_run import CellRun
from bench.measure.launch import reason_of
from bench.measure.loadgen.settings import SEEDS
from bench.measure.samples import open_labels
from bench.measure.work import Work
from bench.store import results


def launch(spec: Mapping[str, Any], emit: Emit) -> int:
    """Run the spec's "tests" of its cells, one event each; return 1 if any could not be run, else 0.

    Events: {"event": "audit", "id", "test", "passed", "reason"}; a test that did not pass is settled all the
    same, one with `passed` null was not run, for the reason given.
    """
    failed = 0
    work: Work | None = None
    for cell in spec["cells"]:
        subject: CellRun | None = None
        for test in spec["tests"]:
            event = {"event": "audit", "id": cell["id"], "test": test, "passed": None, "reason": None}
            try:
                work = work or Work(spec)
                subject = subject or CellRun(work, cell)
                event["passed"] = _audit(subject, test)
            except Exception as error:
                event["reason"] = reason_of(error)
                failed += 1
            emit(event)
    return 1 if failed else 0


def _audit(subject: CellRun, name: str) -> bool:
    """Run one test, write its verdict and return whether it passed."""
    run, cell = subject.work.run, subject.cell
    result = results.open_for(results.path_of(run, cell["id"]), cell["key"])
    if result is None:
        raise MeasureError("the cell is not measured, there is nothing to audit", remedy="invoke run")
    measured = result["rounds"][0]
    here = subject.work.spec["machine"]
    if measured.get("machine", here) != here:
        raise MeasureError(f"measured on {measured['machine']}, not on {here}", remedy="invoke run --fresh")
    folder = run / "audit" / cell["id"] / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = folder / "audit.config"
    config.write_text(audit_rules.config(name), encoding="utf-8")
    plain = subject.test(accurate=False, logs=str(folder.relative_to(run)), samples=len(subject.work.images))
    test = dataclasses.replace(plain, audit=config, answers=name == "TEST01")
    subject.library.load(range(subject.capacity))
    # Newer LoadGens read seeds from their own configuration only: TEST05's are set as well as written.
    seeds = {key: value for key, value in audit_rules.TESTS[name].items() if key in SEEDS} or subject.seeds
    *_, row = subject.perform(test, seeds)
    if wrong := audit_rules.ignored(name, row["used"]):
        raise MeasureError(f"LoadGen did not follow the {name} audit.config: {'; '.join(wrong)}")
    found = {
        "schema": audit_rules.SCHEMA,
        "test": name,
        "meaning": audit_rules.MEANING[name],
        "id": cell["id"],
        "key": cell["key"],
        "round": measured["round"],
        "started": measured["started"],  # with the key: which measurement the verdict is about
        "performance": audit_rules.performance(name, cell["scenario"], measured, row),
        "accuracy": _answers(subject, result, folder) if name == "TEST01" else None,
    }
    found["passed"] = all(part["passed"] for part in (found["performance"], found["accuracy"]) if part)
    files.replace(folder / "verdict.json", json.dumps(found, indent=1, allow_nan=False) + "\n")
    return bool(found["passed"])


def _answers(subject: CellRun, result: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Compare the answers that LoadGen sampled with those of the cell's accuracy run."""
    if not result["accuracy"]:
        raise MeasureError(f"TEST01 needs the cell's accuracy run: {result['accuracy_reason']}")
    run = subject.work.run
    expected = accuracy.read_answers(run / result["accuracy"]["logs"] / "mlperf_log_accuracy.json")
    sampled = accuracy.read_log(folder / "mlperf_log_accuracy.json")
    known = [(index, answer) for index, answer in sampled if index in expected]
    labels = open_labels(Path(subject.work.spec["data"]))
    pairs = np.array([(labels[index], expected[index][0], answer[0]) for index, answer in known])
    label, measured, audit = pairs.reshape(-1, 3).T
    count = max(len(known), 1)
    return audit_rules.accuracy(
        len(sampled),
        int(np.sum(measured != audit)),
        len(sampled) - len(known),
        float(np.sum(measured == label) / count),
        float(np.sum(audit == label) / count),
    )
