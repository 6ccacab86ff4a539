"""The files that weights come from: fetched, or the user's own made readable."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.common.errors import ArtifactError
from bench.common.files import folder, replace
from bench.convert import publishers
from bench.store.recipes import Recipe
from images.choosing.weights import Origin, Weights
from images.engines.engine import Engine, Mount, Request
from images.making.base import USER
from images.making.bench_files import PREPARE
from images.preparing.fetch import fetch

TIMEOUT_S = 300.0


def gather(
    weights: Weights, missing: Iterable[Recipe], engine: Engine, arch: str, cache: Path
) -> tuple[dict[str, Any], tuple[Mount, ...]]:
    """Get the files that the `missing` recipes are made from.

    Published files are fetched into `cache`/weights, unless they are there. Returns what to put into the
    prepare spec (see `Weights.spec`) and the mounts for it. Raises ArtifactError, EngineError.
    """
    made_from = {recipe.parameters.get("file") for recipe in missing}
    needed = {origin.pin: origin for origin in weights.files.values() if origin.pin in made_from}
    places = _places([origin for origin in needed.values() if origin.path is None], engine, arch, cache)
    paths = {}
    for pin, origin in needed.items():
        if origin.path is not None:
            paths[pin] = _readable(origin.path, pin, cache)
        else:
            url, file = places[pin]
            paths[pin] = fetch(url, cache / "weights" / file, pin)
    mounts = tuple(
        Mount(path, f"/weights/{number}-{path.name}") for number, path in enumerate(paths.values())
    )
    seen = {pin: engine.path(path, mounts) for pin, path in paths.items()}
    return weights.spec(seen), mounts


def _readable(path: Path, pin: str, cache: Path) -> Path:
    """Return the file, or a copy for the container where root alone may read it (as safetensors writes).

    The container never runs as root; its user owns the copy, and nobody else may read it.
    """
    if os.getuid() or path.stat().st_mode & 0o004:
        return path
    copy = cache / "weights" / f"{pin[:12]}-{path.name}"
    if not copy.exists():
        partial = copy.with_suffix(".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, partial)
        partial.chmod(0o400)
        os.chown(partial, USER, USER)
        partial.rename(copy)
    return copy


def _places(origins: Sequence[Origin], engine: Engine, arch: str, cache: Path) -> dict[str, tuple[str, str]]:
    """Address and file name of published files, by pin; the publishers' own packages know most of them."""
    places = {
        o.pin: (o.published.url, o.published.url.rpartition("/")[2]) for o in origins if o.published.url
    }
    asked = {(o.published.kind, o.model): o.pin for o in origins if not o.published.url}
    if not asked:
        return places
    specs = folder(cache / "specs")
    mounts = (Mount(specs, "/cache/specs"),)
    path = specs / "sources.json"
    wanted = [{"kind": kind, "model": model} for kind, model in asked]
    replace(path, json.dumps({"schema": publishers.SCHEMA, "wanted": wanted}))

    def on_line(line: str) -> None:
        event = json.loads(line)
        places[asked[event["kind"], event["model"]]] = event["url"], event["file"]

    request = Request(PREPARE, arch, ["sources", engine.path(path, mounts)], mounts, timeout_s=TIMEOUT_S)
    result = engine.launch(request, on_line)
    if result.exit_code:
        raise ArtifactError(f"cannot tell where the weights are: {result.reason}\n{result.stderr}".rstrip())
    return places
