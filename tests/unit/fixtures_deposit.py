"""A synthetic run that can be exported, FOR TESTS ONLY: with the kit's own locks, and logs of paper."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import fixtures_results as fixtures

from bench.measure import audit_rules
from bench.plan.cells import Cell, Filters
from images.making import lock
from images.workspace import Workspace
from reports.deposit.hashes import digest

ROOT = fixtures.MATRIX.parent
FILTERS = Filters(frameworks=("openvino",), models=("mobilenet_v2",))
KIT = {"version": "0.1.0", "revision": "0" * 40, "dirty": False}


def write_run(folder: Path, profile: str = "quick", filters: Filters = FILTERS, **changes: Any) -> Path:
    """Write a run of OpenVINO with all that it leaves: cells, report, LoadGen's logs."""
    kit = {**KIT, "matrix_sha256": digest(fixtures.MATRIX)}
    fixtures.write_run(folder, profile, filters, kit=kit, **changes)
    (folder / "report.html").write_text("<!doctype html><title>a report</title>", encoding="utf-8")
    for path in sorted((folder / "cells").glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        _settle(folder, result)
        path.write_text(json.dumps(result), encoding="utf-8")
    return folder


def _settle(folder: Path, result: dict[str, Any]) -> None:
    cell, matrix = result["cell"], fixtures.matrix()
    pins = Workspace(ROOT).lock(matrix.frameworks[cell["framework"]].image, "amd64")
    result["environment"]["lock"] = lock.read(pins).digest
    facts = matrix.profiles[result["profile"]]
    result["asked"] = {
        **asdict(facts.scenarios[cell["scenario"]]),
        "samples_per_query": matrix.scenarios[cell["scenario"]].samples_per_query,
        "performance_samples": facts.performance_samples,
        **{name: int(seed, 16) for name, seed in facts.seeds.items()},
    }
    if cell["scenario"] in facts.accuracy_scenarios:
        right = [True] * 250 + [False] * 50
        result |= {"accuracy": fixtures.accuracy_of(Cell(**cell), right), "accuracy_reason": None}
    for row in result["rounds"]:
        row["used"] |= {"performance_sample_count": facts.performance_samples, "target_qps": 250.0}
    logs = folder / "loadgen" / result["id"]
    for name in (*(f"round-{row['round']}" for row in result["rounds"]), "accuracy"):
        (logs / name).mkdir(parents=True)
        for log in ("summary", "detail"):
            (logs / name / f"mlperf_log_{log}.txt").write_text(f"{log} of {result['id']}, {name}\n")
        (logs / name / "mlperf_log_accuracy.json").write_text(
            json.dumps([{"qsl_idx": n} for n in range(999)])
        )


def audited(folder: Path, cell_id: str, test: str, *, passed: bool = True, different: int = 0) -> None:
    """Write an audit run as bench.measure.audit leaves it."""
    result = json.loads((folder / "cells" / f"{cell_id}.json").read_text(encoding="utf-8"))
    target = folder / "audit" / cell_id / test
    target.mkdir(parents=True)
    row = result["rounds"][0]
    other = {**row, "result": "VALID" if passed else "INVALID"}
    performance = audit_rules.performance(test, result["cell"]["scenario"], row, other)
    answers = audit_rules.accuracy(100, different, 0, 0.75, 0.75) if test == "TEST01" else None
    document = {"schema": 1, "test": test, "id": cell_id, "key": result["key"], "passed": passed}
    document["started"] = row["started"]
    document |= {"performance": performance, "accuracy": answers}
    (target / "verdict.json").write_text(json.dumps(document), encoding="utf-8")
    for log in ("mlperf_log_summary.txt", "mlperf_log_detail.txt", "mlperf_log_accuracy.json"):
        (target / log).write_text(f"{log} of {test}\n")
