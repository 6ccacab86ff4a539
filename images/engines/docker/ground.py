"""The base: pulled by digest where a registry is named and answers, else made."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors

from bench.common.errors import BuildError
from bench.plan.matrix import Base
from images.engines.docker.login import of_image
from images.making.base import key, made
from images.making.image import ImageLayer, Written, created
from images.workspace import Say, Workspace

if TYPE_CHECKING:
    from docker.models.images import Image as EngineImage


def written(client: docker.DockerClient, base: Base, arch: str, workspace: Workspace, say: Say) -> Written:
    """Return the base for `arch`: pulled where a registry is named and answers, else made.

    Neither is done twice: what the engine or the cache has is taken from there.
    """
    if image := _named(client, base, arch, say):
        return _exported(image, workspace.cache / "base")
    return made(base, arch, workspace, say)


def tag_of_base(client: docker.DockerClient, base: Base, arch: str, workspace: Workspace) -> str:
    """The tag of the base that an image for `arch` stands on: the pulled one where the engine has it."""
    reference, pulled = _names(base, arch)
    if reference and find(client, pulled):
        return pulled
    return f"edgequant/base:{arch}-{key(base, arch, workspace)}"


def _named(client: docker.DockerClient, base: Base, arch: str, say: Say) -> EngineImage | None:
    """The base of the registry that is named, None where none is or it does not answer."""
    reference, pulled = _names(base, arch)
    if not reference:
        return None
    try:
        return find(client, pulled) or _pull(client, reference, arch, pulled, say)
    except docker.errors.APIError as error:
        say(f"base: {reference} cannot be pulled ({error.explanation or error})")
        return None


def _names(base: Base, arch: str) -> tuple[str, str]:
    """Return the registry's reference ("" for none), and the tag of a base pulled by it."""
    reference = os.environ.get("EDGEQUANT_BASE") or base.registry
    return reference, f"edgequant/base:{arch}-{reference.rpartition(':')[2][:12]}"


def find(client: docker.DockerClient, tag: str) -> EngineImage | None:
    """Return the engine's image of this tag, None if it has none."""
    try:
        return client.images.get(tag)
    except docker.errors.ImageNotFound:
        return None


def _pull(client: docker.DockerClient, reference: str, arch: str, tag: str, say: Say) -> EngineImage:
    say(f"base: pulling {reference}")
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


def _exported(image: EngineImage, folder: Path) -> Written:
    """A base that was pulled, as the kit writes images: its layers are taken out of the engine once."""
    facts = image.attrs
    layers = [folder / f"{name.partition(':')[2]}.layer.tar" for name in facts["RootFS"]["Layers"]]
    if not all(path.is_file() for path in layers):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="export-") as scratch:
            whole = Path(scratch, "image.tar")
            with whole.open("wb") as target:
                target.writelines(image.save())
            _take(whole, layers)
    config = {
        "architecture": facts["Architecture"],
        **({"variant": facts["Variant"]} if facts.get("Variant") else {}),
        "os": facts["Os"],
        "config": {name: facts["Config"].get(name) for name in ("Env", "Cmd", "Labels")},
        "history": [{"created": created(), "created_by": "a registry's base"} for _ in layers],
    }
    found = zip(facts["RootFS"]["Layers"], layers)
    return Written(config, tuple(ImageLayer(diff_id, path) for diff_id, path in found))


def _take(whole: Path, layers: Sequence[Path]) -> None:
    """Take the layers out of what `docker save` wrote, in their order; newer engines compress them."""
    with tarfile.open(whole) as tar:
        [manifest] = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        for name, path in zip(manifest["Layers"], layers):
            content = tar.extractfile(name)
            assert content is not None
            packed = content.read(2) == b"\x1f\x8b"
            content.seek(0)
            partial = path.with_suffix(".partial")
            with partial.open("wb") as target:
                shutil.copyfileobj(gzip.GzipFile(fileobj=content) if packed else content, target)
            partial.replace(path)
