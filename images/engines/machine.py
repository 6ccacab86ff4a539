"""The machine that measures: this one, or the one whose engine was named with --host.

Another machine is asked once, by a container of its engine that runs the bench's own modules.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import platform
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.common.errors import EngineError, UsageError
from bench.device import environment, system
from bench.device.environment import ARCHES, MACHINES
from bench.device.machine import Sensors, text_of

_NARROW = ("arm", "armv6l", "armv7l", "armv8l", "386", "i386", "i686")  # Docker's words and kernels'
_BOOT = Path("/proc/sys/kernel/random/boot_id")
# What a container over there runs: the modules of the bench that look at a machine, and a question.
_LOOKING = (
    "__init__.py",
    *(f"device/{name}.py" for name in ("__init__", "system", "arm", "firmware", "machine", "environment")),
)
_PROBE = """
import base64, json, os, platform, sys, tempfile
path = os.path.join(tempfile.mkdtemp(), "bench.zip")
open(path, "wb").write(base64.b64decode({packed!r}))
sys.path.insert(0, path)
from bench.device import environment, machine, system
cores = environment.cores(system.cores())
print(json.dumps({{"cpu": environment.cpu(), "cpus": cores.cpus, "cpus_why": cores.why,
    "governor": machine.Sensors().read().governor, "machine": system.machine(),
    "memory": system.memory(), "kernel": platform.release(),
    "boot": machine.text_of(machine.Path({boot!r})), "emulated": system.emulated()}}))
"""


@dataclass(frozen=True)
class Machine:
    """A machine's facts. `cpus` are the logical CPUs a run may use, one a core, and `cpus_why` says why
    these; `arch` is Docker's word, and `emulated` says that the kernel is another architecture's; `boot` is
    the kernel's boot id: two engines with the same one share a machine. `mark` tells machines of one name
    apart, over reboots: many a virtual machine is called "vm"."""

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
    cpus_why: str = ""
    emulated: bool = False
    mark: str = ""

    @property
    def label(self) -> str:
        """What results call the machine that measured them: its name and its mark."""
        return "-".join(filter(None, (self.name, self.mark)))

    def document(self) -> dict[str, Any]:
        """The machine as run.json has it."""
        facts = {name: value for name, value in asdict(self).items() if name not in ("cpus", "boot", "mark")}
        return {**facts, "machine": MACHINES[self.arch], "cores": len(self.cpus), "flags": list(self.flags)}


@functools.cache
def local() -> Machine:
    """This machine."""
    model, flags = environment.cpu()
    cores = environment.cores(system.cores())
    return Machine(
        platform.node(),
        docker_arch(system.machine(), system.bits()),
        model,
        tuple(flags),
        cores.cpus,
        system.memory(),
        system.name(),
        platform.release(),
        Sensors().read().governor,
        text_of(_BOOT),
        cores.why,
        system.emulated(),
        marked(model, *(marks() or [text_of(_BOOT)])),
    )


def marks(root: Path = Path("/")) -> list[str]:
    """What a Linux has of its own and keeps over reboots: its id, a board's serial number, its network cards.

    Copies of a virtual machine share the id, so the cards count as well; those that come and go (USB) or
    whose address the kernel drew do not.
    """
    found = [text_of(root / name) for name in ("etc/machine-id", "proc/device-tree/serial-number")]
    for card in sorted((root / "sys/class/net").glob("*/device")):
        if "/usb" not in str(card.resolve()) and text_of(card.parent / "addr_assign_type") == "0":
            found.append(text_of(card.parent / "address"))
    return [one for one in found if one]


def marked(*facts: str) -> str:
    """A short mark of these facts, which says none of them."""
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:8]


def probe(name: str, system: str, engine: str, run: Callable[[Sequence[str]], str]) -> Machine:
    """Ask another machine: `run` executes a command in a container there and returns what it printed.

    `name`, `system` and `engine`, its id, are what its engine says of itself; a container sees nothing else
    that lasts ("": the boot must do). Raises EngineError for an answer that is none.
    """
    text = run(["python3", "-I", "-c", _PROBE.format(packed=_packed(), boot=str(_BOOT))])
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
            told["cpus_why"],
            told["emulated"],
            marked(model, engine or told["boot"]),
        )
    except (ValueError, KeyError, IndexError, TypeError):
        raise EngineError(
            f"{name} does not say what it is: {text[-200:]!r}", remedy="invoke doctor"
        ) from None


def _packed() -> str:
    """The modules that look at a machine, as a zip archive in base64."""
    folder, memory = Path(environment.__file__).parents[1], io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in _LOOKING:
            archive.write(folder / name, f"bench/{name}")
    return base64.b64encode(memory.getvalue()).decode("ascii")


def docker_arch(machine: str, bits: int = 64, *, who: str = "this machine") -> str:
    """Docker's word for what a kernel or an engine calls a machine; `bits` are those of the system on it.

    Raises UsageError for a 32-bit system, and for a machine that the kit does not know.
    """
    if bits == 32 or machine in _NARROW:
        raise UsageError(
            f"{who} has a 32-bit system ({machine}), and the kit's images and wheels are 64-bit",
            remedy="install a 64-bit system: for a Raspberry Pi, Raspberry Pi OS (64-bit)",
        )
    if machine not in ARCHES:
        raise UsageError(f"{who} is {machine}; the kit knows {', '.join(MACHINES.values())}")
    return ARCHES[machine]
