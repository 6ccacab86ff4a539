"""A run as one tidy table: a row for each cell and round, with a data dictionary.

Built on reports.run.reading, which lets no timing through that is not performance; such a cell has one row,
without timings and with the reason. dictionary.toml says what each column is, and orders them.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.plan.matrix import Matrix
from reports.deposit import parquet
from reports.run.results import Measured, NotMeasured, Run, Timing
from reports.run.wording import DISCLAIMER

CSV, PARQUET = "measurements.csv", "measurements.parquet"
DICTIONARY = f"{CSV}-metadata.json"  # the name by which CSVW readers find it
_LATENCIES = ("min", "mean", "p50", "p90", "p95", "p99", "p999", "max")
_SEPARATOR = " | "

TableRow = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column: `type` is string, integer, number or boolean, `unit` "" where it has none."""

    name: str
    type: str
    meaning: str
    source: str
    unit: str = ""


@functools.cache
def columns() -> tuple[Column, ...]:
    """Return the columns in their order."""
    text = Path(__file__).with_name("dictionary.toml").read_text(encoding="utf-8")
    return tuple(Column(name, **facts) for name, facts in tomllib.loads(text).items())


def folder(run: Run) -> Path:
    """Return where a run is exported to."""
    return run.path / "export"


def write(run: Run, matrix: Matrix) -> dict[str, bytes]:
    """Write the table's files into the run's folder export/ and return them by name."""
    folder(run).mkdir(exist_ok=True)
    table = files(run, matrix)
    for name, data in table.items():
        (folder(run) / name).write_bytes(data)
    return table


def files(run: Run, matrix: Matrix) -> dict[str, bytes]:
    """Return the table as CSV and Parquet and its dictionary, by file name; the same run, the same bytes."""
    table = list(rows(run, matrix))
    return {
        CSV: _csv(table).encode(),
        DICTIONARY: (json.dumps(_dictionary(run), indent=1, ensure_ascii=False) + "\n").encode(),
        PARQUET: parquet.encode({column.name: column.type for column in columns()}, table),
    }


def rows(run: Run, matrix: Matrix) -> Iterator[TableRow]:
    """Yield the rows: measured cells by name, round by round, then those without a result."""
    kit = run.facts.get("kit", {})
    common = {
        "run": run.name,
        "profile": run.profile,
        "kit_version": kit.get("version"),
        "kit_revision": f"{kit.get('revision')}{'-dirty' if kit.get('dirty') else ''}" if kit else None,
    }
    for one in run.measured:
        cell = {**common, **_measured(one, matrix)}
        for timing in one.timings:
            yield {**cell, **_timing(timing)}
        if not one.timings:
            yield {**cell, "timing_reason": _no_timing(one)}
    for lost in run.not_measured:
        yield {**common, **_lost(lost)}


def _lost(lost: NotMeasured) -> TableRow:
    cell = vars(lost.cell) if lost.cell else {}
    return {**cell, "cell": lost.id, "state": lost.state, "reason": lost.reason}


def _no_timing(one: Measured) -> str:
    if one.environment["emulated"]:
        return "emulated: its timings are not performance"
    return "the profile checks correctness: its timings are not performance"


def _timing(one: Timing) -> TableRow:
    latency = one.latency_ns or {}
    return {
        "round": one.number,
        "valid": one.valid,
        "invalid_reasons": _SEPARATOR.join(one.reasons) or None,
        "queries": one.queries,
        "samples": one.samples,
        "calls": one.calls,
        "samples_per_second": one.rate,
        **{f"latency_{name}": latency.get(name) for name in _LATENCIES},
        "early_stopping": one.early_ns,
        "load_seconds": one.load_seconds,
        "first_inference": one.first_seconds,
        "memory_loaded": one.memory.loaded if one.memory else None,
        "memory_ran": one.memory.ran if one.memory else None,
        "peak_memory": one.peak_memory_bytes,
        "slowed": str(one.mark) if one.mark else None,
        "others_share": one.others,
        "host": one.machine or None,
    }


def _measured(one: Measured, matrix: Matrix) -> TableRow:
    place, engine = one.environment, one.environment["engine"]
    framework = matrix.frameworks.get(one.cell.framework)
    found: TableRow = {
        "cell": one.cell.id,
        **vars(one.cell),
        "framework_version": one.versions.get(framework.package) if framework else None,
        "dataset": one.dataset,
        "state": "measured",
        "rounds_planned": one.rounds_planned,
        "artifact_sha256": one.artifact["sha256"],
        "artifact_size": one.artifact["bytes"],
        "evidence": one.evidence["summary"],
        "evidence_warnings": _SEPARATOR.join(one.evidence["warnings"]) or None,
        "engine": engine["kind"],
        "image": engine["image"],
        "image_digest": engine["digest"],
        "lock_sha256": place["lock"],
        "code_sha256": place.get("code"),
        "emulated": place["emulated"],
        "cpu": place["cpu_model"],
        "machine": place["machine"],
        "kernel": place["kernel"],
        "cores": place["cores"],
        "threads": place["threads"],
        "memory_limit": place["memory_limit_bytes"],
        "python_version": one.versions.get("python"),
        "loadgen_version": one.versions.get("mlcommons-loadgen"),
        "seeds": " ".join(f"{name}={seed}" for name, seed in sorted(one.seeds.items())),
    }
    if one.accuracy:
        found["accuracy_samples"] = one.accuracy.samples
        found |= {"top1_correct": one.accuracy.top1, "top5_correct": one.accuracy.top5}
    else:
        found["accuracy_reason"] = one.accuracy_reason
    if one.agreement:
        agreement = vars(one.agreement)
        found |= {"agreement_samples": agreement["samples"], "sqnr": agreement["sqnr_db"]}
        names = ("max_abs_diff", "mean_cosine", "worst_cosine", "mean_kl", "worst_kl", "top1_agreement")
        found |= {name: agreement[name] for name in names}
        found["agreement_classes"] = agreement["classes"] or None
    else:
        found["agreement_reason"] = one.agreement_reason
    return found


def _csv(table: list[TableRow]) -> str:
    """RFC 4180 with a header; booleans as XML Schema (and so CSVW) writes them."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [column.name for column in columns()], lineterminator="\n")
    writer.writeheader()
    for row in table:
        writer.writerow({name: _text(value) for name, value in row.items()})
    return stream.getvalue()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _dictionary(run: Run) -> Mapping[str, Any]:
    """The CSVW metadata (W3C, Metadata Vocabulary for Tabular Data) of the CSV file."""
    return {
        "@context": "http://www.w3.org/ns/csvw",
        "url": CSV,
        "dc:title": f"edgequant run {run.name}: one row for each cell and round",
        "dc:description": f"{DISCLAIMER}. Ratios within a run compare, times of two machines do not.",
        "dialect": {"lineTerminators": ["\n"]},
        "tableSchema": {
            "columns": [
                {
                    "name": column.name,
                    "titles": column.name,
                    "datatype": column.type,
                    "dc:description": column.meaning,
                    "dc:source": column.source,
                    **({"schema:unitText": column.unit} if column.unit else {}),
                }
                for column in columns()
            ]
        },
    }
