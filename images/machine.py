"""The machine that measures: this one, or the one whose engine was named with --host.

Another machine is asked once, by a container of its engine that runs bench/environment.py.
"""

from __future__ import annotations

import functools
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import environment
from bench.errors import EngineError, UsageError
from images.workspace import MACHINES

_BOOT = Path("/proc/sys/kernel/random/boot_id")
# Printed by the probe: what only the machine itself knows. The rest is environment.py, whole.
_PROBE = f"""
import json
print(json.dumps({{"cpu": cpu(), "cpus": sorted(os.sched_getaffinity(0)), "governor": state()["governor"],
    "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "machine": platform.machine(),
    "kernel": platform.release(), "boot": _read(Path({str(_BOOT)!r})).strip()}}))
"""


@dataclass(frozen=True)
class Machine:
    """A machine's facts. `cpus` are the cores a run may use, `arch` is Docker's word, `boot` is the
    kernel's boot id: two engines with the same one share a machine."""

    name: str
    arch: str
    cpu_model: str
    flags: tuple[str, ...]
    cpus: tuple[int, ...]
    memory_bytes: int
    os: str
    kernel: str
    governor: str | None
    boot: str

    def document(self) -> dict[str, Any]:
        """The machine as run.json has it."""
        facts = {name: value for name, value in asdict(self).items() if name not in ("cpus", "boot")}
        return {**facts, "machine": MACHINES[self.arch], "cores": len(self.cpus), "flags": list(self.flags)}


@functools.cache
def local() -> Machine:
    """This machine."""
    model, flags = environment.cpu()
    return Machine(
        platform.node(),
        docker_arch(platform.machine()),
        model,
        tuple(flags),
        tuple(sorted(os.sched_getaffinity(0))),
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        platform.release(),
        environment.state()["governor"],
        _BOOT.read_text().strip() if _BOOT.exists() else "",
    )


def probe(name: str, system: str, run: Callable[[Sequence[str]], str]) -> Machine:
    """Ask another machine: `run` executes a command in a container there and returns what it printed.

    `name` and `system` are what its engine says of itself. Raises EngineError for an answer that is none.
    """
    code = Path(environment.__file__).read_text(encoding="utf-8") + _PROBE
    text = run(["python3", "-I", "-c", code])
    try:
        told = json.loads(text.strip().splitlines()[-1])
        model, flags = told["cpu"]
        return Machine(
            name,
            docker_arch(told["machine"]),
            model,
            tuple(flags),
            tuple(told["cpus"]),
            told["memory"],
            system,
            told["kernel"],
            told["governor"],
            told["boot"],
        )
    except (ValueError, KeyError, IndexError, TypeError):
        raise EngineError(
            f"{name} does not say what it is: {text[-200:]!r}", remedy="invoke doctor"
        ) from None


def docker_arch(machine: str) -> str:
    """Docker's word for what the kernel calls a machine; UsageError where the kit has none."""
    names = {kernel: docker for docker, kernel in MACHINES.items()}
    if machine not in names:
        raise UsageError(f"this machine is {machine}; the kit knows {', '.join(names)}")
    return names[machine]
