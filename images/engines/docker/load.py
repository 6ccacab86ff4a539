"""Hand an engine the images that the kit writes (images/making/image.py)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import docker
import docker.errors

from bench.common.errors import BuildError
from images.engines.docker.able import store_of
from images.engines.docker.ground import find
from images.making.image import Written

if TYPE_CHECKING:
    from docker.models.images import Image as EngineImage


def load(client: docker.DockerClient, image: Written, tag: str) -> EngineImage:
    """Give `image` to the engine under `tag`, and remove what had that tag before.

    Layers that the engine has are not sent again. An image is known by its layers: engines give it ids of
    their own. Raises BuildError for an engine that made something else of it.
    """
    old, there = find(client, tag), _there(client, image)
    try:
        client.images.load(image.archive(tag, there))
    except docker.errors.ImageLoadError:
        if not there:
            raise
        client.images.load(image.archive(tag))  # a store that wants every layer in the archive
    new = client.images.get(tag)
    if new.attrs["RootFS"]["Layers"] != image.diff_ids:
        raise BuildError(
            "the engine has other layers than were sent to it", where=tag, remedy="invoke clean --everything"
        )
    if old and old.id != new.id:  # gigabytes without a name
        with contextlib.suppress(docker.errors.APIError):  # in use: then it stays
            client.images.remove(old.id)
    return new


def _there(client: docker.DockerClient, image: Written) -> int:
    """How many of its lowest layers the engine has; a containerd store wants all in the archive."""
    if store_of(client.info()) == "containerd":
        return 0
    have = (one.attrs["RootFS"].get("Layers") or [] for one in client.images.list())
    return max((_common(layers, image.diff_ids) for layers in have), default=0)


def _common(one: list[str], other: list[str]) -> int:
    """How many layers two images share, from the lowest up."""
    return next(
        (n for n, pair in enumerate(zip(one, other)) if pair[0] != pair[1]), min(len(one), len(other))
    )
