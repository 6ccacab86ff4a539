"""run.json: what a run planned, on what machine, and what failed.

Written by the host beside the cells, replaced atomically after every launch, so that a report can
be made from a run that was killed.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench.common import files
from bench.common.errors import KitError
from bench.store.results import RUN_SCHEMA
from images.choosing.session import Session
from images.kit import kit


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def start(session: Session, engine: dict[str, Any], prepare: dict[str, Any]) -> dict[str, Any]:
    """The facts of a run as it starts; `engine` is what engine.describe() says."""
    return {
        "schema": RUN_SCHEMA,
        "run": session.run_name,
        "created": now(),
        "updated": now(),
        "platform": session.platform,
        "profile": session.profile,
        "performance": session.performance,
        "complete": False,
        "engine": engine,
        "host": session.workbench.machine.document(),
        "machines": [engine.machine().label for engine in session.workbench.engines],
        "device_note": device_note(session),
        "harness": None,
        "dataset": {"label": session.dataset.label, "notes": list(session.dataset.notes)},
        "planned": [{**asdict(cell), "id": cell.id} for cell in session.plan.cells],
        "absent": [asdict(row) for row in session.plan.absent],
        "failures": [],
        "excluded": [],
        "predicted_seconds": 0.0,
        "seconds": 0.0,
        "prepare": prepare,
        "kit": kit(session.workspace.root),
    }


def merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Carry over what a run already knew: cells planned before with other filters stay planned."""
    planned = {row["id"]: row for row in [*old["planned"], *new["planned"]]}
    absent = {
        (row["framework"], row["model"], row["method"]): row for row in [*old["absent"], *new["absent"]]
    }
    now_tried = {row["id"] for row in new["planned"]}
    artifacts = {
        json.dumps([row.get(k) for k in ("framework", "model", "method", "arch")]): row
        for row in [*old["prepare"]["artifacts"], *new["prepare"]["artifacts"]]
    }
    return {
        **new,
        "created": old["created"],
        "harness": old["harness"],
        "seconds": old["seconds"],
        "planned": list(planned.values()),
        "absent": list(absent.values()),
        "failures": [row for row in old["failures"] if row["id"] not in now_tried],
        "excluded": [row for row in old.get("excluded", []) if row["id"] not in now_tried],
        "prepare": {
            "seconds": max(old["prepare"]["seconds"], new["prepare"]["seconds"]),
            "artifacts": list(artifacts.values()),
        },
    }


def read(run_dir: Path) -> dict[str, Any] | None:
    """The run.json of a run, or None where there is none yet; KitError for a damaged one."""
    path = run_dir / "run.json"
    try:
        run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if run["schema"] != RUN_SCHEMA:
            raise ValueError(f"schema {run['schema']}, expected {RUN_SCHEMA}")
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise KitError(
            f"damaged run file: {error}",
            where=str(path),
            remedy="delete it; the results beside it are kept and found again",
        ) from None
    return run


def write(run_dir: Path, run: dict[str, Any]) -> None:
    """Replace run.json: a reader sees the old one or the new one, never half."""
    run["updated"] = now()
    try:
        files.replace(run_dir / "run.json", json.dumps(run, indent=1) + "\n")
    except OSError as error:
        raise KitError(
            f"cannot write run.json: {error.strerror}",
            where=str(run_dir),
            remedy="free some space and run the same command again",
        ) from None


def device_note(session: Session) -> str | None:
    """Say where this machine is not the platform's device, or None where it is."""
    notes = []
    cpu, wanted = session.workbench.machine.cpu_model, session.platform_facts.cpu
    if session.emulated:
        notes.append(f"{session.platform} is emulated on {cpu}: correctness only, no timing is performance")
    elif wanted and wanted.lower() not in cpu.lower():
        notes.append(f"{session.platform} expects '{wanted}', this CPU is '{cpu}'")
    if session.platform_facts.threads > session.threads:
        notes.append(
            f"{session.platform} has {session.platform_facts.threads} threads, {session.threads} used here"
        )
    if not notes:
        return None
    return "; ".join(notes) + f": these numbers do not speak of {session.platform}"
