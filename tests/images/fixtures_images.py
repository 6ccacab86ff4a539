"""A tiny kit for the real engine: one image whose bench runs the Python that a test gives it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import docker
import pytest

from bench import matrix as matrices
from images import lock, wheelhouse
from images.workspace import Workspace

# The docker SDK leaves the sockets of hijacked connections to the garbage collector.
LEAKS = pytest.mark.filterwarnings("ignore:.*<socket.socket:pytest.PytestUnraisableExceptionWarning")
ROOT = Path(__file__).parents[2]
MATRIX = matrices.load(ROOT / "matrix.toml")
IMAGE = matrices.Image("a test's image", ("amd64", "arm64"), ("none==0",))
TINY = dataclasses.replace(MATRIX, images={"test": IMAGE})


def make_workspace(folder: Path, arch: str) -> Workspace:
    """Write a checkout with one small image; the base is shared with the real checkout."""
    workspace = Workspace(folder)
    (folder / "bench").mkdir(parents=True)
    (folder / "bench" / "__main__.py").write_text("import sys; exec(sys.argv[1])\n")
    shutil.copy(ROOT / "matrix.toml", folder)
    lock.write(workspace.lock("test", arch), [], [])
    site = wheelhouse.site_of(workspace, "test", IMAGE, arch)
    (site / "package").mkdir(parents=True)
    (site / "package" / "__init__.py").write_text("NAME = 'from the site'\n")
    wheelhouse.settle(site)
    (ROOT / ".cache" / "base").mkdir(parents=True, exist_ok=True)
    (folder / ".cache" / "base").symlink_to(ROOT / ".cache" / "base")
    return workspace


def forget(client: docker.DockerClient, arch: str) -> None:
    """Remove the tiny image and with it the builder's cache of its layers."""
    for tag in (f"edgequant/test:{arch}", f"edgequant/test-wheels:{arch}"):
        client.images.remove(tag, force=True)
