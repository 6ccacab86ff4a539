"""LoadGen for architectures without a published wheel: cross-compiled from its source on the host.

Nothing of the target is executed: Debian's cross compiler, the suite's libraries and headers
(images/making/sysroot.py), and the sources of images/locks/loadgen-source.txt, verified by hash before
they are read.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.common.errors import BuildError
from bench.device import system
from bench.device.environment import MACHINES
from bench.plan.matrix import Image
from images.making import lock as locks
from images.making import sysroot, tarball
from images.making.debian import packages
from images.making.lock import Lock
from images.making.pip import GLIBC
from images.making.sysroot import Sysroot
from images.workspace import PYTHON, Say, Workspace

RECIPE = 3  # raise it when this file makes another wheel from the same source
PACKAGE = "mlcommons-loadgen"
SOURCE_LOCK = "loadgen-source"
# As the source's own setup.py compiles them; the longest first, since all cores work at once.
SOURCES = (
    "bindings/python_api.cc", "loadgen.cc", "logging.cc", "test_settings_internal.cc",
    "issue_query_controller.cc", "results.cc", "version.cc", "utils.cc", "early_stopping.cc",
    "bindings/c_api.cc", "generated/version_generated.cc",
)  # fmt: skip
FLAGS = ("-fPIC", "-std=c++14", "-O3", "-fvisibility=hidden", "-g0")
LINK_FLAGS = ("-shared", "-s", "-Wl,--build-id=none")
ABI = "cp" + PYTHON.replace(".", "")
DATE = (1980, 1, 1, 0, 0, 0)


def needed(workspace: Workspace, name: str, image: Image, arch: str) -> Lock | None:
    """Return the lock of LoadGen's source if this image wants LoadGen and its lock has no wheel of it."""
    wanted = any(requirement.startswith(PACKAGE) for requirement in image.requirements)
    if not wanted or locks.read(workspace.lock(name, arch)).version(PACKAGE):
        return None
    return locks.read(workspace.root / "images" / "locks" / f"{SOURCE_LOCK}.txt")


def key(workspace: Workspace, source: Lock, arch: str) -> str:
    """Return what a compiled wheel depends on, the compiler and the sysroot included, as hex digits."""
    ground = packages.read(workspace.lock(sysroot.LOCK, arch))
    words = f"{RECIPE} {source.digest} {ground.digest} {arch} {_identity(_command(arch))}"
    return hashlib.sha256(words.encode()).hexdigest()


def wheel(workspace: Workspace, snapshot: str, arch: str, source: Lock, progress: Say) -> Path:
    """Return LoadGen's wheel for `arch`, compiled if the cache does not have it; BuildError otherwise."""
    version = source.version(PACKAGE)
    name = f"mlcommons_loadgen-{version}-{_tag(arch)}.whl"
    made = workspace.cache / "loadgen" / key(workspace, source, arch)[:12] / name
    if made.is_file():
        return made
    compiler = _compiler(arch)
    made.parent.mkdir(parents=True, exist_ok=True)
    progress(f"loadgen: compiling {version} for {arch}")
    with tempfile.TemporaryDirectory(dir=made.parent, prefix="compile-") as folder:
        scratch = Path(folder)
        tree = _unpack(source, scratch)
        ground = sysroot.unpack(workspace, arch, snapshot, scratch, progress)
        library = scratch / f"mlperf_loadgen.cpython-{PYTHON.replace('.', '')}-{ground.triplet}.so"
        _compile(compiler, tree, scratch / "tools", ground, library)
        sysroot.check(library, ground.newest(), _identity(compiler))
        _pack(library, version, arch, scratch / name)
        (scratch / name).replace(made)
    return made


def _tag(arch: str) -> str:
    """The wheel's tag: compiled against the C library of the base's Debian suite."""
    return f"{ABI}-{ABI}-manylinux_2_{GLIBC}_{MACHINES[arch]}"


def _command(arch: str) -> str:
    """The name of the C++ compiler that makes code for `arch`."""
    own = system.is_linux() and platform.machine() == MACHINES[arch]
    return "g++" if own else f"{MACHINES[arch]}-linux-gnu-g++"


def _identity(command: str) -> str:
    """What a compiler calls itself: name, distribution's revision, version; "" where it is missing."""
    if not shutil.which(command):
        return ""
    done = subprocess.run([command, "--version"], capture_output=True, text=True)
    return done.stdout.partition("\n")[0]


def _compiler(arch: str) -> str:
    """Return the C++ compiler that makes code for `arch`; BuildError where it is missing."""
    command = _command(arch)
    if not shutil.which(command):
        package = "-".join(["g++", *command.replace("_", "-").split("-")[:-1]])
        raise BuildError(
            f"LoadGen for {arch} must be compiled and {command} is missing",
            remedy=f"apt-get install {package}" if system.is_linux() else "build these images on Linux",
        )
    return command


def download(requirements: Sequence[str], folder: Path) -> None:
    """Download LoadGen's source and the tools that compile it into `folder`, the tools unpacked in tools/.

    `requirements` may carry `--hash`; then nothing else is accepted. pip asks a source for its metadata,
    which runs its setup.py: with these tools, never with ones that pip fetches by itself.
    """
    for is_source in (False, True):
        wanted = folder / "wanted.txt"
        wanted.write_text(
            "".join(f"{line}\n" for line in requirements if line.startswith(PACKAGE) is is_source)
        )
        how = ["--no-build-isolation", "--no-binary", PACKAGE] if is_source else ["--only-binary", ":all:"]
        done = subprocess.run(
            [
                sys.executable,
                "-P",  # no module of the working directory
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                *how,
                "-d",
                str(folder),
                "-r",
                str(wanted),
            ],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(folder / "tools"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
        if done.returncode:
            raise BuildError(
                f"cannot download LoadGen's source:\n{done.stderr.strip()}",
                remedy="connect to a package index and run the same command again",
            )
        for path in folder.glob("*.whl"):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder / "tools")  # noqa: S202 (a zip member cannot leave the folder)


def _unpack(source: Lock, scratch: Path) -> Path:
    """Download the pinned source into `scratch`; return its unpacked tree."""
    download([str(pin) for pin in source.pins], scratch)
    [archive] = scratch.glob("mlcommons_loadgen-*.tar.gz")
    with tarfile.open(archive) as tar:
        tarball.extract(tar, scratch)
    return scratch / archive.name.removesuffix(".tar.gz")


def _compile(compiler: str, tree: Path, tools: Path, ground: Sysroot, target: Path) -> None:
    """Compile every source on a core of its own, then link: one of them takes a third of the whole."""
    major, minor = (tree / "VERSION.txt").read_text(encoding="utf-8").strip().split(".")[:2]
    options = [*FLAGS, f"-DMAJOR_VERSION={major}", f"-DMINOR_VERSION={minor}"]
    options += ["-I.", f"-I{tools / 'pybind11' / 'include'}", *ground.compile_flags(compiler)]
    options += [f"-ffile-prefix-map={target.parent}=."]  # assert() writes the paths of headers
    objects = [f"{source}.o" for source in SOURCES]

    def compile_one(source: str) -> None:
        _call([compiler, *options, "-c", source, "-o", f"{source}.o"], tree)

    with ThreadPoolExecutor(len(system.cores())) as pool:
        list(pool.map(compile_one, SOURCES))
    _call([compiler, *LINK_FLAGS, *objects, "-o", str(target), *ground.link_flags()], tree)


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"LoadGen does not compile:\n{done.stderr[-2000:]}", where=command[0])


def _pack(library: Path, version: str, arch: str, target: Path) -> None:
    """Write a wheel whose bytes depend on its content alone."""
    info = f"mlcommons_loadgen-{version}.dist-info"
    members = {
        library.name: library.read_bytes(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: mlcommons_loadgen\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {_tag(arch)}\n".encode(),
    }
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in members.items())
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, DATE), data, zipfile.ZIP_DEFLATED)


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
