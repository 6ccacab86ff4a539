"""Build images through the engine's classic builder: base, then wheels, then the bench.

An image is skipped when the engine already has it with the same *content key*: the SHA-256 of
everything that goes into it. The commit is a label but no part of the key.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import docker
import docker.errors
import requests

from bench.common.errors import BuildError
from bench.common.hashing import sha256_file
from bench.plan.matrix import Matrix
from images.engines.docker import sdk
from images.engines.docker.ground import ensure, find, present
from images.engines.engine import Ready
from images.kit import revision
from images.making import bench_files, dockerfile, wheelhouse
from images.making import lock as locks
from images.making.tarball import Member, entries
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
    ground = ensure(client, matrix.base, arch, workspace, progress)
    maker = _Builder(matrix, arch, client, workspace, progress, str(ground.id))
    return [maker.image(name) for name in names]


def up_to_date(
    matrix: Matrix, arch: str, name: str, client: docker.DockerClient, workspace: Workspace
) -> bool:
    """Return whether `build` would leave the engine's image alone; makes nothing."""
    ground = present(client, matrix.base, arch)
    if not ground:
        return False
    return _Builder(matrix, arch, client, workspace, print, str(ground.id)).have(name)


@dataclass(frozen=True)
class _Builder:
    """What all images of one build have in common; `ground` is the id of their base."""

    matrix: Matrix
    arch: str
    client: docker.DockerClient
    workspace: Workspace
    progress: Say
    ground: str

    def image(self, name: str) -> Ready:
        """Make one image: its wheels, then the bench on top."""
        started = time.monotonic()
        wheels = self._wheels(name)
        image, cached = self._bench(name, wheels)
        seconds = time.monotonic() - started
        tag, size = tag_of(name, self.arch), image.attrs["Size"]
        return Ready(name, self.arch, tag, str(image.id), size, seconds, cached)

    def have(self, name: str) -> bool:
        """Return whether the engine has the image with the content it would be built with now."""
        return self._current(tag_of(name, self.arch), self._bench_key(name)) is not None

    def _wheels(self, name: str) -> EngineImage:
        """Return the image with the wheels of `name`."""
        site = wheelhouse.ensure_site(
            self.workspace, name, self.matrix.images[name], self.arch, self.matrix.base.suite, self.progress
        )
        key, tag = self._wheels_key(name), f"{PREFIX}{name}-wheels:{self.arch}"
        image = self._current(tag, key)
        if not image:
            self.progress(f"{name}: copying {site.name}")
            context = [("site.tar", entries(site, "opt/site/"))]
            image = self._run(
                tag, self._dockerfile(name, "wheels"), context, {"BASE": self.ground}, {KEY: key}
            )
        return image

    def _bench(self, name: str, wheels: EngineImage) -> tuple[EngineImage, bool]:
        """Return the image with the bench on `wheels`, and whether it was there already."""
        key, tag = self._bench_key(name), tag_of(name, self.arch)
        image = self._current(tag, key)
        if image:
            return image, True
        self.progress(f"{name}: adding the bench")
        labels = {**self._labels(name), KEY: key, f"{OCI}.revision": revision(self.workspace.root)}
        context = [("bench.tar", bench_files.members(self.workspace.root, name))]
        arguments = {"WHEELS": str(wheels.id)}
        return self._run(tag, self._dockerfile(name, "bench"), context, arguments, labels), False

    def _wheels_key(self, name: str) -> str:
        """Return the content key of the image with the wheels."""
        site = wheelhouse.site_of(self.workspace, name, self.matrix.images[name], self.arch)
        return _digest([self._dockerfile(name, "wheels"), self.ground, site.name])

    def _bench_key(self, name: str) -> str:
        """Return the content key of the image that runs."""
        labels = [f"{label}={value}" for label, value in self._labels(name).items()]
        root = self.workspace.root
        files = bench_files.of_image(root, name)
        contents = [f"{path.relative_to(root)} {sha256_file(path)}" for path in files]
        return _digest([self._dockerfile(name, "bench"), self._wheels_key(name), *labels, *contents])

    def _dockerfile(self, name: str, part: str) -> str:
        return dockerfile.render(name, self.matrix.images[name], self.arch, part)

    def _current(self, tag: str, key: str) -> EngineImage | None:
        """Return the engine's image of this tag if its content key is `key`."""
        image = find(self.client, tag)
        return image if image and image.labels.get(KEY) == key else None

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
            "edgequant.matrix": sha256_file(self.workspace.root / "matrix.toml"),
            **{f"edgequant.version.{pin.name}": pin.version for pin in lock.pins if pin.name in packages},
        }

    def _run(
        self, tag: str, text: str, context: list[Member], arguments: dict[str, str], labels: dict[str, str]
    ) -> EngineImage:
        """Stream Dockerfile and files to the classic builder; return the tagged image."""
        old = find(self.client, tag)

        def failed(why: str, said: Sequence[str]) -> BuildError:
            return BuildError(
                f"the engine could not build: {why}\n" + "\n".join(said[-5:]),
                where=tag,
                remedy="invoke doctor shows free disk space and the engine's state",
            )

        members = [("Dockerfile", text.encode()), *context]
        new = sdk.build(self.client, tag, self.arch, members, failed, buildargs=arguments, labels=labels)
        if old and old.id != new.id:  # gigabytes without a name; its parents go with it
            with contextlib.suppress(docker.errors.APIError):  # in use: then it stays
                self.client.images.remove(old.id)
        return new


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
