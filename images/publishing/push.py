"""Push every image to a registry, join the architectures in one index, and pin the digests.

Each architecture is pushed by the engine under a tag that names the image's id, so that what a registry
has is known before anything is sent and no earlier publication loses its tag. What is pinned was fetched
again and compared. published.toml changes at the very end, whole, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import docker

from bench.common import files
from bench.common.errors import RegistryError, UsageError, unknown
from bench.plan import reading
from bench.plan.matrix import Matrix
from images.engines.docker import sdk
from images.engines.docker.build import OCI, tag_of
from images.engines.docker.context import current, variables
from images.engines.docker.engine import DockerEngine
from images.engines.docker.sdk import speaking
from images.making.base import VARIANTS
from images.publishing import record
from images.publishing.pinfile import COMMENT, SCHEMA, Child, Pins, PublishedImage, path_of, read
from images.publishing.registry import INDEX, MANIFESTS, Manifest, Registry
from images.workspace import Say, Workspace, size

AGAIN = "the same command goes on: what has arrived is not pushed again"


def publish_all(root: Path, place: str, words: str) -> None:
    """Publish the images of a checkout named in `words` (comma-separated; "": all); say what is pinned."""
    matrix, workspace = reading.load(root / "matrix.toml"), Workspace(root)
    engine = DockerEngine(matrix, workspace, "publishing needs one", variables(current()))
    names = [word.strip() for word in words.split(",") if word.strip()] or list(matrix.images)
    pins = publish(engine, matrix, workspace, place, names, print)
    for name in names:
        for arch, child in pins.images[name].arches.items():
            print(f"{name} {arch}: {pins.images[name].repository}@{child.digest} ({size(child.size)})")
            if child.revision.endswith("-dirty"):
                print(f"  built from files that no commit has ({child.revision}): nobody else can build it")
    print(f"pinned in {path_of(root).name}")


def publish(
    engine: DockerEngine,
    matrix: Matrix,
    workspace: Workspace,
    place: str,
    names: Sequence[str],
    progress: Say,
) -> Pins:
    """Build what is missing, push, verify, pin; return what is pinned now.

    `names` are the images to publish, of all their architectures; those published before stay pinned where
    they are in the same registry. Raises RegistryError (nothing is pinned then), BuildError, EngineError.
    """
    for name in names:
        if name not in matrix.images:
            raise UsageError(unknown("image", name, matrix.images), where="--image")
    registry = Registry(place)
    registry.check()
    old = read(workspace.root)
    if old and old.registry != registry.place:
        old = None  # pins of another registry say nothing of this one
    for arch in dict.fromkeys(arch for name in names for arch in matrix.images[name].arches):
        engine.build(arch, [name for name in names if arch in matrix.images[name].arches], progress)
    pinned = dict(old.images) if old else {}
    for name in names:
        before = pinned.get(name)
        pinned[name] = _Pusher(engine.client, registry, name, progress).image(
            matrix.images[name].arches, before
        )
    pins = Pins(SCHEMA, registry.place, pinned)
    if pins != old:
        files.replace(path_of(workspace.root), record.dumps(asdict(pins), COMMENT))
    return pins


@dataclass(frozen=True)
class _Pusher:
    """Pushes one image; `name` is the image's, its repository has "edgequant-" before it."""

    client: docker.DockerClient
    registry: Registry
    name: str
    progress: Say

    @property
    def repository(self) -> str:
        return f"edgequant-{self.name}"  # one level: Docker Hub knows no deeper names

    def image(self, arches: Sequence[str], before: PublishedImage | None) -> PublishedImage:
        """Push all architectures and their index, and return the pins."""
        manifests, children = {}, {}
        for arch in sorted(arches):
            manifests[arch], children[arch] = self._child(arch)
            pin = before.arches.get(arch) if before else None
            if pin and pin.image == children[arch].image and pin.digest != children[arch].digest:
                raise RegistryError(
                    f"published.toml pins {pin.digest} for {self.name} {arch}, the registry has "
                    f"{children[arch].digest} for the same image",
                    where=self.registry.repository(self.repository),
                    remedy="one of them was changed; if it is the file, delete its entry and publish again",
                )
        index = _index(manifests)
        for tag in (index.digest[7:19], "latest"):  # the first keeps this index when a later one is "latest"
            there = self.registry.manifest(self.repository, tag)
            if there is None or there.digest != index.digest:
                self.registry.put(self.repository, tag, index)
                self.progress(f"{self.name}: index of {', '.join(manifests)} as {self.repository}:{tag}")
        if self.registry.manifest(self.repository, index.digest) is None:
            raise self._lost(index.digest)
        return PublishedImage(self.registry.repository(self.repository), index.digest, children)

    def _child(self, arch: str) -> tuple[Manifest, Child]:
        """Push one architecture unless it is there; return its manifest, fetched by digest, and its pin."""
        image = self.client.images.get(tag_of(self.name, arch))
        tag = f"{arch}-{image.id[7:19]}"
        there = self.registry.manifest(self.repository, tag)
        if there and there.media_type in MANIFESTS and there.config == image.id:
            digest = there.digest
            self.progress(f"{self.name} {arch}: is there ({size(there.size)})")
        else:
            self.progress(f"{self.name} {arch}: pushing {size(image.attrs['Size'])} unpacked")
            digest = self._push(tag_of(self.name, arch), tag)
        found = self.registry.manifest(self.repository, digest)
        if found is None:
            raise self._lost(digest)
        if found.media_type not in MANIFESTS or found.config != image.id:
            raise RegistryError(
                f"{digest} is not the image {image.id} that was pushed", where=f"{self.repository}:{tag}"
            )
        recorded = self.registry.configuration(self.repository, found.config)["architecture"]
        if recorded != arch:
            raise RegistryError(f"{digest} is for {recorded}, not {arch}", where=f"{self.repository}:{tag}")
        return found, _pin(found, image.id, image.labels)

    def _push(self, local: str, tag: str) -> str:
        """Let the engine push, and return the digest it names."""
        remote = self.registry.repository(self.repository)
        where = f"{remote}:{tag}"
        with speaking(f"the engine failed while pushing {where}", AGAIN):
            self.client.images.get(local).tag(remote, tag)
            try:
                digest = sdk.push(
                    self.client,
                    remote,
                    tag,
                    lambda why, _: RegistryError(f"the push stopped: {why}", where=where, remedy=AGAIN),
                )
            finally:
                self.client.images.remove(where)  # the name alone: the image has another
        if not digest:
            raise RegistryError("the push ended before the engine named a digest", where=remote, remedy=AGAIN)
        return digest

    def _lost(self, digest: str) -> RegistryError:
        where = self.registry.repository(self.repository)
        return RegistryError(f"the registry has not kept {digest}", where=where, remedy=AGAIN)


def _index(manifests: dict[str, Manifest]) -> Manifest:
    """Return the OCI index of the architectures' manifests (by architecture)."""
    rows = []
    for arch, manifest in manifests.items():
        variant = {"variant": VARIANTS[arch]} if VARIANTS[arch] else {}
        rows.append(
            {
                "mediaType": manifest.media_type,
                "digest": manifest.digest,
                "size": len(manifest.content),
                "platform": {"architecture": arch, "os": "linux", **variant},
            }
        )
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}
    return Manifest(INDEX, json.dumps(document, indent=1).encode())


def _pin(manifest: Manifest, image: str, labels: dict[str, str]) -> Child:
    version = "edgequant.version."
    versions = {
        name.removeprefix(version): value for name, value in labels.items() if name.startswith(version)
    }
    return Child(
        digest=manifest.digest,
        image=image,
        size=manifest.size,
        lock=labels["edgequant.lock"],
        revision=labels[f"{OCI}.revision"],
        versions=versions,
    )
