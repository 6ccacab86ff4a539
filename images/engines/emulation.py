"""Whether programs of another architecture run here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.device import system
from bench.device.environment import ARCHES, MACHINES

BINFMT = Path("/proc/sys/fs/binfmt_misc")


@dataclass(frozen=True)
class Fact:
    """One finding. `status` is "ok", "warn" (works, but) or "missing"."""

    name: str
    value: str
    status: str = "ok"
    remedy: str = ""


def emulation() -> Fact:
    """Return whether containers of the other architecture run here."""
    own = ARCHES.get(system.machine())
    foreign = next(kernel for docker, kernel in MACHINES.items() if docker != own)
    if not system.is_linux():  # the Linux beside an engine is not to be looked into from here
        return Fact(f"emulating {foreign}", "left to the engine: Docker Desktop brings an emulator")
    handler = BINFMT / f"qemu-{foreign}"
    try:
        text = handler.read_text()
    except OSError:
        return Fact(
            f"emulating {foreign}",
            "no binfmt handler",
            "warn",
            "only for smoke runs of another architecture: apt-get install qemu-user-static "
            "binfmt-support; update-binfmts --enable",
        )
    flags = next(
        (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("flags")), ""
    )
    if "enabled" not in text or "F" not in flags:
        return Fact(
            f"emulating {foreign}",
            f"handler without flag F ({flags or 'disabled'})",
            "warn",
            "containers cannot use it: apt-get install qemu-user-static",
        )
    return Fact(f"emulating {foreign}", "QEMU through binfmt_misc")
