"""What runs inside a container: `python -m bench COMMAND SPEC`, or `harness`, which needs no spec.

Standard output carries one JSON event a line and nothing else: file descriptor 1 is turned to standard
error before any framework is imported, because C++ libraries print where they like.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.common.errors import KitError, UsageError, unknown

Emit = Callable[[Mapping[str, Any]], None]
COMMANDS = ("audit", "harness", "measure", "prepare", "series", "sources", "speed")


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code (0: all well, 1: some cells failed, else an error's own)."""
    try:
        command, spec = _parse(arguments)
        return _dispatch(command, spec)
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _parse(arguments: Sequence[str]) -> tuple[str, str]:
    command = arguments[0] if arguments else ""
    if command not in COMMANDS:
        raise UsageError(unknown("command", command, COMMANDS), remedy="python -m bench COMMAND SPEC")
    if len(arguments) != 2 and not (command == "harness" and len(arguments) == 1):
        raise UsageError(f"{command} takes one spec file", remedy=f"python -m bench {command} SPEC")
    return command, arguments[-1]


def _dispatch(command: str, spec: str) -> int:
    if command == "prepare":
        from bench.convert import prepare

        return prepare.main(spec)
    emit = _events()
    if command == "sources":
        from bench.convert import publishers

        return publishers.locate(spec, emit)
    if command == "series":
        from bench.measure import series

        return series.run(Path(spec), emit)
    from bench.measure import audit, harness, launch, speed

    if command == "harness":
        emit({"event": "harness", **harness.measure()})
        return 0
    launches = {"audit": audit.launch, "measure": launch.launch, "speed": speed.launch}
    return launches[command](launch.read_spec(Path(spec)), emit)


def _events() -> Emit:
    """Keep standard output for events; everything else that is printed goes to standard error."""
    sys.stdout.flush()
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def emit(event: Mapping[str, Any]) -> None:
        stream.write(json.dumps(event, allow_nan=False) + "\n")
        stream.flush()

    return emit


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
