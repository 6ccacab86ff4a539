"""The base that every image stands on: a registry's by digest, or Debian packages.

The Debian road executes nothing of the target architecture: mmdebstrap unpacks packages without
running their scripts, and the image is written here as an archive that the engine loads. The same
packages give the same image, whose id is known before the engine sees it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import docker.errors

from bench.common.errors import BuildError
from bench.plan.matrix import Base
from images import debian
from images.bytecode import compile_tree
from images.tarball import entries, stream
from images.wheelhouse import file_digest, settle
from images.workspace import Progress, Workspace, epoch

if TYPE_CHECKING:
    from docker.models.images import Image as EngineImage

RECIPE = 2  # raise it when this file makes another base from the same packages
VARIANTS = {"amd64": "", "arm64": "v8"}
# Traces of the machine that made the base, and what the engine mounts anyway.
DROP = (
    "dev/",
    "proc/",
    "sys/",
    "run/",
    "tmp/",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/apt/",
    "var/cache/",
    "var/log/",
    "var/lib/apt/",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/lock",
)
USER = 1000
FILES = {
    "etc/passwd": f"root:x:0:0:root:/root:/sbin/nologin\nbench:x:{USER}:{USER}:bench:/tmp:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nbench:x:{USER}:\n",
}
EMPTY = ("dev", "proc", "sys", "run", "tmp")  # mount points must exist in a read-only root


def key(base: Base, arch: str) -> str:
    """Return what the base of `arch` depends on, as 12 hex digits."""
    facts = [RECIPE, base.suite, sorted(base.packages), arch, epoch(), base.exclude, DROP, FILES]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def ensure(
    client: docker.DockerClient, base: Base, arch: str, workspace: Workspace, progress: Progress
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
    return find(client, made) or _load(client, _archive(base, arch, workspace, progress), made)


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


def _pull(
    client: docker.DockerClient, reference: str, arch: str, tag: str, progress: Progress
) -> EngineImage:
    progress(f"base: pulling {reference}")
    image = client.images.pull(reference, platform=f"linux/{arch}")
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


def _archive(base: Base, arch: str, workspace: Workspace, progress: Progress) -> Path:
    """Return the base as a docker-archive in the cache, made with mmdebstrap if it is not there."""
    archive = workspace.cache / "base" / f"{arch}-{key(base, arch)}.tar"
    if archive.is_file():
        return archive
    if not shutil.which("mmdebstrap"):
        raise BuildError(
            "there is no base to build on: no registry is named and mmdebstrap is missing",
            where="matrix.toml: base",
            remedy="apt-get install mmdebstrap arch-test uidmap; or set EDGEQUANT_BASE=host/name@sha256:...; "
            "or use --engine native",
        )
    archive.parent.mkdir(parents=True, exist_ok=True)
    progress(f"base: unpacking Debian {base.suite} for {arch}")
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="base-") as scratch:
        packages, layer = Path(scratch, "packages.tar"), Path(scratch, "layer.tar")
        debian.extract(base.suite, arch, base.packages, packages, base.exclude)
        _write_layer(packages, Path(scratch, "root"), layer)
        whole = Path(scratch, "archive.tar")
        _write_archive(layer, arch, base, whole)
        whole.replace(archive)
    return archive


def _write_layer(packages: Path, root: Path, layer: Path) -> None:
    """Turn mmdebstrap's tar into the base's one layer: no traces, no set-uid files, one date."""
    with tarfile.open(packages) as tar:
        tar.extraction_filter = lambda member, path: member  # ours; absolute links are right in a root
        tar.extractall(  # noqa: S202 (made by mmdebstrap just now)
            root, [m for m in tar if not m.name.removeprefix("./").startswith(DROP)]
        )
    for name in EMPTY:
        (root / name).mkdir(exist_ok=True)
    for name, text in FILES.items():
        (root / name).write_text(text)
    compile_tree(root / "usr" / "lib")
    settle(root)
    (root / "tmp").chmod(0o1777)
    with layer.open("wb") as target:
        target.writelines(stream(entries(root)))
    layer.chmod(0o644)  # it becomes a member of the archive, whatever the umask


def _write_archive(layer: Path, arch: str, base: Base, archive: Path) -> None:
    """Write what `docker save` would have written for an image with this one layer.

    `docker import` is no substitute: it records the engine's architecture, whatever it is told.
    """
    created = datetime.fromtimestamp(epoch(), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = {
        "architecture": arch,
        **({"variant": VARIANTS[arch]} if VARIANTS[arch] else {}),
        "os": "linux",
        "created": created,
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"],
            "Cmd": ["python3"],
            "Labels": {"org.opencontainers.image.title": f"edgequant base: Debian {base.suite}"},
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{file_digest(layer)}"]},
        "history": [{"created": created, "created_by": "mmdebstrap --variant=extract"}],
    }
    text = json.dumps(config, sort_keys=True).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": None, "Layers": ["layer.tar"]}]
    with archive.open("wb") as target:
        target.writelines(
            stream([(name, text), ("layer.tar", layer), ("manifest.json", json.dumps(manifest).encode())])
        )
