"""A run directory as typed facts: what was measured, and what was not and why.

Timings that are not performance (smoke profile, emulated, or a run that says so) are dropped
here, at the door: nothing behind this module can show what it never gets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bench.common.errors import ResultError
from bench.device.watch import Mark, judge
from bench.plan.cells import Absent, Cell
from bench.store import results
from reports.stats.paired_answers import Accuracy

FAILED = "failed"
NOT_REACHED = "not reached"
LEFT_OUT = "left out"
# Settings whose values come from timing the device (LoadGen's expectations).
TIMED_SETTINGS = ("latency", "qps")


@dataclass(frozen=True)
class Timing:
    """One round's figures: latencies in nanoseconds a query by name (p50, p90, ...), None in
    some scenarios; `rate` in samples a second; `early_ns` is LoadGen's early-stopping estimate; `mark` says
    that the machine was slowed meanwhile; `others` is the share of the cores' time that others took."""

    number: int
    valid: bool
    reasons: tuple[str, ...]
    latency_ns: Mapping[str, float] | None
    rate: float
    early_ns: float | None
    peak_memory_bytes: int | None
    mark: Mark | None
    queries: int
    samples: int
    machine: str = ""
    others: float | None = None


@dataclass(frozen=True)
class Agreement:
    """Outputs against the FP32 reference outputs; `sqnr_db` in dB, None when identical.

    `logits_sha256` is of the outputs themselves, "" in the results of older kits.
    """

    samples: int
    max_abs_diff: float
    mean_cosine: float
    worst_cosine: float
    top1_agreement: float
    sqnr_db: float | None
    logits_sha256: str = ""


@dataclass(frozen=True)
class Measured:
    """A cell with a result. `timings` is empty where timings are not performance.

    The mappings are those of bench/store/result.schema.json; `machine_states` has "before", "during" and
    "after" of every round.
    """

    cell: Cell
    dataset: str
    performance: bool
    rounds: int
    rounds_planned: int
    queries: int
    samples: int
    asked: Mapping[str, Any]
    used: Mapping[str, Any]
    timings: tuple[Timing, ...]
    accuracy: Accuracy | None
    accuracy_reason: str
    agreement: Agreement | None
    artifact: Mapping[str, Any]
    environment: Mapping[str, Any]
    versions: Mapping[str, str]
    seeds: Mapping[str, int]
    evidence: Mapping[str, Any]
    machine_states: tuple[Mapping[str, Any], ...]
    key: str


@dataclass(frozen=True)
class NotMeasured:
    """A planned cell without a usable result; `state` is FAILED, NOT_REACHED or LEFT_OUT (the run
    meant not to measure it, for the reason given)."""

    cell: Cell | None
    id: str
    state: str
    reason: str


@dataclass(frozen=True)
class Failure:
    """A launch that failed; its cell may have results from other rounds."""

    id: str
    round: int | None
    reason: str


@dataclass(frozen=True)
class Run:
    """All that one run directory says. `facts` is run.json as written."""

    path: Path
    name: str
    platform: str
    profile: str
    performance: bool
    complete: bool
    facts: Mapping[str, Any]
    measured: tuple[Measured, ...]
    not_measured: tuple[NotMeasured, ...]
    unplanned: tuple[str, ...]
    absent: tuple[Absent, ...]
    failures: tuple[Failure, ...]

    @property
    def planned(self) -> int:
        """How many cells the run set out to measure."""
        return len(self.measured) - len(self.unplanned) + len(self.not_measured)

    @property
    def lost(self) -> tuple[NotMeasured, ...]:
        """The planned cells that should have a result and have none."""
        return tuple(one for one in self.not_measured if one.state != LEFT_OUT)

    @property
    def left_out(self) -> tuple[NotMeasured, ...]:
        """The planned cells that the run meant not to measure."""
        return tuple(one for one in self.not_measured if one.state == LEFT_OUT)


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


_REMEDY = "run `./invoke run` again; finished cells are kept"


def _run_json(path: Path) -> Mapping[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultError("no run here: run.json is missing", where=str(path), remedy=_REMEDY) from None
    except (OSError, ValueError) as error:
        raise ResultError(f"cannot be read: {error}", where=str(path), remedy=_REMEDY) from None
    if not isinstance(facts, dict) or facts.get("schema") != 1:
        raise ResultError("not a run description of schema 1", where=str(path), remedy=_REMEDY)
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
        timings=tuple(_timing(one) for one in rounds) if performance else (),
        accuracy=accuracy and _accuracy(accuracy),
        accuracy_reason=data["accuracy_reason"] or "no reason is recorded",
        agreement=agreement and Agreement(**agreement),
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


def _timing(one: Mapping[str, Any]) -> Timing:
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
        machine=one.get("machine", ""),
        others=one.get("others"),
    )


BASELINE = "FP32"
