"""What this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from bench.common.errors import EngineError, UsageError
from bench.device import environment, firmware, system
from bench.device.machine import Reading, Sensors
from bench.plan import reading
from images.engines import machine
from images.engines.choose import elsewhere, own_environment
from images.engines.docker.engine import DockerEngine
from images.engines.docker.remote import RemoteEngine
from images.engines.emulation import Fact, emulation
from images.making.bytecode import image_python
from images.running.relay import firmware_word
from images.say import CONSOLE
from images.workspace import PYTHON, Workspace, size

FLAGS = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp")  # what INT8 kernels gain from
NEED_CACHE = 8e9  # bytes: wheels, environments, artifacts
NEED_ENGINE = 12e9  # bytes: five images and what the builder needs while it copies
MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "missing": "[red]missing[/]"}


def examine(workspace: Workspace, hosts: Sequence[str] = ()) -> list[Fact]:
    """Look at the machine and at the engines of others; nothing is changed and nothing is fetched."""
    return [
        _system(),
        *_engine(workspace),
        *(fact for host in hosts or filter(None, [elsewhere()]) for fact in _engine(workspace, host)),
        _native(),
        emulation(),
        _tool(
            "mmdebstrap", "makes the base image from Debian packages", "apt-get install mmdebstrap arch-test"
        ),
        *_processor(),
        _space("disk for .cache", workspace.root, NEED_CACHE),
    ]


def _system() -> Fact:
    try:
        arch = machine.docker_arch(system.machine(), system.bits())
    except UsageError as error:
        return Fact("system", error.message, "missing", error.remedy)
    return Fact("system", f"{system.name()}, {arch}")


def _engine(workspace: Workspace, host: str = "") -> Iterator[Fact]:
    matrix = reading.load(workspace.root / "matrix.toml")
    try:
        engine = (
            RemoteEngine(matrix, workspace, host)
            if host
            else DockerEngine(matrix, workspace, "doctor", own_environment())
        )
        info = engine.client.info()
        engine.client.close()
    except EngineError as error:
        yield Fact("container engine", str(error).partition("\n")[0], "missing", error.remedy)
        return
    where = host or os.environ.get("DOCKER_HOST", "this machine")
    details = (
        f"{info['Driver']}, cgroup v{info.get('CgroupVersion', '1')}, {info['NCPU']} cores, "
        f"{size(info['MemTotal'])}"
    )
    yield Fact("container engine", f"Docker {info['ServerVersion']} on {where} ({details})")
    if not info.get("MemoryLimit"):
        yield Fact(
            "memory limits",
            "the engine cannot limit memory",
            "warn",
            "on a Raspberry Pi add cgroup_enable=memory to cmdline.txt and restart",
        )
    if not info.get("CPUSet"):
        yield Fact(
            "core pinning", "the engine cannot pin cores", "warn", "use a kernel with the cpuset controller"
        )
    root = Path(info["DockerRootDir"])
    beside = not host and "DOCKER_HOST" not in os.environ and system.is_linux()
    if beside and root.parent.exists():  # elsewhere images lie on the disk of the engine's own Linux
        yield _space("disk for images", root if root.exists() else root.parent, NEED_ENGINE)


def _native() -> Fact:
    if not system.is_linux():
        return Fact("engine native", "needs Linux", "warn", "engine docker measures here, in its own Linux")
    python = image_python()
    if python:
        return Fact("engine native", f"CPython {PYTHON}")
    return Fact(
        "engine native",
        f"no CPython {PYTHON}",
        "warn",
        f"install python{PYTHON} to run without Docker, and to ship bytecode in images",
    )


def _tool(name: str, purpose: str, remedy: str) -> Fact:
    found = shutil.which(name)
    return Fact(
        name, purpose if found else "not installed", "ok" if found else "warn", "" if found else remedy
    )


def _processor() -> Iterator[Fact]:
    model, flags = environment.cpu()
    has = [flag for flag in FLAGS if flag in flags]
    yield Fact("processor", model)
    if has or not flags:
        yield Fact("INT8 instructions", ", ".join(has) or "not told by this machine")
    else:
        missing = f"none of {', '.join(FLAGS)}"
        yield Fact("INT8 instructions", missing, "warn", "INT8 gains less here than on newer cores")
    yield Fact("cores", f"{len(system.cores())} usable of {os.cpu_count()}")
    now = Sensors().read()
    governor = now.governor
    if governor in (None, "performance"):
        yield Fact("frequency governor", governor or "not told by this machine (a virtual machine?)")
    else:
        yield Fact(
            "frequency governor",
            governor,
            "warn",
            "numbers vary less with: cpupower frequency-set --governor performance",
        )
    yield throttling(now)
    memory = system.memory()
    yield Fact(
        "memory",
        size(memory),
        "ok" if memory > 3e9 else "warn",
        "" if memory > 3e9 else "preparing the models needs about 3 GB: prepare on another machine",
    )


def throttling(now: Reading) -> Fact:
    """Return what slows this machine now, or did since it started, as far as anything tells."""
    word = firmware_word(now)
    if word:
        told = ", ".join(firmware.names(word))
        return Fact("throttling", f"firmware says {told}", "warn", "a better power supply, or more cooling")
    if now.under_voltage:
        return Fact("throttling", "under-voltage now", "warn", "a better power supply")
    if word is None and now.counts is None:
        return Fact("throttling", "not told by this machine")
    events = sum((now.counts or {}).values())
    return Fact("throttling", f"{events:,} events since start" if events else "none since start")


def _space(name: str, path: Path, need: float) -> Fact:
    free = shutil.disk_usage(path).free
    enough = free >= need
    return Fact(
        name,
        f"{size(free)} free",
        "ok" if enough else "warn",
        "" if enough else f"the kit needs up to {size(need)}: free some, or invoke clean",
    )


def show_doctor(root: Path, hosts: Sequence[str]) -> None:
    """Print what this machine has, what is missing and what to do about it."""
    table = Table("", "what", "found", "what to do", title="This machine", title_justify="left")
    for fact in examine(Workspace(root), hosts):
        table.add_row(MARKS[fact.status], fact.name, fact.value, fact.remedy)
    CONSOLE.print(table)
