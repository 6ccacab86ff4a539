"""What an engine is: it makes images ready and runs the bench in one of them.

Two kinds exist, `docker` (images/engine_docker.py) and `native` (images/engine_native.py). They take
the same launches and run the same bytes, so a result differs only in where it was measured.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.common.errors import EngineError, UsageError, unknown
from bench.plan.matrix import Matrix
from bench.store.artifacts import Artifact
from images.instructions import lacking
from images.machine import Machine
from images.workspace import Progress, Workspace, size

KINDS = ("auto", "docker", "native")
STDERR_LINES = 40
OnLine = Callable[[str], None]


@dataclass(frozen=True)
class Mount:
    """A host directory and where it appears in a container; read-only unless `writable`."""

    host: Path
    inside: str
    writable: bool = False


@dataclass(frozen=True)
class Launch:
    """One run of `python -m bench ARGV` in a framework's image.

    `cpus` are core numbers to pin to (None: all), `memory_bytes` a hard limit (None: none),
    `timeout_s` a hard end in seconds, `emulate_cpu` QEMU's CPU model for a foreign architecture.
    """

    image: str
    arch: str
    argv: Sequence[str]
    mounts: Sequence[Mount] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cpus: Sequence[int] | None = None
    memory_bytes: int | None = None
    timeout_s: float = 3600.0
    emulate_cpu: str | None = None

    def on(self, machine: Machine) -> str:
        """Say which CPU runs this on a machine, and what it lacks."""
        return lacking(self.arch, self.emulate_cpu, machine.cpu_model, machine.flags)


@dataclass(frozen=True)
class LaunchResult:
    """How a launch ended: `reason` is "" for success, else why it failed, for people."""

    exit_code: int
    reason: str
    stderr: str
    seconds: float


@dataclass(frozen=True)
class Ready:
    """An image or environment that cells can run in. `digest` names its content; `size` in bytes."""

    name: str
    arch: str
    title: str
    digest: str
    size: int
    seconds: float
    cached: bool


class Engine(Protocol):
    """Where the bench runs."""

    kind: str
    reason: str  # why this engine was taken, for the screen and for every result
    host: str  # as given with --host; "" for this machine's own
    remote: bool  # whether results come back as events (bench/measure/upload.py) instead of through a mount
    takes_series: bool  # whether one launch takes a whole series (bench/measure/series.py): a job of a swarm

    def describe(self) -> dict[str, str]:
        """Return facts about the engine: "kind", "why" it was taken, "version", "arch", "kernel"."""

    def machine(self) -> Machine:
        """Return the machine that measures."""

    def alive(self) -> bool:
        """Return whether the engine still answers."""

    def build(self, arch: str, names: Sequence[str], progress: Progress) -> list[Ready]:
        """Make what cells of these images need; what is up to date is left alone."""

    def ready(self, name: str, arch: str) -> Ready | None:
        """Return what `build` made for an image, None if there is nothing."""

    def path(self, host: Path, mounts: Sequence[Mount]) -> str:
        """Return how a launch with these mounts sees a host path."""

    def launch(self, request: Launch, on_line: OnLine) -> LaunchResult:
        """Run the bench; hand each line of its stdout to `on_line` as it comes.

        Raises EngineError if the engine itself fails; a bench that fails or is killed is a result.
        """

    def remove_stale(self) -> int:
        """Remove what killed runs of this machine left behind; return how many."""


def choose(kind: str, matrix: Matrix, workspace: Workspace) -> Engine:
    """Return this machine's engine of `kind`; "auto" takes docker where an engine answers, else native.

    A DOCKER_HOST of another machine is none of this machine's engines (see `elsewhere`).

    Raises UsageError for an unknown kind, EngineError if the one asked for cannot be had.
    """
    from images.engine_docker import DockerEngine
    from images.engine_native import NativeEngine

    if kind not in KINDS:
        raise UsageError(unknown("engine", kind, KINDS))
    if kind == "native":
        return NativeEngine(matrix, workspace, "asked for")
    reason = "asked for" if kind == "docker" else "an engine answers"
    try:
        return DockerEngine(matrix, workspace, reason, own_environment())
    except EngineError:
        if kind == "docker":
            raise
        return NativeEngine(matrix, workspace, "no Docker engine answers")


def elsewhere() -> str:
    """Return DOCKER_HOST where it names another machine, "" where it does not."""
    host = os.environ.get("DOCKER_HOST", "")
    return host if host.startswith(("ssh://", "tcp://", "http://", "https://")) else ""


def own_environment() -> dict[str, str]:
    """Return the variables by which Docker's SDK finds this machine's own engine."""
    return {name: value for name, value in os.environ.items() if not (name == "DOCKER_HOST" and elsewhere())}


def identity(engine: Engine, name: str, arch: str) -> dict[str, str]:
    """Return what a result says of where it was measured: kind of engine, image and its digest."""
    ready = engine.ready(name, arch)
    if ready is None:
        raise EngineError(f"{name} for {arch} is not built", remedy="invoke build")
    return {"kind": engine.kind, "image": ready.title, "digest": ready.digest}


def mounted(cache: Path, spec: Path, *needed: Artifact) -> tuple[Mount, ...]:
    """Return what a launch reads: its spec (a file that is made here, still empty) and these artifacts."""
    spec.parent.mkdir(parents=True, exist_ok=True)
    spec.touch()
    places = dict.fromkeys([spec, *(artifact.directory for artifact in needed)])
    return tuple(Mount(path, f"/cache/{path.relative_to(cache).as_posix()}") for path in places)


def inside(host: Path, mounts: Sequence[Mount]) -> str:
    """Return the path in a container of a file or directory on the host."""
    for mount in mounts:
        if host.is_relative_to(mount.host):
            rest = host.relative_to(mount.host).as_posix()
            return mount.inside if rest == "." else f"{mount.inside}/{rest}"
    raise ValueError(f"{host} is in none of the mounts")


def explain(exit_code: int, cpu: str = "the CPU, real or emulated,") -> str:
    """Return why a process failed, "" for exit code 0.

    A death by signal is accepted in the shell's form (128 + signal) and Python's (minus signal). `cpu` says
    which one ran it and what that lacks (images/instructions.py).
    """
    if exit_code == 0:
        return ""
    number = -exit_code if exit_code < 0 else exit_code - 128
    known: dict[int, str] = {
        signal.SIGILL: "illegal instruction (SIGILL): this build of the framework uses an instruction "
        f"unknown to {cpu}",
        signal.SIGSEGV: "crashed: segmentation fault (SIGSEGV)",
        signal.SIGBUS: "crashed: bus error (SIGBUS)",
        signal.SIGFPE: "crashed: arithmetic error (SIGFPE)",
        signal.SIGABRT: "crashed: aborted (SIGABRT)",
        signal.SIGTERM: "stopped from outside (SIGTERM)",
        signal.SIGKILL: "killed from outside (SIGKILL), often by a machine short of memory",
    }
    return known.get(number, f"ended with exit code {exit_code}")


def out_of_memory(limit: int | None) -> str:
    return f"killed: out of memory (limit {size(limit)})" if limit else "killed: out of memory"


def out_of_time(limit_s: float) -> str:
    return f"killed: not finished after {limit_s:.0f} s"


class Lines:
    """Cuts a byte stream into lines of text and hands each one on."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._on_line(line.decode("utf-8", "replace"))

    def end(self) -> None:
        if self._rest:
            self.feed(b"\n")


def tail() -> deque[str]:
    """Return a buffer that keeps the last lines of stderr."""
    return deque(maxlen=STDERR_LINES)
