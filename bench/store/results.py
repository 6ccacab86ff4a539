"""Result files: one JSON a cell, validated on write and on load, replaced atomically.

A reader or a power cut sees the old file or the new one, never half of one.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import fastjsonschema

from bench.common import files
from bench.common.errors import ResultError

SCHEMA = 3
_OLDEST = 2  # that is still read: its agreement is of all logits, and it tells less of time and memory
RUN_SCHEMA = 1  # of run.json, which the host writes beside the results
_SCHEMA_FILE = Path(__file__).with_name("result.schema.json")
_AGAIN = "delete the file, or run with --fresh, to measure this cell again"


class OlderResultError(ResultError):
    """A result that an older kit wrote: stale like one of another key, not damaged."""


def path_of(run: Path, cell_id: str) -> Path:
    """Where a run keeps the result of a cell."""
    return run / "cells" / f"{cell_id}.json"


def load(path: Path) -> dict[str, Any]:
    """Read and validate a result. Raises ResultError (file, what is wrong, remedy); OSError passes.

    A result of a schema that is no longer read is an OlderResultError.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except ValueError as error:
        raise ResultError(f"damaged result: {error}", where=str(path), remedy=_AGAIN) from error
    found = document.get("schema") if isinstance(document, dict) else SCHEMA
    if not isinstance(found, int) or not _OLDEST <= found <= SCHEMA:
        older = isinstance(found, int) and 0 < found < _OLDEST
        raise (OlderResultError if older else ResultError)(
            f"result of schema {found!r}, expected {SCHEMA}", where=str(path), remedy=_AGAIN
        )
    _validate(document, path)
    return cast("dict[str, Any]", document)


def open_for(path: Path, key: str) -> dict[str, Any] | None:
    """The result to append to, or None where there is none yet.

    Raises ResultError when the file was measured under another key (other settings, model or locks).
    """
    if not path.exists():
        return None
    result = load(path)
    if result["key"] != key:
        raise ResultError(
            f"result of another key ({result['key'][:12]}, expected {key[:12]}): "
            "settings, artifact or locks changed since",
            where=str(path),
            remedy=_AGAIN,
        )
    return result


def has_round(result: Mapping[str, Any] | None, number: int) -> bool:
    """Whether this round is measured."""
    return result is not None and any(row["round"] == number for row in result["rounds"])


def with_round(result: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The result with one more round, in order; a round that is there stays as it is."""
    rows = list(result["rounds"])
    if not has_round(result, row["round"]):
        rows.append(dict(row))
    return {**result, "rounds": sorted(rows, key=lambda r: int(r["round"]))}


def save(path: Path, result: Mapping[str, Any]) -> None:
    """Validate and replace the file: temporary file, fsync, rename, fsync of the folder.

    Raises ResultError for a document the schema (or JSON: NaN, infinity) does not allow, and when the
    disk refuses it; the old file is then untouched.
    """
    _validate(result, path)
    try:
        text = json.dumps(result, indent=1, sort_keys=True, allow_nan=False) + "\n"
    except ValueError as error:
        raise ResultError(f"result cannot be written: {error}", where=str(path)) from error
    try:
        files.replace(path, text)
    except OSError as error:
        raise ResultError(
            f"cannot write the result: {error.strerror}",
            where=str(path),
            remedy="free disk space, then run again",
        ) from error


def _validate(document: object, path: Path) -> None:
    try:
        _validator()(document)
    except fastjsonschema.JsonSchemaException as error:
        raise ResultError(f"not a valid result: {error}", where=str(path), remedy=_AGAIN) from error


@functools.cache
def _validator() -> Callable[[object], object]:
    schema = json.loads(_SCHEMA_FILE.read_text(encoding="utf-8"))
    return cast("Callable[[object], object]", fastjsonschema.compile(schema, use_default=False))


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
