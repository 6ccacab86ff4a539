"""The engines of a command line: this machine's, another's, or a swarm's.

Apart from the choice (images/choosing/session.py), because an engine is opened when it is first asked for,
and once: all tasks of a line, and all sessions that are made of another, share one workbench.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.common.errors import UsageError, unknown
from bench.device import system
from bench.plan.matrix import Matrix
from images.engines import machine
from images.engines.choose import KINDS, choose
from images.engines.docker.context import elsewhere
from images.engines.engine import Engine, Ready
from images.engines.machine import Machine
from images.making.bench_files import PREPARE
from images.say import CONSOLE
from images.workspace import Workspace

SCHEMES = ("ssh://", "tcp://", "http://", "https://", "unix://")


@dataclass(frozen=True)
class Workbench:
    """Which engines measure. Another choice of them is another workbench.

    `hosts` are other machines' engines, as --host or DOCKER_HOST name them. `swarm` is the platform whose
    nodes measure where the engine manages a swarm ("": it does not), `registry` where they pull images from.
    """

    matrix: Matrix
    workspace: Workspace
    kind: str
    hosts: tuple[str, ...] = ()
    swarm: str = ""
    registry: str = ""

    @classmethod
    def resolve(cls, matrix: Matrix, workspace: Workspace, kind: str, hosts: tuple[str, ...]) -> Workbench:
        """Resolve --engine and --host; raise UsageError for what names no engine. None is opened yet."""
        if kind not in KINDS:
            raise UsageError(unknown("engine", kind, KINDS), where="--engine")
        hosts = hosts or tuple(filter(None, [elsewhere()]))
        for host in hosts:
            if not host.startswith(SCHEMES) or hosts.count(host) > 1:
                wrong = "is given twice" if hosts.count(host) > 1 else "names no engine"
                raise UsageError(
                    f"{host!r} {wrong}", where="--host", remedy="for example ssh://pi@raspberrypi"
                )
        if hosts and kind == "native":
            raise UsageError(
                "engine native is this machine's own", where="--engine", remedy="leave out --host"
            )
        return cls(matrix, workspace, kind, hosts)

    @functools.cached_property
    def engines(self) -> list[Engine]:
        """The engines that measure; raises EngineError where one is not to be had."""
        from images.engines.docker.remote import RemoteEngine  # late: a plan needs no Docker SDK
        from images.engines.docker.swarm import SwarmEngine

        if self.swarm:
            if len(self.hosts) > 1 or self.kind == "native":
                raise UsageError("a swarm has one engine that manages it", where="--swarm")
            words = (self.matrix, self.workspace, "".join(self.hosts), self.swarm, self.registry)
            manager = SwarmEngine(*words)
            return [manager, *(SwarmEngine(*words) for _ in range(manager.nodes - 1))]
        if not self.hosts:
            return [self.maker]
        return [RemoteEngine(self.matrix, self.workspace, host) for host in self.hosts]

    @property
    def engine(self) -> Engine:
        """The engine that measures; of several, the first."""
        return self.engines[0]

    @functools.cached_property
    def maker(self) -> Engine:
        """This machine's engine, in which artifacts are made."""
        return choose(self.kind, self.matrix, self.workspace)

    @property
    def machine(self) -> Machine:
        """The machine that measures; of several, which are alike, the first."""
        return self.engine.machine() if self.hosts or self.swarm else self.own

    @property
    def own(self) -> Machine:
        """The machine that makes artifacts: this one, or the Linux of its engine where this is none."""
        if system.is_linux():  # no plan opens an engine there
            return machine.local()
        return self.maker.machine()

    def build(self, arch: str, names: Sequence[str], *, prepares: bool, quiet: bool) -> None:
        """Make these images or environments, and to prepare this machine's own; what is up to date is left.

        `quiet` says nothing when there was nothing to do.
        """
        started = time.monotonic()
        made: list[Ready] = []
        if prepares:
            made += self.maker.build(self.own.arch, [PREPARE], CONSOLE.print)
        for engine in self.engines:
            made += engine.build(arch, names, CONSOLE.print)
        word = "images" if self.engine.kind == "docker" else "environments"
        fresh = sum(not ready.cached for ready in made)
        if quiet and not fresh:
            return
        CONSOLE.print(
            f"build: {len(made)} {word} ready, {fresh} of them new, {time.monotonic() - started:.1f} s "
            f"(engine {self.engine.kind}: {self.engine.reason})"
        )
