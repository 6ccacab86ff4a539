"""What the host tells the bench about this machine, because a container cannot see it.

Two things: the firmware's word where the kernel has no file of it (the bench would need /dev/vcio), and
Intel's throttle counters, which Docker masks since moby#49560. The bench believes the file only where it runs
under the same kernel (bench/device/firmware.py), so nothing is told of a remote engine's machine.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.device import firmware
from bench.device.machine import Reading, Sensors

INTERVAL_S = 2.0  # as often as the kernel's own driver asks the firmware; vcgencmd takes milliseconds
_PATIENCE_S = 5.0


@contextlib.contextmanager
def relaying(path: Path, root: Path = Path("/")) -> Iterator[None]:
    """Refresh `path` while a launch runs, where this machine has something to relay."""
    machine, over = Sensors(root), threading.Event()
    facts = _facts(machine)
    if not facts:
        path.unlink(missing_ok=True)
        yield
        return
    firmware.relay(path, facts, root)

    def refresh() -> None:
        while not over.wait(INTERVAL_S):
            with contextlib.suppress(OSError):  # a full disk: the file grows old, and then tells nothing
                firmware.relay(path, _facts(machine), root)

    thread = threading.Thread(target=refresh, name="relay", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _facts(machine: Sensors) -> Mapping[str, Any]:
    found = machine.read()
    word = None if found.word is not None else firmware_word(found)  # a kernel's file needs no relay
    facts = {"firmware": None if word is None else hex(word), "throttle_counts": found.counts}
    return {name: value for name, value in facts.items() if value is not None}


def firmware_word(found: Reading) -> int | None:
    """The firmware's word, of the kernel's file or from vcgencmd; None where this user has neither."""
    command = shutil.which("vcgencmd")
    if found.word is not None or not command:
        return found.word
    try:
        done = subprocess.run([command, "get_throttled"], capture_output=True, text=True, timeout=_PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return firmware.parse(done.stdout) if done.returncode == 0 else None
