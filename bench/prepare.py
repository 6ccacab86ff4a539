"""Make what a spec asks for and the cache does not have: arrays, weights, reference logits, artifacts.

Runs in the prepare image, the one place with converters. Standard output carries one JSON event a line
and nothing else; what the frameworks print, from C++ as well, goes to standard error.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench import artifacts
from bench.errors import KitError


def main(spec_path: str) -> int:
    """Prepare everything in the spec; returns 0, or 1 if an artifact could not be made (the others are).

    Events on standard output: {"event": "artifact", framework, method, model, arch, seconds, sha256, bytes,
    agreement} or {"event": "error", framework, method, model, arch, message}; `agreement` is null for
    arrays, weights and the reference, else {images, max_abs, top1} against the reference logits.
    """
    spec = json.loads(Path(spec_path).read_text(encoding="utf-8"))
    cache = Path(spec["cache"])
    failed = 0
    with _events() as emit, artifacts.exclusive(cache), tempfile.TemporaryDirectory() as scratch:
        missing = artifacts.plan(spec)
        if not missing:
            return 0
        from bench.workshop import Workshop

        workshop = Workshop(spec, cache, Path(scratch))
        for recipe in missing:
            names = {name: getattr(recipe, name) for name in ("framework", "method", "model", "arch")}
            started = time.monotonic()
            try:
                made = workshop.make(recipe)
            except Exception as error:  # a converter may raise anything; the other artifacts go on
                failed += 1
                emit({"event": "error", **names, "message": _reason(error)})
                continue
            seconds = round(time.monotonic() - started, 2)
            facts = {"seconds": seconds, "sha256": made.sha256, "bytes": made.bytes}
            emit({"event": "artifact", **names, **facts, "agreement": made.entry.get("agreement")})
    return 1 if failed else 0


def _reason(error: Exception) -> str:
    """One line for the event; the traceback of an error that is not ours goes to standard error."""
    if isinstance(error, KitError):
        return str(error)
    traceback.print_exception(type(error), error, error.__traceback__)
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


@contextlib.contextmanager
def _events() -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Keep standard output for events: file descriptor 1 becomes standard error until the end."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(saved), "w", encoding="utf-8") as stream:

            def emit(event: Mapping[str, Any]) -> None:
                print(json.dumps(event), file=stream, flush=True)

            yield emit
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)
