"""What this machine has, what is missing, and what to do about it; whether the first command will work."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from bench.common.errors import EngineError, UsageError
from bench.device import environment, firmware, system
from bench.device.machine import Reading, Sensors
from bench.plan import reading
from bench.plan.matrix import Matrix
from images.choosing.session import Session
from images.desk import line, verdict
from images.engines import distribution, machine
from images.engines.docker.context import elsewhere, own
from images.engines.docker.engine import DockerEngine
from images.engines.docker.remote import RemoteEngine
from images.engines.emulation import Fact, emulation
from images.engines.machine import Machine
from images.making.bytecode import image_python
from images.preparing import room
from images.running.relay import firmware_word
from images.say import CONSOLE
from images.workspace import PYTHON, Workspace, size

FLAGS = ("avx2", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")  # what INT8 kernels gain from
NEED_CACHE = verdict.WHEELS + verdict.ARTIFACTS
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
        *_processor(reading.load(workspace.root / "matrix.toml")),
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
        engine = RemoteEngine(matrix, workspace, host) if host else DockerEngine(matrix, workspace, "doctor")
        engine.client.close()
    except EngineError as error:
        installed = host or shutil.which("docker") or shutil.which("dockerd")
        remedy = error.remedy if installed else distribution.docker(system.os_release())
        yield Fact("container engine", str(error).partition("\n")[0], "missing", remedy)
        return
    able, ours = engine.able, own()
    where = host or (f"{ours.address}, {ours.by}" if ours.by else "this machine")
    details = [able.driver, f"cgroup v{able.cgroup}", f"{able.cores} cores", size(able.memory_bytes)]
    yield Fact("container engine", f"{able.title} on {where} ({', '.join([*details, *able.special])})")
    if not able.limits_memory:
        yield Fact(
            "memory limits",
            "the engine cannot limit memory",
            "warn",
            "on a Raspberry Pi add cgroup_enable=memory to cmdline.txt and restart",
        )
    if not able.limits_cores:
        yield Fact(
            "core pinning", "the engine cannot pin cores", "warn", "use a kernel with the cpuset controller"
        )
    root = Path(able.root)
    beside = not host and not ours.by and system.is_linux()
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


def _processor(matrix: Matrix) -> Iterator[Fact]:
    model, flags = environment.cpu()
    has = [flag for flag in FLAGS if flag in flags]
    yield Fact("processor", model)
    if has or not flags:
        yield Fact("INT8 instructions", ", ".join(has) or "not told by this machine")
    else:
        missing = f"none of {', '.join(FLAGS)}"
        yield Fact("INT8 instructions", missing, "warn", "INT8 gains less here than on newer cores")
    yield Fact("cores", machine.local().cpus_why)
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
    yield memory(machine.local(), matrix)


def memory(here: Machine, matrix: Matrix) -> Fact:
    """Return how much memory the kit may use, and what that is too little for."""
    usable = room.usable(here)
    of = "" if usable == here.memory_bytes else f": this cgroup's limit, of {size(here.memory_bytes)}"
    told = f"{size(usable)}{of}"
    large = room.too_large(matrix, list(matrix.models), room.room(here))
    if not large:
        return Fact("memory", told)
    needs = ", ".join(f"{size(matrix.models[name].converting_bytes)} for {name}" for name in large)
    remedy = f"converters take {needs}: raise the limit, or invoke models --import FILE"
    return Fact("memory", told, "warn", remedy)


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
    """Print what this machine has, what is missing and what to do about it, and that `build run` will work.

    Where it will not, raises the error that it would end in.
    """
    facts = examine(Workspace(root), hosts)
    table = Table("", "what", "found", "what to do", title="This machine", title_justify="left")
    for fact in facts:
        table.add_row(MARKS[fact.status], fact.name, fact.value, fact.remedy)
    CONSOLE.print(table)
    session = Session.open(root, line.no_flags())
    footing = verdict.look(
        session, facts, there=room.room(machine.local()), elsewhere=bool(hosts or elsewhere())
    )
    command = " ".join(["./invoke build run", *(f"--host {host}" for host in hosts)])
    CONSOLE.print(verdict.verdict(footing, command), highlight=False, soft_wrap=True)
