"""The base that every image stands on: a registry's by digest, or Debian packages.

The Debian road executes nothing of the target architecture: the packages of images/locks/base-<arch>.txt are
unpacked without running their scripts, and the layer is written here. The same packages give the same layer
on any host, whose hash is known before any engine sees it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from bench.common.hashing import sha256_file
from bench.plan.matrix import Base
from images.making.bytecode import compile_tree
from images.making.debian import packages
from images.making.debian.fetch import fetch
from images.making.debian.unpack import unpack
from images.making.image import ImageLayer, Written, created
from images.making.tarball import entries, stream
from images.making.wheelhouse import settle
from images.workspace import Say, Workspace, epoch

RECIPE = 3  # raise it when this file makes another base from the same packages
VARIANTS = {"amd64": "", "arm64": "v8"}
USER = 1000
FILES = {
    "etc/passwd": f"root:x:0:0:root:/root:/sbin/nologin\nbench:x:{USER}:{USER}:bench:/tmp:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nbench:x:{USER}:\n",
}
EMPTY = ("dev", "proc", "sys", "run", "tmp")  # mount points must exist in a read-only root


def key(base: Base, arch: str, workspace: Workspace) -> str:
    """Return what the base of `arch` depends on, as 12 hex digits."""
    lock = packages.read(workspace.lock("base", arch))
    facts = [RECIPE, base.suite, lock.digest, arch, epoch(), base.exclude, FILES]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def layer_of(base: Base, arch: str, workspace: Workspace) -> Path:
    """Where the cache keeps the layer of the base, made or not."""
    return workspace.cache / "base" / f"{arch}-{key(base, arch, workspace)}.layer.tar"


def made(base: Base, arch: str, workspace: Workspace, progress: Say) -> Written:
    """Return the base of `arch`, its one layer made of its locked packages if the cache has it not."""
    layer = layer_of(base, arch, workspace)
    if not layer.is_file():
        _make(base, arch, layer, workspace, progress)
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
        "history": [{"created": created(), "created_by": "Debian packages, unpacked"}],
    }
    return Written(config, (ImageLayer(diff_id, layer),))


def _make(base: Base, arch: str, layer: Path, workspace: Workspace, progress: Say) -> None:
    """Write the base's one layer: no traces of this machine, no set-uid files, one date."""
    lock = packages.read(workspace.lock("base", arch))
    files = fetch(lock, workspace.debian, base.snapshot, progress)
    layer.parent.mkdir(parents=True, exist_ok=True)
    progress(f"base: unpacking Debian {base.suite} for {arch}")
    with tempfile.TemporaryDirectory(dir=layer.parent, prefix="base-") as scratch:
        root, whole = Path(scratch, "root"), Path(scratch, "layer.tar")
        unpack(files, root, base.exclude)
        for name in EMPTY:
            (root / name).mkdir(exist_ok=True)
        for name, text in FILES.items():
            (root / name).write_text(text)
        compile_tree(root / "usr" / "lib")
        settle(root)
        (root / "tmp").chmod(0o1777)
        with whole.open("wb") as target:
            target.writelines(stream(entries(root)))
        whole.chmod(0o644)  # it becomes a member of the archive, whatever the umask
        whole.replace(layer)
