"""The engine's classic builder, and its pushes: streams of events, of which one may be an error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests
import urllib3

from bench.common.errors import EngineError, KitError
from images.making.tarball import Member, stream

if TYPE_CHECKING:
    from docker.models.images import Image as EngineImage

REMEDY = "start Docker and let this user reach it (DOCKER_HOST, group docker), or use --engine native"
#: Makes the error of a stream that failed, from what the engine said last and before it.
Failed = Callable[[str, Sequence[str]], KitError]


def build(
    client: docker.DockerClient, tag: str, arch: str, context: Iterable[Member], failed: Failed, **more: Any
) -> EngineImage:
    """Stream `context` (its Dockerfile first) to the builder, without network; return the tagged image."""
    said: list[str] = []
    events = client.api.build(
        fileobj=stream(list(context)),
        custom_context=True,
        dockerfile="Dockerfile",
        tag=tag,
        platform=f"linux/{arch}",
        network_mode="none",
        rm=True,
        forcerm=True,
        decode=True,
        **more,
    )
    for event in events:
        if "error" in event:
            raise failed(event["error"].strip(), said)
        if line := event.get("stream", "").strip():
            said.append(line)
    return client.images.get(tag)


def push(client: docker.DockerClient, repository: str, tag: str, failed: Failed) -> str:
    """Let the engine push a tag; return the digest it names, "" if it names none."""
    digest = ""
    for event in client.api.push(repository, tag, stream=True, decode=True):
        if "error" in event:
            raise failed(event["error"].strip(), ())
        digest = event.get("aux", {}).get("Digest", digest)
    return digest


@contextlib.contextmanager
def speaking(problem: str, remedy: str = "invoke doctor") -> Iterator[None]:
    """Turn every way the SDK says that the engine is unwell into one EngineError."""
    try:
        yield
    except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise EngineError(f"{problem}: {error}", remedy=remedy) from None
