"""`invoke lock`: pip and apt choose, the lock files say what they chose."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from bench.common.errors import BuildError
from bench.device.environment import MACHINES
from bench.plan import reading
from bench.plan.matrix import Matrix
from images.making.debian import packages
from images.making.debian.choose import choose
from images.making.lock import Pin, normalise, write
from images.making.pip import pip
from images.making.uv import uv
from images.workspace import PYTHON, Workspace

HOST_PYTHON = "3.11"  # the oldest that the host may have; newer ones get the same versions
HOST_COMMAND = (
    "pip compile --quiet --universal --generate-hashes --no-header --no-annotate --fork-strategy fewest"
)
_PINNED = re.compile(r"([a-z0-9-]+)==(\S+)(?: ; ([^\\\n]+))?")


def resolve(requirements: Sequence[str], arch: str, indexes: Sequence[str] = ()) -> list[Pin]:
    """Let pip choose every package for `requirements`, without installing anything.

    `indexes` are asked as well, if pip's configuration alone does not give all. Markers in a
    requirement (`; platform_machine == "aarch64"`) are evaluated for `arch`.
    """
    with tempfile.TemporaryDirectory() as nowhere:
        command = "install --quiet --dry-run --ignore-installed --report -"
        words = (command, "--target", nowhere, *requirements)
        done = pip(*words, arch=arch)
        if done.returncode and indexes:
            more = [word for index in indexes for word in ("--extra-index-url", index)]
            done = pip(*words, *more, arch=arch)
    if done.returncode:
        raise BuildError(f"pip cannot resolve {', '.join(requirements)} for {arch}:\n{done.stderr.strip()}")
    return [
        Pin(
            normalise(item["metadata"]["name"]),
            item["metadata"]["version"],
            (item["download_info"]["archive_info"]["hashes"]["sha256"],),
        )
        for item in json.loads(done.stdout)["install"]
    ]


def lock_image(path: Path, requirements: Sequence[str], arch: str, indexes: Sequence[str] = ()) -> None:
    """Resolve one image's requirements and write its lock."""
    if sys.version_info[:2] != tuple(map(int, PYTHON.split("."))):
        raise BuildError(
            f"locks are made with Python {PYTHON}: pip evaluates markers for its own Python",
            remedy=f"rm -r .cache/host, and put python{PYTHON} first on PATH",
        )
    write(path, requirements, resolve(requirements, arch, indexes))


def lock_host(path: Path, requirements: Sequence[str]) -> None:
    """Lock tools that run on the host itself, for every Python, Linux and macOS, amd64 and arm64, by uv.

    A pin has the hashes of all files of its version; what only Windows needs is left out.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder, "asked.txt")
        asked.write_text("".join(f"{requirement}\n" for requirement in requirements))
        done = uv(HOST_COMMAND, "--python-version", HOST_PYTHON, str(asked))
    if done.returncode:
        raise BuildError(f"uv cannot resolve {', '.join(requirements)}:\n{done.stderr.strip()}")
    pins: dict[str, Pin] = {}
    for block in re.split(r"\n(?=\S)", done.stdout.strip()):
        name, version, marker = _PINNED.match(block).groups()  # type: ignore[union-attr]
        if marker and "win32" in marker:
            continue
        if name in pins:
            raise BuildError(f"uv chose two versions of {name}, and a lock has one", where=path.name)
        pins[name] = Pin(name, version, tuple(sorted(re.findall("sha256:([0-9a-f]{64})", block))))
    write(path, requirements, pins.values())


def lock_debian(workspace: Workspace, matrix: Matrix) -> None:
    """Lock the Debian packages of the base, and of what LoadGen is compiled against where it has no wheel."""
    from images.making import loadgen, sysroot

    pairs = [(name, image, arch) for name, image in matrix.images.items() for arch in image.arches]
    compiled = {arch for name, image, arch in pairs if loadgen.needed(workspace, name, image, arch)}
    wanted = [("base", arch, matrix.base.packages) for arch in MACHINES]
    wanted += [(sysroot.LOCK, arch, sysroot.PACKAGES) for arch in sorted(compiled)]
    for name, arch, asked in wanted:
        print(name, arch, flush=True)
        path = workspace.lock(name, arch)
        chosen = choose(path, matrix.base.suite, arch, asked, matrix.base.snapshot)
        packages.write(path, matrix.base.suite, arch, asked, chosen)


def lock_all(root: Path) -> None:
    """Write every lock again: each image x architecture of the matrix, and the host's own tools."""
    from images.making import loadgen

    matrix = reading.load(root / "matrix.toml")
    workspace = Workspace(root)
    for name, image in matrix.images.items():
        for arch in image.arches:
            print(f"{name} {arch}", flush=True)
            lock_image(workspace.lock(name, arch), image.requirements, arch, [*image.indexes.values()])
    lock_debian(workspace, matrix)
    print("loadgen-source", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        loadgen.download(matrix.loadgen.source, Path(folder))
        pins = [_pin_of(requirement, Path(folder)) for requirement in matrix.loadgen.source]
    write(root / "images" / "locks" / f"{loadgen.SOURCE_LOCK}.txt", matrix.loadgen.source, pins)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, asked in (("host", []), ("test", project["optional-dependencies"]["test"])):
        print(name, flush=True)
        lock_host(root / "images" / "locks" / f"{name}.txt", [*project["dependencies"], *asked])


def _pin_of(requirement: str, folder: Path) -> Pin:
    """Return the pin of a file in `folder` that was downloaded for "name==version"."""
    name, _, version = requirement.partition("==")
    [path] = folder.glob(f"{name.replace('-', '_')}-{version}[-.]*")
    return Pin(name, version, (hashlib.sha256(path.read_bytes()).hexdigest(),))


def install_test_tools(root: Path) -> None:
    """Install images/locks/test.txt into the environment that runs this, unless it is there."""
    lock, stamp = root / "images" / "locks" / "test.txt", Path(sys.prefix, "test.txt")
    if stamp.is_file() and stamp.read_bytes() == lock.read_bytes():
        return
    command = ["-I", "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r"]
    done = subprocess.run([sys.executable, *command, str(lock)], check=False, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"cannot install the test tools:\n{done.stderr.strip()}", where=lock.name)
    stamp.write_bytes(lock.read_bytes())
