"""Which run a container belongs to, and whether that run still lives."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from bench.device import system

OWNER = "edgequant.owner"


def owner() -> dict[str, str]:
    """Return the label that says which run of which machine a container belongs to."""
    return {OWNER: f"{socket.gethostname()}:{os.getpid()}:{_start_time(os.getpid())}"}


def owned_by_the_living(label: str) -> bool:
    """Whether the run of an owner's label may still go on: another machine's, or another process's."""
    host, pid, start = label.rsplit(":", 2)
    return host != socket.gethostname() or (_start_time(int(pid)) == start and int(pid) != os.getpid())


def _start_time(pid: int) -> str:
    """Return when a process started, as its system says it, "" if it is gone; pids are used again."""
    if not system.is_linux():
        return _told_by_ps(pid)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _told_by_ps(pid: int) -> str:
    """Ask in one language and time zone: the answer must not change while a run goes on."""
    words = {**os.environ, "LC_ALL": "C", "TZ": "UTC0"}
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, env=words)
    return "-".join(done.stdout.replace(":", "-").split())  # a colon would end a part of the label
