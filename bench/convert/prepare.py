"""Make what a spec asks for and the cache does not have: arrays, weights, reference logits, artifacts.

Runs in the prepare image, the one place with converters.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import resource
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.common.errors import KitError
from bench.common.events import Emit
from bench.convert import formats, wanted
from bench.convert.jobs import Crew, Job, Send
from bench.store import artifacts
from bench.store.recipes import Recipe

#: What has to be done before what; converting comes after both.
_STAGES = {"dataset": 0, "canonical": 1, "reference": 1}
_CONVERTING = 2
_NAMES = ("format", "method", "model", "arch")


def main(spec_path: str, emit: Emit) -> int:
    """Prepare everything in the spec; returns 0, or 1 if an artifact could not be made (the others are).

    Events: {"event": "artifact", format, method, model, arch, seconds, cpu_seconds,
    peak_bytes, sha256, bytes, agreement} or {"event": "error", format, method, model, arch, message};
    `agreement` is null for arrays, weights and the reference, else {images, max_abs, top1} against the
    reference logits; `peak_bytes` is the largest resident size of the process until then. While photographs
    are read, {"event": "progress", "what": "dataset", done, total} about once a second.
    """
    spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    cache = Path(spec["cache"])
    failed = 0
    with artifacts.exclusive(cache):

        def receive(recipe: Recipe, message: Mapping[str, Any]) -> None:
            nonlocal failed
            if message["event"] == "progress":
                emit(message)
                return
            failed += message["event"] == "error"
            emit({**message, **{name: getattr(recipe, name) for name in _NAMES}})

        memory = spec["memory"]
        jobs = _jobs(wanted.missing(spec), memory["needs"])
        work = functools.partial(_make, spec, os.sched_getaffinity(0))
        Crew(work, receive, cache / "artifacts", min(memory["room"], _available())).run(jobs)
    return 1 if failed else 0


def _available() -> int:
    """The memory in bytes that nobody takes at this moment."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    return int(text.partition("MemAvailable:")[2].split()[0]) * 1024


def _jobs(missing: Sequence[Recipe], needs: Mapping[str, int]) -> list[Job[Recipe]]:
    """One job for a model's weights and reference, and one for what a format makes of them.

    Artifacts of a format that needs a process to itself have a job each. `needs` is what a job of a model
    takes of memory at most, in bytes.
    """
    jobs: dict[tuple[str, int, str, str], Job[Recipe]] = {}
    for recipe in missing:
        stage = _STAGES.get(recipe.format, _CONVERTING)
        converting = stage == _CONVERTING
        alone = converting and formats.declared()[recipe.format].alone
        key = (recipe.model, stage, recipe.format if converting else "", recipe.key if alone else "")
        job = Job(stage, recipe.model, list[Recipe](), needs.get(recipe.model, 0))
        jobs.setdefault(key, job).steps.append(recipe)
    return list(jobs.values())


def _make(
    spec: Mapping[str, Any], cores: set[int], recipes: Sequence[Recipe], scratch: Path, send: Send
) -> None:
    """Make recipes in this process, one after the other; one that fails does not stop the next."""
    from bench.convert.convert import Workshop

    if recipes[0].format == "dataset":  # every other job waits for it, so no core is anyone else's
        os.sched_setaffinity(0, cores)

    def progress(done: int, total: int) -> None:
        send({"event": "progress", "what": "dataset", "done": done, "total": total})

    workshop = Workshop(spec, Path(spec["cache"]), scratch, progress)
    for recipe in recipes:
        ctypes.CDLL(None).malloc_trim(0)  # glibc keeps what was freed; the next conversion is no less hungry
        started, used = time.monotonic(), time.process_time()
        try:
            made = workshop.make(recipe)
        except Exception as error:  # a converter may raise anything
            send({"event": "error", "message": _reason(error)})
            continue
        send(
            {
                "event": "artifact",
                "seconds": round(time.monotonic() - started, 2),
                "cpu_seconds": round(time.process_time() - used, 2),
                "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "sha256": made.sha256,
                "bytes": made.bytes,
                "agreement": made.entry.get("agreement"),
            }
        )


def _reason(error: Exception) -> str:
    """One line for the event; the traceback of an error that is not ours goes to standard error."""
    if isinstance(error, KitError):
        return str(error)
    traceback.print_exception(type(error), error, error.__traceback__)
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
