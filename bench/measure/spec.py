"""What the host tells a launch: one JSON document, its spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.common.errors import UsageError

SPEC_SCHEMA = 1


def read_spec(path: Path) -> dict[str, Any]:
    """Read a launch's spec. Raises UsageError for what is not one."""
    try:
        spec: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema = spec["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"not a measure spec: {error!r}", where=str(path)) from error
    if schema != SPEC_SCHEMA:
        raise UsageError(f"measure spec of schema {schema!r}, expected {SPEC_SCHEMA}", where=str(path))
    return spec
