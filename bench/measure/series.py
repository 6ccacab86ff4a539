"""Several launches one after the other, each in a process of its own: what one job of a fleet does.

A framework that crashes takes its own launch with it and no other.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.common.errors import UsageError
from bench.common.events import Emit

SCHEMA = 1


def run(path: Path, emit: Emit) -> int:
    """Run the spec's launches; pass on their events, and say how each ended. Returns 1 if any failed.

    The spec is {"schema", "launches": [measure specs]}; the added event is {"event": "ended", "launch",
    "exit_code"}, where a negative code is the signal that killed the launch. UsageError for another spec.
    """
    try:
        spec = json.loads(path.read_text(encoding="utf-8"))
        launches = spec["launches"]
        if spec["schema"] != SCHEMA:
            raise ValueError(f"schema {spec['schema']!r}, expected {SCHEMA}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"not a series spec: {error!r}", where=str(path)) from error
    codes = [_one(launch, number, emit) for number, launch in enumerate(launches)]
    return 1 if any(codes) else 0


def _one(launch: Mapping[str, Any], number: int, emit: Emit) -> int:
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "measure.json")
        spec.write_text(json.dumps(launch), encoding="utf-8")
        command = [sys.executable, "-s", "-S", "-m", "bench", "measure", str(spec)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
            assert process.stdout is not None
            for line in process.stdout:
                emit(json.loads(line))
            code = process.wait()
    emit({"event": "ended", "launch": number, "exit_code": code})
    return code
