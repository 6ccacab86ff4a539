"""The base that every image stands on: a registry's by digest, or Debian packages.

The Debian road executes nothing of the target architecture: mmdebstrap unpacks packages without
running their scripts, and the layer is written here. The same packages give the same layer, whose hash is
known before any engine sees it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import tempfile
from pathlib import Path

from bench.common.errors import BuildError
from bench.common.hashing import sha256_file
from bench.plan.matrix import Base
from images.making import debian
from images.making.bytecode import compile_tree
from images.making.image import ImageLayer, Written, created
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


def layer_of(base: Base, arch: str, workspace: Workspace) -> Path:
    """Where the cache keeps the layer of the base, made or not."""
    return workspace.cache / "base" / f"{arch}-{key(base, arch)}.layer.tar"


def made(base: Base, arch: str, workspace: Workspace, progress: Say) -> Written:
    """Return the base of `arch`, its one layer made with mmdebstrap if the cache has it not."""
    layer = layer_of(base, arch, workspace)
    if not layer.is_file():
        _make(base, arch, layer, progress)
    return of_layer(layer, base, arch)


def of_layer(layer: Path, base: Base, arch: str) -> Written:
    """The base with this layer."""
    diff_id = f"sha256:{sha256_file(layer)}"
    config = {
        "architecture": arch,
        **({"variant": VARIANTS[arch]} if VARIANTS[arch] else {}),
        "os": "linux",
        "created": created(),
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"],
            "Cmd": ["python3"],
            "Labels": {"org.opencontainers.image.title": f"edgequant base: Debian {base.suite}"},
        },
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": created(), "created_by": "mmdebstrap --variant=extract"}],
    }
    return Written(config, (ImageLayer(diff_id, layer),))


def _make(base: Base, arch: str, layer: Path, progress: Say) -> None:
    if not shutil.which("mmdebstrap"):
        raise BuildError(
            "there is no base to build on: no registry is named and mmdebstrap is missing",
            where="matrix.toml: base",
            remedy="apt-get install mmdebstrap arch-test uidmap; or set EDGEQUANT_BASE=host/name@sha256:...; "
            "or use --engine native",
        )
    layer.parent.mkdir(parents=True, exist_ok=True)
    progress(f"base: unpacking Debian {base.suite} for {arch}")
    with tempfile.TemporaryDirectory(dir=layer.parent, prefix="base-") as scratch:
        packages, whole = Path(scratch, "packages.tar"), Path(scratch, "layer.tar")
        debian.extract(base.suite, arch, base.packages, packages, base.exclude)
        _write_layer(packages, Path(scratch, "root"), whole)
        whole.replace(layer)


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
