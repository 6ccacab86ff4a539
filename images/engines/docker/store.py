"""The volume of another machine's engine that holds what launches read there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import docker
import docker.errors
import requests

from images.engines.docker.owner import owner
from images.engines.engine import Mount
from images.making.tarball import Member, entries

if TYPE_CHECKING:
    from docker.models.containers import Container


STORE = "edgequant-store"
INSIDE = "/store"


def store_key(mount: Mount) -> str:
    """The name of a mount in the store.

    Directories of the cache are named by content or recipe: their name and sizes tell them apart. A file
    is a launch's spec: one name a run, and sent each time.
    """
    facts: list[object]
    if mount.host.is_file():
        facts = [*owner().values(), str(mount.host)]
    else:
        facts = [mount.host.name, sorted((path.name, path.stat().st_size) for path in mount.host.iterdir())]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def contents(mount: Mount) -> list[Member]:
    """A mount as members of an archive; the last one says that all before it were written."""
    key, name = store_key(mount), mount.host.name
    if mount.host.is_file():
        found: list[Member] = [(f"{key}/", b""), (f"{key}/{name}", mount.host)]
    else:
        found = entries(mount.host, f"{key}/{name}/")
    return [*found, (f"{key}.whole", b"")]


def is_there(container: Container, path: str) -> bool:
    try:
        pieces, _ = container.get_archive(path)
    except docker.errors.NotFound:
        return False
    pieces.close()
    return True


def remove_store(environment: Mapping[str, str]) -> bool:
    """Remove the store of the engine that Docker's variables name, if it answers; whether there was one."""
    try:
        client = docker.from_env(environment=environment)
        client.volumes.get(STORE).remove(force=True)
        client.close()
    except (docker.errors.DockerException, requests.RequestException):
        return False
    return True
