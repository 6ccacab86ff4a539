"""What runs inside a container: `python -m bench COMMAND SPEC`, or `harness`, which needs no spec.

Standard output carries one JSON event a line and nothing else (bench/common/events.py). What a command needs
is imported when it is asked for: an image holds the parts that it runs and no others.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.common.errors import KitError, UsageError, unknown
from bench.common.events import to_stdout

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
    emit = to_stdout()
    if command == "prepare":
        from bench.convert import prepare

        return prepare.main(spec, emit)
    if command == "sources":
        from bench.convert import publishers

        return publishers.locate(spec, emit)
    if command == "series":
        from bench.measure import series

        return series.run(Path(spec), emit)
    from bench.measure import audit, harness, launch, speed
    from bench.measure.spec import read_spec

    if command == "harness":
        emit({"event": "harness", **harness.measure()})
        return 0
    launches = {"audit": audit.launch, "measure": launch.launch, "speed": speed.launch}
    return launches[command](read_spec(Path(spec)), emit)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
