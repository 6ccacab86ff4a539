"""The throttling word of a Raspberry Pi's firmware, and what the host relays of what a container cannot see.

`vcgencmd get_throttled` (raspberrypi.com, "get_throttled"): bits 0 to 3 are the present, bits 16 to 19 the
same since boot, or since somebody cleared them: the kernel's rpi_volt driver does every two seconds.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PRESENT = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
PAST = ("under-voltage", "frequency capping", "throttling", "soft temperature limit")
NOW = (1 << len(PRESENT)) - 1
SINCE = NOW << 16
_WORD = re.compile(r"(?:throttled=)?(?:0x)?([0-9a-f]{1,8})", re.IGNORECASE)
_STALE_S = 10.0


def parse(text: str) -> int | None:
    """The word, from sysfs (hexadecimal digits) or vcgencmd ("throttled=0x50000"); None for anything else."""
    found = _WORD.fullmatch(text.strip())
    return int(found[1], 16) if found else None


def names(word: int) -> list[str]:
    """What the word says, the present before the past: ["frequency capped", "under-voltage occurred"]."""
    now = [name for bit, name in enumerate(PRESENT) if word & 1 << bit]
    gone = word >> 16 & ~word  # what is the case now need not be said of the past, too
    return now + [f"{name} occurred" for bit, name in enumerate(PAST) if gone & 1 << bit]


def seen(words: list[int]) -> int:
    """What happened over consecutive readings: every present bit, and the past bits that appeared in between.

    A past bit that the first reading has is of another day.
    """
    found = 0
    for word in words:
        found |= word & NOW
    for before, after in zip(words, words[1:]):
        found |= after & ~before & SINCE
    return found


# The relay: a small file in a mounted folder, refreshed by the host. A container cannot ask the firmware
# (no devices), and newer Dockers (moby#49560) mask the processor's throttle counters.


def relay(path: Path, facts: Mapping[str, Any], root: Path = Path("/")) -> None:
    """Replace the file; no fsync, since it is worth nothing after a power cut and a card is slow."""
    scrap = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    scrap.write_text(json.dumps({**facts, "boot": _boot(root), "at": time.monotonic()}), encoding="utf-8")
    scrap.chmod(0o644)  # whatever the umask: the bench reads it as another user
    os.replace(scrap, path)


def relayed(path: Path, root: Path = Path("/")) -> dict[str, Any]:
    """What this machine's host told in the last seconds; {} where it tells nothing, or is another machine."""
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fresh = 0 <= time.monotonic() - facts["at"] < _STALE_S and facts["boot"] == _boot(root)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return facts if fresh else {}


def _boot(root: Path) -> str:
    """The running kernel's own name, the same on the host and in its containers."""
    return (root / "proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
