"""A run directory, read.

Timings that are not performance (smoke profile, emulated, or a run that says so) are dropped
here, at the door: nothing behind this module can show what it never gets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.common.errors import ResultError
from bench.device.watch import judge
from bench.plan.cells import Absent, Cell
from bench.store import results
from reports.run.results import (
    FAILED,
    LEFT_OUT,
    NOT_REACHED,
    Agreement,
    Failure,
    Measured,
    Memory,
    NotMeasured,
    Run,
    Timing,
)
from reports.stats.paired_answers import Accuracy

# Settings whose values come from timing the device (LoadGen's expectations).
TIMED_SETTINGS = ("latency", "qps")
_REMEDY = "run `./invoke run` again; finished cells are kept"


def read(run_dir: Path) -> Run:
    """Read `run_dir`; a damaged result is listed as failed, a damaged run.json is a ResultError."""
    facts = _run_json(run_dir / "run.json")
    where = str(run_dir / "run.json")
    try:
        planned = {str(row["id"]): _cell(row) for row in facts.get("planned", [])}
        absent = tuple(
            Absent(row["framework"], row["model"], row["method"], row["reason"])
            for row in facts.get("absent", [])
        )
        failures = tuple(
            Failure(row["id"], row.get("round"), row["reason"]) for row in facts.get("failures", [])
        )
        excluded = {str(row["id"]): str(row["reason"]) for row in facts.get("excluded", [])}
        name, platform, profile = (str(facts[key]) for key in ("run", "platform", "profile"))
    except (KeyError, TypeError, AttributeError) as error:
        raise ResultError(f"not a run description: {error!r}", where=where, remedy=_REMEDY) from None
    shown = facts.get("performance") is True
    measured, damaged, older = _results(run_dir / "cells", shown)
    return Run(
        run_dir,
        name,
        platform,
        profile,
        shown and (not measured or any(one.performance for one in measured.values())),
        facts.get("complete") is True and not damaged and not older,
        facts,
        tuple(measured.values()),
        _not_measured(planned, measured, _states(failures, excluded, older, damaged)),
        tuple(sorted(set(measured) - set(planned))),
        absent,
        failures,
    )


def _run_json(path: Path) -> Mapping[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultError("no run here: run.json is missing", where=str(path), remedy=_REMEDY) from None
    except (OSError, ValueError) as error:
        raise ResultError(f"cannot be read: {error}", where=str(path), remedy=_REMEDY) from None
    if not isinstance(facts, dict) or facts.get("schema") != results.RUN_SCHEMA:
        raise ResultError(
            f"not a run description of schema {results.RUN_SCHEMA}", where=str(path), remedy=_REMEDY
        )
    return facts


def _cell(row: Mapping[str, Any]) -> Cell:
    return Cell(**{field.name: row[field.name] for field in fields(Cell)})


def _results(folder: Path, shown: bool) -> tuple[dict[str, Measured], dict[str, str], dict[str, str]]:
    """Return the readable results by cell id, and why each other file is damaged or of an older kit."""
    measured: dict[str, Measured] = {}
    damaged: dict[str, str] = {}
    older: dict[str, str] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            data = results.load(path)
            if data["id"] == path.stem:
                measured[path.stem] = _measured(data, shown)
            else:
                damaged[path.stem] = f"its result file speaks of another cell, {data['id']}"
        except results.OlderResultError:
            older[path.stem] = "an older kit measured it; the next run measures it again"
        except (ResultError, OSError) as error:
            reason = error.message if isinstance(error, ResultError) else str(error)
            damaged[path.stem] = f"its result file is damaged: {reason}"
    return measured, damaged, older


def _states(
    failures: tuple[Failure, ...],
    excluded: Mapping[str, str],
    older: Mapping[str, str],
    damaged: Mapping[str, str],
) -> dict[str, tuple[str, str]]:
    """Return (state, reason) by cell id; where several hold, the last one given above."""
    return {
        **{name: (LEFT_OUT, reason) for name, reason in excluded.items()},
        **{one.id: (FAILED, one.reason) for one in failures},
        **{name: (NOT_REACHED, reason) for name, reason in older.items()},
        **{name: (FAILED, reason) for name, reason in damaged.items()},
    }


def _not_measured(
    planned: Mapping[str, Cell], measured: Mapping[str, Measured], states: Mapping[str, tuple[str, str]]
) -> tuple[NotMeasured, ...]:
    usual = (NOT_REACHED, "the run has not come to this cell")
    names = [*planned, *(name for name in states if name not in planned)]
    return tuple(
        NotMeasured(planned.get(name), name, *states.get(name, usual))
        for name in names
        if name not in measured
    )


def _measured(data: Mapping[str, Any], shown: bool) -> Measured:
    environment, rounds = data["environment"], data["rounds"]
    performance = shown and data["performance"] and not environment["emulated"]
    used = {
        key: value
        for key, value in rounds[-1]["used"].items()
        if performance or not any(word in key for word in TIMED_SETTINGS)
    }
    accuracy, agreement = data["accuracy"], data["agreement"]
    return Measured(
        cell=_cell(data["cell"]),
        dataset=data["dataset"],
        performance=performance,
        rounds=len(rounds),
        rounds_planned=data["rounds_planned"],
        queries=sum(one["queries"] for one in rounds),
        samples=sum(one["samples"] for one in rounds),
        asked=data["asked"],
        used=used,
        timings=tuple(_timing(one, data["cell"]["batch"]) for one in rounds) if performance else (),
        accuracy=accuracy and _accuracy(accuracy),
        accuracy_reason=data["accuracy_reason"] or "no reason is recorded",
        agreement=agreement and Agreement(**agreement),
        agreement_reason=data.get("agreement_reason") or "the cell recorded no comparison",
        artifact=data["artifact"],
        environment=environment,
        versions=data["versions"],
        seeds=data["seeds"],
        evidence=data["evidence"],
        machine_states=tuple(
            {when: one.get(when) for when in ("before", "during", "after")} for one in rounds
        ),
        key=data["key"],
    )


def _accuracy(one: Mapping[str, Any]) -> Accuracy:
    samples, packed = one["samples"], bytes.fromhex(one["top1_correct_bits"])
    bits = int.from_bytes(packed, "big") >> -samples % 8
    if len(packed) != -(-samples // 8) or bits.bit_count() != one["top1_correct"]:
        raise ResultError("its top-1 bits do not say what its count says")
    return Accuracy(one["scenario"], samples, one["top1_correct"], one["top5_correct"], bits)


def _timing(one: Mapping[str, Any], batch: int) -> Timing:
    memory = one.get("memory")
    early = one["early_stopping"] or {}
    return Timing(
        number=one["round"],
        valid=one["result"] == "VALID",
        reasons=tuple(one["reasons"]),
        latency_ns=one["latency_ns"],
        rate=one["samples_per_second"],
        early_ns=early.get("estimate_ns"),
        peak_memory_bytes=one["peak_memory_bytes"],
        mark=judge(one),
        queries=one["queries"],
        samples=one["samples"],
        calls=-(-one["samples"] // batch),
        load_seconds=one["load_seconds"],
        first_seconds=one.get("first_inference_seconds"),
        memory=memory and _memory(memory),
        machine=one.get("machine", ""),
        others=one.get("others"),
    )


def _memory(one: Mapping[str, int]) -> Memory:
    return Memory(*(max(0, one[name] - one["baseline_bytes"]) for name in ("loaded_bytes", "ran_bytes")))
