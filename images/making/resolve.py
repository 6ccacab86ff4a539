"""`invoke lock`: pip chooses, the lock files say what it chose."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from bench.common.errors import BuildError
from bench.device.environment import MACHINES
from bench.plan import reading
from images.making.lock import Pin, normalise, write
from images.making.pip import pip
from images.workspace import PYTHON, Workspace

HOST_PYTHONS = ("3.11", "3.12", "3.13")


def resolve(requirements: Sequence[str], arch: str, python: str = PYTHON) -> list[Pin]:
    """Let pip choose every package for `requirements`, without installing anything.

    Markers in a requirement (`; platform_machine == "aarch64"`) are evaluated for `arch`.
    """
    with tempfile.TemporaryDirectory() as nowhere:
        command = "install --quiet --dry-run --ignore-installed --report -"
        done = pip(command, "--target", nowhere, *requirements, arch=arch, python=python)
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


def lock_image(path: Path, requirements: Sequence[str], arch: str) -> None:
    """Resolve one image's requirements and write its lock."""
    if sys.version_info[:2] != tuple(map(int, PYTHON.split("."))):
        raise BuildError(
            f"locks are made with Python {PYTHON}: pip evaluates markers for its own Python",
            remedy=f"rm -r .venv, and put python{PYTHON} first on PATH",
        )
    write(path, requirements, resolve(requirements, arch))


def lock_host(path: Path, requirements: Sequence[str]) -> None:
    """Lock tools that run on the host itself, for every architecture and Python the kit runs on."""
    versions: dict[str, str] = {}
    hashes: dict[str, set[str]] = {}
    for arch in MACHINES:
        for python in HOST_PYTHONS:  # oldest first: its choice holds for the others
            chosen = [f"{name}=={version}" for name, version in versions.items()]
            for pin in resolve([*requirements, *chosen], arch, python):
                versions[pin.name] = pin.version
                hashes.setdefault(pin.name, set()).update(pin.hashes)
    pins = [Pin(name, version, tuple(sorted(hashes[name]))) for name, version in versions.items()]
    write(path, requirements, pins)


def lock_all(root: Path) -> None:
    """Write every lock again: each image x architecture of the matrix, and the host's own tools."""
    from images.making import loadgen

    matrix = reading.load(root / "matrix.toml")
    workspace = Workspace(root)
    for name, image in matrix.images.items():
        for arch in image.arches:
            print(f"{name} {arch}", flush=True)
            lock_image(workspace.lock(name, arch), image.requirements, arch)
    print("loadgen-source", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        loadgen.download(matrix.loadgen.source, Path(folder))
        pins = [_pin_of(requirement, Path(folder)) for requirement in matrix.loadgen.source]
    write(root / "images" / "locks" / f"{loadgen.SOURCE_LOCK}.txt", matrix.loadgen.source, pins)
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
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
    command = ["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r"]
    done = subprocess.run([sys.executable, *command, str(lock)], check=False, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"cannot install the test tools:\n{done.stderr.strip()}", where=lock.name)
    stamp.write_bytes(lock.read_bytes())
