"""Build images: base, then wheels, then the bench, written by the kit and loaded into the engine.

An image is skipped when the engine already has it with the same *content key*: the SHA-256 of
everything that goes into it. The commit is a label but no part of the key.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import docker
import docker.errors
import requests

from bench.common.hashing import sha256_file
from bench.plan.matrix import Matrix
from images.engines.docker import ground
from images.engines.docker.load import load
from images.engines.engine import Ready
from images.kit import revision
from images.making import bench_files, dockerfile, wheelhouse
from images.making import lock as locks
from images.making.image import Written
from images.making.image import build as write
from images.making.tarball import entries
from images.workspace import Say, Workspace

if TYPE_CHECKING:
    from docker.models.images import Image as EngineImage

PREFIX = "edgequant/"
KEY = "edgequant.key"
LICENSE = "MIT"
OCI = "org.opencontainers.image"


def tag_of(name: str, arch: str) -> str:
    """Return the tag of the image that cells of this architecture run in."""
    return f"{PREFIX}{name}:{arch}"


def build(
    matrix: Matrix,
    arch: str,
    names: Sequence[str],
    client: docker.DockerClient,
    workspace: Workspace,
    progress: Say,
) -> list[Ready]:
    """Make every image in `names` for `arch`; what is up to date is left alone.

    Raises BuildError for a wheel, base or image that cannot be made; the SDK's errors pass through.
    """
    return [_Builder(matrix, arch, client, workspace, progress).image(name) for name in names]


def up_to_date(
    matrix: Matrix, arch: str, name: str, client: docker.DockerClient, workspace: Workspace
) -> bool:
    """Return whether `build` would leave the engine's image alone; makes nothing."""
    return _Builder(matrix, arch, client, workspace, print).current(name) is not None


def base_image(
    matrix: Matrix, arch: str, client: docker.DockerClient, workspace: Workspace, progress: Say
) -> EngineImage:
    """Return the engine's image of the base alone, loaded if it has none, for what is no run of the bench."""
    tag = ground.tag_of_base(client, matrix.base, arch, workspace)
    if found := ground.find(client, tag):
        return found
    base = ground.written(client, matrix.base, arch, workspace, progress)
    tag = ground.tag_of_base(client, matrix.base, arch, workspace)
    return ground.find(client, tag) or load(client, base, tag)


@dataclass(frozen=True)
class _Builder:
    """What all images of one build have in common."""

    matrix: Matrix
    arch: str
    client: docker.DockerClient
    workspace: Workspace
    progress: Say

    def image(self, name: str) -> Ready:
        """Make one image: the base, its wheels, the bench on top."""
        started, tag = time.monotonic(), tag_of(name, self.arch)
        image = self.current(name)
        cached = image is not None
        image = image or load(self.client, self._written(name), tag)
        seconds = time.monotonic() - started
        return Ready(name, self.arch, tag, str(image.id), image.attrs["Size"], seconds, cached)

    def current(self, name: str) -> EngineImage | None:
        """The engine's image, if it has the content that it would be built with now."""
        image = ground.find(self.client, tag_of(name, self.arch))
        return image if image and image.labels.get(KEY) == self._bench_key(name) else None

    def _written(self, name: str) -> Written:
        """The image of its two Dockerfiles."""
        facts, root = self.matrix.images[name], self.workspace.root
        base = ground.written(self.client, self.matrix.base, self.arch, self.workspace, self.progress)
        site = wheelhouse.ensure_site(
            self.workspace, name, facts, self.arch, self.matrix.base.snapshot, self.progress
        )
        self.progress(f"{name}: writing {site.name} and the bench")
        wheels = write(base, self._dockerfile(name, "wheels"), {"site.tar": entries(site, "opt/site/")}, {})
        labels = {**self._labels(name), KEY: self._bench_key(name), f"{OCI}.revision": revision(root)}
        context = {"bench.tar": bench_files.members(root, name)}
        return write(wheels, self._dockerfile(name, "bench"), context, labels)

    def _wheels_key(self, name: str) -> str:
        """Return the content key of the image with the wheels."""
        site = wheelhouse.site_of(self.workspace, name, self.matrix.images[name], self.arch)
        base = ground.tag_of_base(self.client, self.matrix.base, self.arch, self.workspace)
        return _digest([self._dockerfile(name, "wheels"), base, site.name])

    def _bench_key(self, name: str) -> str:
        """Return the content key of the image that runs."""
        labels = [f"{label}={value}" for label, value in self._labels(name).items()]
        root = self.workspace.root
        files = bench_files.of_image(root, name)
        contents = [f"{path.relative_to(root)} {sha256_file(path)}" for path in files]
        return _digest([self._dockerfile(name, "bench"), self._wheels_key(name), *labels, *contents])

    def _dockerfile(self, name: str, part: str) -> str:
        return dockerfile.render(name, self.matrix.images[name], self.arch, part)

    def _labels(self, name: str) -> dict[str, str]:
        """Return the labels that follow from the matrix and the lock (so they are part of the key)."""
        lock = locks.read(self.workspace.lock(name, self.arch))
        packages = {framework.package for framework in self.matrix.frameworks.values()}
        return {
            f"{OCI}.title": f"edgequant {name}",
            f"{OCI}.description": self.matrix.images[name].description,
            f"{OCI}.licenses": LICENSE,
            "edgequant.stack": self.matrix.defaults.stack,
            "edgequant.lock": lock.digest,
            "edgequant.matrix": self._table(name),
            **{f"edgequant.version.{pin.name}": pin.version for pin in lock.pins if pin.name in packages},
        }

    def _table(self, name: str) -> str:
        """The SHA-256 of the image's own table of the matrix, as it was read.

        Not of the file: a comment, a platform or another image changes no image. What it takes from other
        tables (the base's, LoadGen's) is in their keys.
        """
        facts = asdict(self.matrix.images[name])
        del facts["arches"]  # for what else it is made
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def remove_images(environment: Mapping[str, str]) -> list[str]:
    """Remove every image of the kit from the engine that Docker's variables name, if it answers; the tags."""
    try:
        client = docker.from_env(environment=environment)
        tags = sorted(tag for image in client.images.list() for tag in image.tags if tag.startswith(PREFIX))
        for tag in tags:
            client.images.remove(tag, force=True)
        client.close()
    except (docker.errors.DockerException, requests.RequestException):
        return []
    return tags


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
