"""Which run a container belongs to, and whether that run still lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path

OWNER = "edgequant.owner"


def owner() -> dict[str, str]:
    """Return the label that says which run of which machine a container belongs to."""
    return {OWNER: f"{socket.gethostname()}:{os.getpid()}:{_start_time(os.getpid())}"}


def owned_by_the_living(label: str) -> bool:
    """Whether the run of an owner's label may still go on: another machine's, or another process's."""
    host, pid, start = label.rsplit(":", 2)
    return host != socket.gethostname() or (_start_time(int(pid)) == start and int(pid) != os.getpid())


def _start_time(pid: int) -> str:
    """Return when a process started (kernel ticks), "" if it is gone; pids are used again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
