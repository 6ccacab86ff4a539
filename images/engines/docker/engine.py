"""Engine `docker`: each launch is one hardened container, always removed.

No network, no capabilities, no new privileges, a read-only root, an unprivileged user (see seat.py), limits
on processes and memory, pinned cores, an init process, a hard end. One mount at most is writable.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests
from docker.types import Mount as Mounted
from docker.utils.socket import STDOUT, frames_iter

from bench.common.errors import EngineError
from bench.device import system
from bench.plan.matrix import Matrix
from images.engines import machine
from images.engines.docker import able
from images.engines.docker.build import base_image, build, tag_of
from images.engines.docker.context import own_environment
from images.engines.docker.owner import OWNER, owned_by_the_living, owner
from images.engines.docker.sdk import FAILURES, silent, speaking
from images.engines.docker.seat import hand_over, seat
from images.engines.endings import explain, out_of_memory, out_of_time
from images.engines.engine import LaunchResult, Mount, Ready, Request, inside
from images.engines.machine import Machine
from images.engines.streams import Lines, OnLine, tail
from images.workspace import Say, Workspace

if TYPE_CHECKING:
    from docker.models.containers import Container
    from docker.models.images import Image as EngineImage

PING_S = 3
ANSWER_S = 600  # loading or committing a gigabyte on a slow card takes minutes


class DockerEngine:
    """A Docker engine on this machine: what a launch mounts is mounted where it lies.

    `environment` says how to reach it, as Docker's own variables do (None: this machine's own engine).
    """

    kind = "docker"
    remote = takes_series = False
    host = ""

    def __init__(
        self, matrix: Matrix, workspace: Workspace, reason: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.reason = reason
        self._matrix = matrix
        self._workspace = workspace
        variables = own_environment() if environment is None else environment
        try:
            self.client = docker.from_env(timeout=PING_S, environment=variables)
            version = self.client.version()
            self.client.api.timeout = ANSWER_S
            self.able = able.ask(version, self.client.info())
        except FAILURES as error:
            where, address = f" at {self.host}" if self.host else "", variables["DOCKER_HOST"]
            raise silent(where, self.host or address, error) from None

    def describe(self) -> dict[str, str]:
        """Return why it was chosen, and what it is (see images/engines/docker/able.py)."""
        return {
            "kind": self.kind,
            "why": self.reason,
            "version": self.able.version,
            "api": self.able.api,
            "arch": self.able.arch,
            "kernel": self.able.kernel,
            "store": self.able.store,
            "cgroup": self.able.cgroup,
            "special": ", ".join(self.able.special),
            "limits": ", ".join(self.able.limits),
        }

    def machine(self) -> Machine:
        """Return the machine that measures: this one, or where it is no Linux the one its engine brings."""
        return machine.local() if system.is_linux() else self._machine

    @functools.cached_property
    def _machine(self) -> Machine:
        """The machine behind the engine, asked once."""
        with speaking(f"{self.host or 'the engine'} does not say what it is"):
            return self._ask()

    def _ask(self) -> Machine:
        machine.docker_arch(self.able.arch, who=self.able.name)  # no base is made for one unknown
        ground = self._ground()

        def run(command: Sequence[str]) -> str:
            options = {"network_mode": "none", "remove": True, "labels": owner()}
            printed: bytes = self.client.containers.run(ground.id, command, **options)
            return printed.decode("utf-8", "replace")

        return machine.probe(self.able.name, self.able.os, self.able.id, run)

    def _ground(self) -> EngineImage:
        """The base for the engine's own architecture."""
        return base_image(self._matrix, self.able.arch, self.client, self._workspace, print)

    def alive(self) -> bool:
        """Return whether the engine still answers."""
        try:
            return bool(self.client.ping())
        except (docker.errors.DockerException, requests.RequestException, OSError):
            return False

    def build(self, arch: str, names: Sequence[str], progress: Say) -> list[Ready]:
        """Build every image that is not up to date."""
        with speaking("the engine failed while building"):
            return build(self._matrix, arch, names, self.client, self._workspace, progress)

    def ready(self, name: str, arch: str) -> Ready | None:
        """Return the image of this name as the engine has it, up to date or not."""
        with speaking("the engine does not answer"):
            try:
                image = self.client.images.get(tag_of(name, arch))
            except docker.errors.ImageNotFound:
                return None
        return Ready(name, arch, tag_of(name, arch), str(image.id), image.attrs["Size"], 0.0, True)

    def path(self, host: Path, mounts: Sequence[Mount]) -> str:
        """Return the container path of a host path."""
        return inside(host, mounts)

    def launch(self, request: Request, on_line: OnLine) -> LaunchResult:
        """Run one container to its end; see Engine.launch."""
        started = time.monotonic()
        with speaking(f"the engine failed while {request.image} ran"):
            try:
                container = self.client.containers.create(**self._options(request))
            except docker.errors.ImageNotFound:
                raise EngineError(
                    f"there is no image {tag_of(request.image, request.arch)}", remedy="invoke build"
                ) from None
            try:
                code, killed, errors = _run(container, request, on_line)
                container.reload()
                oom = container.attrs["State"]["OOMKilled"]
            finally:  # also when the user presses Ctrl-C or the callback raises
                with contextlib.suppress(docker.errors.DockerException, OSError):
                    container.remove(force=True, v=True)
        reason = (
            out_of_memory(request.memory_bytes)
            if oom
            else killed or explain(code, request.on(self.machine()))
        )
        return LaunchResult(code, reason, "\n".join(errors), time.monotonic() - started)

    def remove_stale(self) -> int:
        """Remove containers whose run on this machine is over; call it between launches."""
        removed = 0
        with speaking("the engine does not answer"):
            for container in self.client.containers.list(all=True, filters={"label": OWNER}):
                if not owned_by_the_living(container.labels[OWNER]):
                    with contextlib.suppress(docker.errors.NotFound):
                        container.remove(force=True, v=True)
                        removed += 1
        return removed

    def _mounts(self, mounts: Sequence[Mount]) -> list[Mounted]:
        """Return what containers.create is to mount: no `volumes`, in which a colon is syntax."""
        for mount in mounts:
            if mount.writable:
                hand_over(mount.host)
        return [
            Mounted(m.inside, str(m.host.resolve()), type="bind", read_only=not m.writable) for m in mounts
        ]

    def _seat(self) -> dict[str, Any]:
        """Return as whom a container runs."""
        return seat(self.able)

    def _security(self) -> list[str]:
        """Return the options of that name.

        With SELinux a container may not read this machine's files as they are labelled. Labels on mounts are
        an option of `binds` alone ("z"), not of `mounts`, and rewrite those of a user's dataset; so this
        container goes without separation by labels, and keeps all the rest.
        """
        return ["no-new-privileges", *(["label=disable"] if self.able.selinux else [])]

    def _options(self, request: Request) -> dict[str, Any]:
        """Return the arguments of containers.create for a launch; no limit that the engine cannot set."""
        memory = request.memory_bytes if self.able.limits_memory else None
        emulation = {"QEMU_CPU": request.emulate_cpu} if request.emulate_cpu else {}
        return {
            "image": tag_of(request.image, request.arch),
            "command": list(request.argv),
            "platform": f"linux/{request.arch}",
            "environment": {**emulation, **request.env},
            **self._seat(),
            "mounts": self._mounts(request.mounts),
            "network_mode": "none",
            "read_only": True,
            "tmpfs": {"/tmp": "rw,nosuid,nodev,mode=1777,size=2g"},  # noqa: S108 (inside the container)
            "cap_drop": ["ALL"],
            "security_opt": self._security(),
            "pids_limit": 2048 if self.able.limits_processes else None,
            "mem_limit": memory,
            "memswap_limit": memory,  # equal: no swap, a limit is a limit
            "cpuset_cpus": ",".join(map(str, request.cpus))
            if request.cpus and self.able.limits_cores
            else None,
            "init": True,  # a PID 1 of its own would ignore SIGTERM
            "labels": owner(),
        }


def _run(container: Container, request: Request, on_line: OnLine) -> tuple[int, str, Sequence[str]]:
    """Start a container and read it to its end; return exit code, why we killed it, end of stderr."""
    killed = ""

    def kill() -> None:
        nonlocal killed
        killed = out_of_time(request.timeout_s)
        with contextlib.suppress(docker.errors.APIError):  # it may have ended this very moment
            container.kill()

    errors = tail()
    out, err = Lines(on_line), Lines(errors.append)
    output = container.attach_socket(params={"stdout": 1, "stderr": 1, "stream": 1})
    watchdog = threading.Timer(request.timeout_s, kill)
    container.start()
    watchdog.start()
    try:
        for stream, data in frames_iter(output, tty=False):
            (out if stream == STDOUT else err).feed(data)
        out.end()
        err.end()
        code = int(container.wait(timeout=30)["StatusCode"])
    finally:
        watchdog.cancel()
        output.close()
    return code, killed, errors
