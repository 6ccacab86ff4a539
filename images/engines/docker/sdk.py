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
from images.engines.docker import login
from images.making.tarball import Member, stream

if TYPE_CHECKING:
    from docker.models.images import Image as EngineImage

REMEDY = "start Docker and say where it is (DOCKER_HOST, `docker context use`), or use --engine native"
#: Every way the SDK says that the engine is unwell.
FAILURES = (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError)
#: Makes the error of a stream that failed, from what the engine said last and before it.
Failed = Callable[[str, Sequence[str]], KitError]


def build(
    client: docker.DockerClient, tag: str, arch: str, context: Iterable[Member], failed: Failed, **more: Any
) -> EngineImage:
    """Stream `context` (its Dockerfile first) to the builder, without network; return the tagged image."""
    said: list[str] = []
    login.without(client)
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
    digest, ours = "", login.of_image(repository)
    for event in client.api.push(repository, tag, stream=True, decode=True, auth_config=ours.words):
        if "error" in event:
            raise failed("; ".join(filter(None, (event["error"].strip(), ours.unread))), ())
        digest = event.get("aux", {}).get("Digest", digest)
    return digest


class SilentError(EngineError):
    """No engine answers; `cause` says why, in a few words."""

    def __init__(self, where: str, cause: str, remedy: str) -> None:
        super().__init__(f"the Docker engine{where} does not answer: {cause}", remedy=remedy)
        self.cause = cause


def silent(where: str, address: str, error: Exception) -> SilentError:
    """Return why the engine at `address` did not answer: each cause has a remedy of its own."""
    root = _root(error)
    if isinstance(root, PermissionError):
        cause = f"permission denied at {address}: add this user to group docker"
        remedy = "`sudo usermod -aG docker $USER`, log out and in again, or use --engine native"
        return SilentError(where, cause, remedy)
    if isinstance(root, (FileNotFoundError, ConnectionRefusedError)):
        return SilentError(where, f"nothing listens at {address}", REMEDY)
    return SilentError(where, str(error), REMEDY)


def _root(error: BaseException) -> BaseException:
    """Return the system's error in what the SDK and its libraries made of it, else the error itself."""
    inner = (error.__cause__, error.__context__, *error.args, getattr(error, "reason", None))
    found = (_root(one) for one in inner if isinstance(one, BaseException))
    return error if isinstance(error, OSError) and error.errno else next(found, error)


@contextlib.contextmanager
def speaking(problem: str, remedy: str = "invoke doctor") -> Iterator[None]:
    """Turn `FAILURES` into one EngineError."""
    try:
        yield
    except FAILURES as error:
        raise EngineError(f"{problem}: {error}", remedy=remedy) from None
