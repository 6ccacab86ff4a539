"""The base image in an engine: found, pulled by digest, or loaded."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors

from bench.common.errors import BuildError
from bench.plan.matrix import Base
from images.engines.docker.login import of_image
from images.making.base import archive_of, key
from images.workspace import Say, Workspace

if TYPE_CHECKING:
    from docker.models.images import Image as EngineImage


def ensure(
    client: docker.DockerClient, base: Base, arch: str, workspace: Workspace, progress: Say
) -> EngineImage:
    """Return the base image for `arch`: pulled where a registry is named and answers, else made.

    Neither is done twice: what the engine or the cache has is taken from there.
    """
    reference, pulled, made = _names(base, arch)
    if reference:
        try:
            return find(client, pulled) or _pull(client, reference, arch, pulled, progress)
        except docker.errors.APIError as error:
            progress(f"base: {reference} cannot be pulled ({error.explanation or error})")
    return find(client, made) or _load(client, archive_of(base, arch, workspace, progress), made)


def present(client: docker.DockerClient, base: Base, arch: str) -> EngineImage | None:
    """Return the base image for `arch` if the engine has it; nothing is pulled or made."""
    reference, pulled, made = _names(base, arch)
    return (find(client, pulled) if reference else None) or find(client, made)


def _names(base: Base, arch: str) -> tuple[str, str, str]:
    """Return the registry's reference ("" for none), and the tags of a pulled base and of one made."""
    reference = os.environ.get("EDGEQUANT_BASE") or base.registry
    pulled = f"edgequant/base:{arch}-{reference.rpartition(':')[2][:12]}"
    return reference, pulled, f"edgequant/base:{arch}-{key(base, arch)}"


def find(client: docker.DockerClient, tag: str) -> EngineImage | None:
    """Return the engine's image of this tag, None if it has none."""
    try:
        return client.images.get(tag)
    except docker.errors.ImageNotFound:
        return None


def _pull(client: docker.DockerClient, reference: str, arch: str, tag: str, progress: Say) -> EngineImage:
    progress(f"base: pulling {reference}")
    image = client.images.pull(reference, platform=f"linux/{arch}", auth_config=of_image(reference).words)
    if image.attrs["Architecture"] != arch:
        # pulling a list's digest for a second architecture returns the first one's image (20.10)
        raise BuildError(
            f"the base is for {image.attrs['Architecture']}, not {arch}",
            where=reference,
            remedy="name the digest of the architecture's own manifest, not of the list",
        )
    image.tag(*tag.split(":"))
    return client.images.get(tag)


def _load(client: docker.DockerClient, archive: Path, tag: str) -> EngineImage:
    with tarfile.open(archive) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    expected = "sha256:" + manifest[0]["Config"].removesuffix(".json")
    with archive.open("rb") as stream:
        image = client.images.load(stream)[0]
    if image.id != expected:
        raise BuildError(
            f"the engine loaded {image.id}, expected {expected}",
            where=str(archive),
            remedy="delete the file and build again",
        )
    image.tag(*tag.split(":"))
    return client.images.get(tag)
