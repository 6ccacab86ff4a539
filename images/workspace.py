"""Where the kit keeps what it makes, and the few constants that every image shares."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.common.errors import UsageError

PYTHON = "3.11"  # what the base's Debian suite ships; wheels, bytecode and engine `native` follow it

# Is told, a line at a time, what is being done; `print` will do.
Say = Callable[[str], None]


def epoch() -> int:
    """Return the one date (seconds) that every file in an image carries.

    A constant rather than the commit's date: two commits with the same wheels share their layers.
    Raises UsageError where SOURCE_DATE_EPOCH sets it and is no date.
    """
    word = os.environ.get("SOURCE_DATE_EPOCH", "").strip() or "1767225600"  # 2026-01-01
    # a gzip header has 32 bits for it
    if not (word.isascii() and word.isdigit() and int(word) < 1 << 32):
        raise UsageError(
            f"{word!r} is no date in seconds since 1970",
            where="SOURCE_DATE_EPOCH",
            remedy="unset it: the kit has a date of its own for every file",
        )
    return int(word)


def size(count: float) -> str:
    """Return a number of bytes for reading: "47.5 MB"."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


@dataclass(frozen=True)
class Workspace:
    """A checkout and its cache."""

    root: Path

    @property
    def cache(self) -> Path:
        return self.root / ".cache"

    def lock(self, image: str, arch: str) -> Path:
        return self.root / "images" / "locks" / f"{image}-{arch}.txt"

    def wheels(self, image: str, arch: str) -> Path:
        return self.cache / "wheels" / f"{image}-{arch}"

    @property
    def debian(self) -> Path:
        """Downloaded Debian packages."""
        return self.cache / "debian"

    def site(self, image: str, arch: str, key: str) -> Path:
        return self.cache / "site" / f"{image}-{arch}-{key[:12]}"
