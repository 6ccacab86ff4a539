"""What a process of the bench says: one JSON event a line on standard output, and nothing else there."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

Emit = Callable[[Mapping[str, Any]], None]


def to_stdout() -> Emit:
    """Keep standard output for events until this process ends: all else goes to standard error.

    C++ libraries print where they like, so file descriptor 1 itself is turned, before any is imported.
    """
    sys.stdout.flush()
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def emit(event: Mapping[str, Any]) -> None:
        stream.write(json.dumps(event, allow_nan=False) + "\n")
        stream.flush()

    return emit
