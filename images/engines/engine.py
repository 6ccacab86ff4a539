"""What an engine is: it makes images ready and runs the bench in one of them.

Two kinds exist, `docker` (images/engines/docker/engine.py) and `native` (images/engines/native.py). They take
the same launches and run the same bytes, so a result differs only in where it was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.common.errors import EngineError
from bench.store.artifacts import Artifact
from images.engines.endings import lacking
from images.engines.machine import Machine
from images.engines.streams import OnLine
from images.workspace import Say


@dataclass(frozen=True)
class Mount:
    """A host directory and where it appears in a container; read-only unless `writable`."""

    host: Path
    inside: str
    writable: bool = False


@dataclass(frozen=True)
class Request:
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

    def build(self, arch: str, names: Sequence[str], progress: Say) -> list[Ready]:
        """Make what cells of these images need; what is up to date is left alone."""

    def ready(self, name: str, arch: str) -> Ready | None:
        """Return what `build` made for an image, None if there is nothing."""

    def path(self, host: Path, mounts: Sequence[Mount]) -> str:
        """Return how a launch with these mounts sees a host path."""

    def launch(self, request: Request, on_line: OnLine) -> LaunchResult:
        """Run the bench; hand each line of its stdout to `on_line` as it comes.

        Raises EngineError if the engine itself fails; a bench that fails or is killed is a result.
        """

    def remove_stale(self) -> int:
        """Remove what killed runs of this machine left behind; return how many."""


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
