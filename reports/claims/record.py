"""claims.json: the verdicts beside a run, written by `invoke claims` and read by the report."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench.common import files
from reports.claims import tell
from reports.claims.judge import (
    NOT_REPRODUCED,
    NOT_TESTABLE,
    REPRODUCED,
    UNDECIDED,
    VERDICTS,
    DeviceUnderTest,
    JudgedClaim,
)
from reports.run.metrics import round_of
from reports.run.results import Run

SCHEMA = 1
NAME = "claims.json"
# A sign before each verdict's word, so that neither depends on colour.
SIGNS = {
    REPRODUCED: "\N{CHECK MARK}",
    NOT_REPRODUCED: "\N{BALLOT X}",
    UNDECIDED: "?",
    NOT_TESTABLE: "\N{EN DASH}",
}


def document(
    judged: Sequence[JudgedClaim], device: DeviceUnderTest, runs: Sequence[Run], profile: str, dataset: str
) -> dict[str, Any]:
    """Return claims.json: every verdict with what it stands on, and the runs that were read."""
    counts = Counter(one.verdict for one in judged)
    return {
        "schema": SCHEMA,
        "judged": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "platform": device.platform,
        "profile": profile,
        "dataset": dataset,
        "weights": device.weights,
        "device": {"cpu": device.cpu, "arch": device.arch, "the_papers": device.own},
        "runs": {run.name: digest(run) for run in runs},
        "counts": {verdict: counts[verdict] for verdict in VERDICTS},
        "claims": [_claim(one) for one in judged],
    }


def _claim(one: JudgedClaim) -> dict[str, Any]:
    claim, found = one.claim, one.estimate
    note = ""
    if found and one.direction and one.verdict != NOT_TESTABLE:
        note = tell.of_value(claim, one.tolerance, found)
    return {
        "id": one.id,
        "title": claim.title,
        "quote": claim.quote,
        "section": claim.section,
        "figure": claim.figure,
        "reading": claim.reading,
        "platforms": list(claim.platforms),
        "expected": tell.expected(claim, one.tolerance, direction=one.direction),
        "tolerance": asdict(one.tolerance),
        "accepted": tell.bounds(one.accepted),
        "verdict": one.verdict,
        "scope": one.scope,
        "measured": asdict(found) if found else None,
        "measured_text": tell.measured(claim, found) if found else "",
        "value_note": note,
        "explanation": one.explanation,
        "comparisons": [
            {
                "label": row.label,
                "run": row.run,
                "state": row.state,
                "measured": asdict(row.estimate) if row.estimate else None,
                "measured_text": tell.measured(claim, row.estimate) if row.estimate else "",
                "reason": row.reason,
            }
            for row in one.compared
        ],
    }


def digest(run: Run) -> str:
    """Return a hash of all that a verdict reads of a run: another one means other measurements."""
    read = [
        (
            one.cell.id,
            one.artifact["sha256"],
            [
                (*round_of(row), row.valid, row.latency_ns, row.rate, row.peak_memory_bytes)
                for row in one.timings
            ],
            one.accuracy,
        )
        for one in run.measured
    ]
    return hashlib.sha256(repr(read).encode()).hexdigest()


def write(run_dir: Path, verdicts: Mapping[str, Any]) -> Path:
    """Replace `run_dir`/claims.json and return its path."""
    path = run_dir / NAME
    files.replace(path, json.dumps(verdicts, indent=1, allow_nan=False) + "\n")
    return path


def read(run: Run) -> dict[str, Any] | None:
    """Return the verdicts beside a run, None where there are none that this kit can read.

    "stale" says whether the run was measured further since.
    """
    try:
        verdicts: dict[str, Any] = json.loads((run.path / NAME).read_text(encoding="utf-8"))
        if verdicts["schema"] != SCHEMA:
            return None
        return {**verdicts, "stale": verdicts["runs"].get(run.name) != digest(run)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
