"""One launch: one artifact in one round, all its scenarios, each a cell with a result of its own.

A cell that fails says why and the others go on. A timed round is on disk before anything else is asked of
the cell, and what then fails marks its own field. Accuracy and agreement are round 0, a launch of its own
that comes after all timing, because they heat a machine; where timings are not shown they follow at once.
"""

from __future__ import annotations

import gc
import sys
import time
import traceback
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.common.errors import KitError, MeasureError
from bench.common.events import Emit
from bench.device import allocator, environment
from bench.measure.cell_run import CellRun
from bench.measure.loadgen.settings import seeds_of
from bench.measure.upload import Upload
from bench.measure.work import Work
from bench.store import results

_LATER = "not measured yet: it comes after all timing"


def launch(spec: Mapping[str, Any], emit: Emit) -> int:
    """Measure the spec's cells, one event each; return 1 if any failed, else 0.

    Where the spec has `so_far` (cell id -> result), the results folder is not the host's: what it knows
    comes with the spec, and what is measured goes back as events, each cell's files before its event.
    """
    upload = None
    try:
        if "so_far" in spec:
            upload = _upload(spec, emit)
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
            _measure(work, cell)
            if upload:
                upload.send()
        except Exception as error:
            reason = reason_of(error)
            failed += 1
        emit(_event(cell, spec, time.perf_counter() - started, reason))
    return 1 if failed else 0


def _upload(spec: Mapping[str, Any], emit: Emit) -> Upload:
    """Lay out what the host knows of this launch's cells, and be ready to send what comes."""
    run = Path(spec["results"])
    upload = Upload(run, emit)
    for cell_id, document in spec["so_far"].items():
        path = results.path_of(run, cell_id)
        if not path.exists():  # in a series the launch before may have added to it
            results.save(path, document)
        upload.known(path)
    return upload


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


def _measure(work: Work, cell: Mapping[str, Any]) -> None:
    """Measure one cell in this round, or judge it, and write its result; nothing to do if that is there."""
    path = results.path_of(work.run, cell["id"])
    result = results.open_for(path, cell["key"])
    number, one = work.spec["round"], None
    gc.collect()  # a runner and its library refer to each other: the last cell would count in this one
    allocator.give_back()
    if number and not results.has_round(result, number):
        started = time.perf_counter()
        environment.reset_peak_memory()
        one = CellRun(work, cell)
        row = one.timed()
        row["seconds"] = time.perf_counter() - started
        result = results.with_round(result or _header(work, cell), row)
        results.save(path, result)
        if not result["evidence"]["facts"]:
            told = "" if work.emulated else allocator.warning(row, cell["batch"])
            result = {**result, "evidence": _evidence(one, told)}
            results.save(path, result)
    shown = work.spec["performance"] and not work.emulated
    if (number and shown) or (result and result["judged"]):
        return
    if result is None:
        raise MeasureError("the cell has no timed round, there is nothing to judge", remedy="invoke run")
    _judge(one or CellRun(work, cell), result, path)


def _evidence(one: CellRun, told: str) -> dict[str, Any]:
    """The timed model's kernel evidence, and what is `told` of its round; what cannot be read is told too."""
    try:
        return one.runner.evidence().plus(*filter(None, [told])).document()
    except Exception as error:
        why = f"kernel evidence could not be read: {reason_of(error)}"
        return {"summary": "not recorded", "facts": {}, "warnings": [why]}


def _judge(one: CellRun, result: Mapping[str, Any], path: Path) -> None:
    """Add accuracy and agreement, each as soon as it is there; what fails leaves its reason and is raised.

    The cell stays unjudged then, so that the next run tries again.
    """
    failed = []
    for name, judge in (("accuracy", one.accuracy), ("agreement", one.agreement)):
        try:
            found = judge()
        except Exception as error:
            found = {f"{name}_reason": reason_of(error)}
            failed.append(f"{name}: {found[f'{name}_reason']}")
        result = {**result, **found}
        results.save(path, result)
    if failed:
        raise MeasureError("; ".join(dict.fromkeys(failed)))
    results.save(path, {**result, "judged": True})


def _header(work: Work, cell: Mapping[str, Any]) -> dict[str, Any]:
    spec = work.spec
    names = ("platform", "stack", "framework", "model", "weights", "method", "scenario", "batch", "isa")
    files = sorted(path for path in work.artifact.iterdir())
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
            engine=spec["engine"],
            lock=spec["lock"],
            code=spec["code"],
            emulated=spec["emulated"],
            threads=spec["threads"],
            threads_why=spec["threads_why"],
        ),
        "versions": _versions(spec["package"]),
        "seeds": seeds_of(cell["settings"]) or {"loadgen": spec["seed"]},
        "evidence": {"summary": "not recorded", "facts": {}, "warnings": []},
        "judged": False,
        "accuracy": None,
        "accuracy_reason": cell["settings"]["accuracy_reason"] or _LATER,
        "agreement": None,
        "agreement_reason": _LATER,
        "rounds": [],
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


def _versions(package: str) -> dict[str, str]:
    names = (package, "numpy", "mlcommons-loadgen")
    return {"python": sys.version.split()[0], **{name: metadata.version(name) for name in names}}
