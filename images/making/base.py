"""The base that every image stands on: a registry's by digest, or Debian packages.

The Debian road executes nothing of the target architecture: mmdebstrap unpacks packages without
running their scripts, and the image is written here as an archive that the engine loads. The same
packages give the same image, whose id is known before the engine sees it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from bench.common.errors import BuildError
from bench.common.hashing import sha256_file
from bench.plan.matrix import Base
from images.making import debian
from images.making.bytecode import compile_tree
from images.making.tarball import entries, stream
from images.making.wheelhouse import settle
from images.workspace import Say, Workspace, epoch

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


def archive_of(base: Base, arch: str, workspace: Workspace, progress: Say) -> Path:
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
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256_file(layer)}"]},
        "history": [{"created": created, "created_by": "mmdebstrap --variant=extract"}],
    }
    text = json.dumps(config, sort_keys=True).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": None, "Layers": ["layer.tar"]}]
    with archive.open("wb") as target:
        target.writelines(
            stream([(name, text), ("layer.tar", layer), ("manifest.json", json.dumps(manifest).encode())])
        )
