"""Engine `docker` on another machine (`--host ssh://pi@raspberrypi`): nothing of this one is mounted there.

What a launch reads lies in one volume of that engine, filled through the engine's API: each directory
once, under a key of its content. Results come back as events (bench/measure/upload.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
from docker.types import Mount as Mounted

from bench.plan.matrix import Matrix
from images.engines.docker import tunnel
from images.engines.docker.context import Named, named, variables
from images.engines.docker.engine import DockerEngine
from images.engines.docker.owner import owner
from images.engines.docker.store import INSIDE, STORE, contents, is_there, store_key
from images.engines.engine import Mount
from images.engines.machine import Machine
from images.making.base import USER
from images.making.tarball import stream
from images.workspace import Workspace

if TYPE_CHECKING:
    from docker.models.containers import Container

RESULTS = "/tmp/results"  # noqa: S108 (inside the container, its own tmpfs)


class RemoteEngine(DockerEngine):
    """A Docker engine reached by `host` (ssh://user@name, tcp://name:port, unix:///path)."""

    remote = True

    def __init__(self, matrix: Matrix, workspace: Workspace, host: str) -> None:
        self.host = host
        super().__init__(matrix, workspace, f"asked for: {host}", reach(host) if host else None)

    def machine(self) -> Machine:
        """Return the machine that measures: the engine's."""
        return self._machine

    def _seat(self) -> dict[str, Any]:
        """No root, as in the image: nothing of the caller's is there to be read or written."""
        return {"user": f"{USER}:{USER}"}

    def _security(self) -> list[str]:
        return ["no-new-privileges"]  # a volume has the labels that a container needs

    def path(self, host: Path, mounts: Sequence[Mount]) -> str:
        """Return where a launch finds a host path: in the store, or for results in its own tmpfs."""
        for mount in mounts:
            if host.is_relative_to(mount.host):
                root = RESULTS if mount.writable else f"{INSIDE}/{store_key(mount)}/{mount.host.name}"
                rest = host.relative_to(mount.host).as_posix()
                return root if rest == "." else f"{root}/{rest}"
        raise ValueError(f"{host} is in none of the mounts")

    def _mounts(self, mounts: Sequence[Mount]) -> list[Mounted]:
        """Send what the store lacks; the launch sees the store alone."""
        read = [mount for mount in mounts if not mount.writable]
        if not read:
            return []
        with self._porter() as porter:
            for mount in read:
                if mount.host.is_file() or not is_there(porter, f"{INSIDE}/{store_key(mount)}.whole"):
                    porter.put_archive(INSIDE, stream(contents(mount)))
        return [Mounted(INSIDE, STORE, type="volume", read_only=True)]

    @contextlib.contextmanager
    def _porter(self) -> Iterator[Container]:
        """A container that is never started: through it the API writes into the volume."""
        store = Mounted(INSIDE, STORE, type="volume")
        porter = self.client.containers.create(self._ground().id, mounts=[store], labels=owner())
        try:
            yield porter
        finally:
            with contextlib.suppress(docker.errors.DockerException, OSError):
                porter.remove(force=True)


def reach(host: str) -> dict[str, str]:
    """Docker's own variables for this host, with what proves who we are where they or the context have it."""
    if host.startswith("ssh://"):
        return variables(Named(tunnel.open_to(host), "", {}))
    return variables(named(host))
