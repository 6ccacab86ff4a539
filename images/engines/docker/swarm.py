"""Engine `docker` as a swarm: a launch is a replicated job, and Docker's own scheduler finds its node.

A job sees nothing of any machine: what it reads is baked into an image on top of the framework's, layer
by layer, and its results come back in its log as events. It reserves all cores it measures with, so a
node runs one job at a time and the others wait.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import docker
import docker.errors
from docker.types import (
    ContainerSpec,
    NetworkAttachmentConfig,
    Placement,
    Resources,
    RestartPolicy,
    ServiceMode,
    TaskTemplate,
)
from docker.types import Mount as Mounted

from bench.common.errors import EngineError, UsageError
from bench.plan.matrix import Matrix
from images.engines import machine
from images.engines.docker import sdk
from images.engines.docker.build import PREFIX, base_image, tag_of
from images.engines.docker.ground import find
from images.engines.docker.owner import OWNER, owned_by_the_living, owner
from images.engines.docker.remote import RemoteEngine
from images.engines.docker.sdk import speaking
from images.engines.docker.store import INSIDE, contents, store_key
from images.engines.endings import explain, out_of_memory, out_of_time
from images.engines.engine import LaunchResult, Request
from images.engines.machine import Machine
from images.engines.streams import Lines, OnLine
from images.making.base import USER
from images.making.tarball import Member
from images.workspace import Workspace

LABEL = "edgequant.platform"
NETWORK = "edgequant-nowhere"  # a service cannot have the network "none": an internal one leads nowhere
POLL_S = 0.5
PATIENCE_S = 20.0  # how long a job may find no node before that is an error
OVER = ("complete", "failed", "rejected", "shutdown", "orphaned", "remove")
NO_NODE = "scheduling constraints not satisfied"


class SwarmEngine(RemoteEngine):
    """A swarm's manager, and through it the nodes whose label says that they are the platform.

    `registry` is where nodes pull images from; a swarm of one node needs none.
    """

    takes_series = True

    def __init__(
        self, matrix: Matrix, workspace: Workspace, host: str, platform: str, registry: str = ""
    ) -> None:
        super().__init__(matrix, workspace, host)
        self.reason = f"asked for: swarm, {LABEL}={platform}"
        self._constraint = f"node.labels.{LABEL}=={platform}"
        self._registry = registry
        with speaking("the swarm does not answer"):
            if not self.able.manages_swarm:
                raise EngineError(
                    "this engine manages no swarm", remedy="docker swarm init, or name a manager"
                )
            spare = f"docker node update --label-add {LABEL}={platform} NODE"
            self.nodes = self._nodes(platform)
            if not self.nodes:
                raise EngineError(f"no node of the swarm is ready and labelled {platform}", remedy=spare)
            if len(self.client.nodes.list()) > 1 and not registry:
                raise UsageError(
                    "the nodes of a swarm pull their images", where="--swarm", remedy="name a --registry"
                )

    def _nodes(self, platform: str) -> int:
        ready = [
            node
            for node in self.client.nodes.list()
            if node.attrs["Spec"].get("Labels", {}).get(LABEL) == platform
            and node.attrs["Status"]["State"] == "ready"
            and node.attrs["Spec"]["Availability"] == "active"
        ]
        return len(ready)

    def _ask(self) -> Machine:
        arch = self.able.arch
        ground = base_image(self._matrix, arch, self.client, self._workspace, lambda _: None)
        said: list[str] = []

        def run(command: Sequence[str]) -> str:
            image = self._reachable(_local(ground))
            result = self._job(self._template(image, command, {}), 120.0, said.append)
            if result.exit_code:
                raise EngineError(f"a node could not be asked what it is: {result.reason}")
            return "\n".join(said)

        return machine.probe("the swarm", "", self.able.id, run)

    def launch(self, request: Request, on_line: OnLine) -> LaunchResult:
        """Run one job to its end; see Engine.launch."""
        with speaking(f"the swarm failed while {request.image} ran"):
            image = self._laden(request)
            try:
                limits = {"cpu": len(request.cpus or ()), "memory": request.memory_bytes}
                template = self._template(self._reachable(image), request.argv, limits, request.emulate_cpu)
                return self._job(template, request.timeout_s, on_line, request.memory_bytes)
            finally:
                with contextlib.suppress(docker.errors.DockerException, OSError):
                    self.client.images.remove(image, force=True)

    def _laden(self, request: Request) -> str:
        """Return the tag of an image with all that the launch reads; only its spec is new each time."""
        under = self.client.images.get(tag_of(request.image, request.arch))
        read = [mount for mount in request.mounts if not mount.writable]
        for mount in sorted(read, key=lambda one: one.host.is_file()):  # the spec last
            key = f"{store_key(mount)[:12]}-{str(under.id).partition(':')[2][:12]}"
            tag = f"{PREFIX}cargo:{key}"
            found = None if mount.host.is_file() else find(self.client, tag)
            under = found or self._load(tag, str(under.id), contents(mount), request.arch)
        return _local(under)

    def _load(self, tag: str, under: str, cargo: list[Member], arch: str) -> Any:
        text = f"FROM {under}\nADD cargo.tar {INSIDE}/\n"
        members = [("Dockerfile", text.encode()), ("cargo.tar", cargo)]

        def failed(why: str, _: Sequence[str]) -> EngineError:
            return EngineError(f"cannot put artifacts into an image: {why}")

        return sdk.build(self.client, tag, arch, members, failed)

    def _reachable(self, tag: str) -> str:
        """Return what nodes call an image: its tag on a swarm of one node, else its name in the registry."""
        if not self._registry:
            return tag
        name, _, version = tag.partition(":")
        there = f"{self._registry}/{name}"
        self.client.images.get(tag).tag(there, version)
        sdk.push(
            self.client,
            there,
            version,
            lambda why, _: EngineError(f"cannot push {there}:{version}: {why}", where="--registry"),
        )
        return f"{there}:{version}"

    def _template(
        self, image: str, argv: Sequence[str], limits: dict[str, Any], emulate_cpu: str | None = None
    ) -> TaskTemplate:
        """Describe the container of a job: hardened as images/engines/docker/engine.py does it."""
        environment = {"EDGEQUANT_MACHINE": "{{.Node.Hostname}}-{{.Node.ID}}"}
        environment |= {"QEMU_CPU": emulate_cpu} if emulate_cpu else {}
        container = ContainerSpec(
            image,
            args=list(argv),
            env=environment,
            user=f"{USER}:{USER}",
            read_only=True,
            init=True,
            cap_drop=["ALL"],
            mounts=[Mounted("/tmp", None, "tmpfs", tmpfs_size=2 << 30, tmpfs_mode=0o1777)],  # noqa: S108
        )
        cores = limits.get("cpu", 0) * 10**9 or None
        resources = Resources(mem_limit=limits.get("memory"), cpu_reservation=cores)
        resources.setdefault("Limits", {})["Pids"] = 2048
        return TaskTemplate(
            container,
            resources,
            RestartPolicy("none"),
            Placement(constraints=[self._constraint]),
            networks=[NetworkAttachmentConfig(NETWORK)],
        )

    def _job(
        self, template: TaskTemplate, timeout_s: float, on_line: OnLine, memory: int | None = None
    ) -> LaunchResult:
        started = time.monotonic()
        if not self.client.networks.list(names=[NETWORK]):
            self.client.networks.create(NETWORK, driver="overlay", internal=True)
        mode = ServiceMode("replicated-job", replicas=1)
        service = self.client.api.create_service(template, labels=owner(), mode=mode)["ID"]
        try:
            status = self._wait(service, started + timeout_s)
            lines = Lines(on_line)
            for piece in self._log(service, stdout=True):
                lines.feed(piece)
            lines.end()
            errors = b"".join(self._log(service, stderr=True)).decode("utf-8", "replace")
        finally:
            with contextlib.suppress(docker.errors.DockerException, OSError):
                self.client.api.remove_service(service)
        seconds = time.monotonic() - started
        if status is None:
            return LaunchResult(137, out_of_time(timeout_s), errors, seconds)
        code = status.get("ContainerStatus", {}).get("ExitCode", 0)
        said = str(status.get("Err", ""))
        if "OOM" in said or "out of memory" in said:
            return LaunchResult(code or 137, out_of_memory(memory), errors, seconds)
        if status["State"] != "complete" and not code:
            return LaunchResult(1, f"the swarm {status['State']} the job: {said}", errors, seconds)
        return LaunchResult(code, explain(code), errors, seconds)

    def _wait(self, service: str, deadline: float) -> dict[str, Any] | None:
        """Return the status of the job's task when it is over, None when time is."""
        hopeless = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            tasks = self.client.api.tasks({"service": service})
            newest: dict[str, Any] = max(tasks, key=lambda t: t["CreatedAt"])["Status"] if tasks else {}
            if newest.get("State") in OVER:
                return newest
            if NO_NODE in str(newest.get("Err")) and time.monotonic() > hopeless:
                raise EngineError(f"no node takes the job: {newest['Err']}", remedy=f"label one {LABEL}")
            time.sleep(POLL_S)
        return None

    def _log(self, service: str, **which: bool) -> Iterator[bytes]:
        yield from self.client.api.service_logs(service, is_tty=False, **which)

    def remove_stale(self) -> int:
        """Remove jobs whose run is over, and containers as every engine does."""
        removed = super().remove_stale()
        with speaking("the swarm does not answer"):
            for service in self.client.api.services({"label": OWNER}):
                if not owned_by_the_living(service["Spec"]["Labels"][OWNER]):
                    self.client.api.remove_service(service["ID"])
                    removed += 1
        return removed


def _local(image: Any) -> str:
    """Return the kit's own tag of an image, which may have one in a registry as well."""
    return next(str(tag) for tag in image.tags if tag.startswith(PREFIX))
