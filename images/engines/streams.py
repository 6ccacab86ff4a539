"""What a launch prints, line by line."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

STDERR_LINES = 40
OnLine = Callable[[str], None]


class Lines:
    """Cuts a byte stream into lines of text and hands each one on."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._on_line(line.decode("utf-8", "replace"))

    def end(self) -> None:
        if self._rest:
            self.feed(b"\n")


def tail() -> deque[str]:
    """Return a buffer that keeps the last lines of stderr."""
    return deque(maxlen=STDERR_LINES)
