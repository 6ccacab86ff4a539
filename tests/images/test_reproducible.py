"""Two builds of one commit give one content: real images, from two checkouts that share nothing."""

# ruff: noqa: F401 (fixtures come by import)

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import docker
import pytest
import unemulated
from fixtures_images import LEAKS, MATRIX, ROOT, collect_sockets

from bench.common import hashing
from images.engines.docker import build
from images.making import base, loadgen, lock, wheelhouse
from images.workspace import Workspace

pytestmark = [pytest.mark.docker, LEAKS]
NAME = "twice"  # not the user's own image of this engine
TWICE = dataclasses.replace(MATRIX, images={NAME: MATRIX.images["tflite"]})

BUILD = """
import sys
from pathlib import Path
import docker
import test_reproducible as twice
from images.workspace import Workspace
client = docker.from_env(timeout=600)
twice.build.build(twice.TWICE, sys.argv[2], [twice.NAME], client, Workspace(Path(sys.argv[1])), print)
"""


def checkout(folder: Path, arch: str) -> Workspace:
    """Make a checkout whose cache holds the downloaded wheels of tflite and nothing else."""
    workspace, real = Workspace(folder), Workspace(ROOT)
    wheelhouse.fill(lock.read(real.lock("tflite", arch)), real.wheels("tflite", arch), arch, print)
    shutil.copytree(real.wheels("tflite", arch), workspace.wheels(NAME, arch))
    shutil.copytree(ROOT / "bench", folder / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "images" / "locks", folder / "images" / "locks")
    shutil.copy(real.lock("tflite", arch), workspace.lock(NAME, arch))
    shutil.copy(ROOT / "matrix.toml", folder)
    return workspace


def content(client: docker.DockerClient, arch: str) -> dict[str, Any]:
    """Return what an image is: its id and date, too."""
    facts = client.images.get(f"edgequant/{NAME}:{arch}").attrs
    return {key: facts[key] for key in ("Id", "Created", "Architecture", "Os", "Size", "RootFS", "Config")}


def build_unemulated(workspace: Workspace, arch: str) -> None:
    """Build where no arm64 program can start; the engine runs none either, since no Dockerfile has a RUN."""
    command = [sys.executable, unemulated.__file__, sys.executable, "-c", BUILD, str(workspace.root), arch]
    paths = os.pathsep.join((str(ROOT), str(Path(__file__).parent)))
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})
    if done.returncode == unemulated.IMPOSSIBLE:
        pytest.skip("needs root and a kernel with handlers of foreign programs by user namespace (6.7)")
    assert done.returncode == 0, done.stdout + done.stderr


def make(client: docker.DockerClient, workspace: Workspace, arch: str) -> dict[str, Any]:
    """Build, look, and remove the image."""
    if arch == "arm64":
        build_unemulated(workspace, arch)
    else:
        build.build(TWICE, arch, [NAME], client, workspace, print)
    found = content(client, arch)
    client.images.remove(f"edgequant/{NAME}:{arch}", force=True)
    return found


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_two_checkouts_give_the_same_image(arch: str, tmp_path: Path) -> None:
    if arch == "arm64" and not shutil.which("aarch64-linux-gnu-g++"):
        pytest.skip("needs g++-aarch64-linux-gnu")
    try:
        client = docker.from_env(timeout=600)
        client.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker engine: {error}")
    first, second = checkout(tmp_path / "a", arch), checkout(tmp_path / "another" / "place", arch)
    found = make(client, first, arch)
    bases = [base.made(MATRIX.base, arch, first, pytest.fail).diff_ids]
    assert len(found["RootFS"]["Layers"]) == 3
    time.sleep(1.1)  # a date that slips in would differ
    old = os.umask(0o077)
    try:
        again = make(client, second, arch)
        bases += [base.made(MATRIX.base, arch, second, pytest.fail).diff_ids]
    finally:
        os.umask(old)
        client.close()
    assert bases[0] == bases[1]
    assert again == found
    source = loadgen.needed(first, NAME, TWICE.images[NAME], arch)
    if source:  # compiled once in each checkout
        wheels = [loadgen.wheel(w, MATRIX.base.snapshot, arch, source, pytest.fail) for w in (first, second)]
        assert wheels[0].parents[2] != wheels[1].parents[2]
        assert wheels[0].read_bytes() == wheels[1].read_bytes()
