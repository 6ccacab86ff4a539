"""A tiny kit for the real engine: one image whose bench runs the Python that a test gives it.

The fixtures are imported by the test modules rather than kept in a conftest.py: mypy accepts only
one module of that name.
"""

from __future__ import annotations

import dataclasses
import gc
import platform
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from bench.common.errors import EngineError
from bench.device.environment import MACHINES
from bench.plan import matrix as matrices
from bench.plan import reading
from images.engines.docker.engine import DockerEngine
from images.engines.engine import LaunchResult, Request
from images.making import lock, wheelhouse
from images.workspace import Workspace

# The docker SDK leaves the sockets of hijacked connections to the garbage collector.
LEAKS = pytest.mark.filterwarnings("ignore:.*<socket.socket:pytest.PytestUnraisableExceptionWarning")
ROOT = Path(__file__).parents[2]
MATRIX = reading.load(ROOT / "matrix.toml")
IMAGE = matrices.Image("a test's image", ("amd64", "arm64"), ("none==0",))
TINY = dataclasses.replace(MATRIX, images={"test": IMAGE})


def make_workspace(folder: Path, arch: str) -> Workspace:
    """Write a checkout with one small image; the base is shared with the real checkout."""
    workspace = Workspace(folder)
    for room in ("measure", "convert", "plan"):
        (folder / "bench" / room).mkdir(parents=True)
    (folder / "bench" / "__main__.py").write_text("import sys; exec(sys.argv[1])\n")
    shutil.copy(ROOT / "matrix.toml", folder)
    add_arch(workspace, arch)
    (ROOT / ".cache" / "base").mkdir(parents=True, exist_ok=True)
    (folder / ".cache" / "base").symlink_to(ROOT / ".cache" / "base")
    return workspace


def add_arch(workspace: Workspace, arch: str) -> None:
    """Add an architecture's lock and wheels to the checkout."""
    lock.write(workspace.lock("test", arch), [], [])
    shutil.copy(ROOT / "images" / "locks" / f"base-{arch}.txt", workspace.lock("base", arch))
    site = wheelhouse.site_of(workspace, "test", IMAGE, arch)
    (site / "package").mkdir(parents=True)
    (site / "package" / "__init__.py").write_text("NAME = 'from the site'\n")
    wheelhouse.settle(site)


def forget(client: docker.DockerClient, arch: str) -> None:
    """Remove the tiny image."""
    client.images.remove(f"edgequant/test:{arch}", force=True)


@pytest.fixture(autouse=True)
def collect_sockets() -> Iterator[None]:
    """Collect the SDK's sockets within the test that opened them, where LEAKS holds."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def arch() -> str:
    return next(arch for arch, machine in MACHINES.items() if machine == platform.machine())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, arch: str) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("checkout") / "kit", arch)


@pytest.fixture(scope="module")
def engine(workspace: Workspace, arch: str) -> Iterator[DockerEngine]:
    """The real engine with the tiny image built in it."""
    try:
        engine = DockerEngine(TINY, workspace, "test")
    except EngineError as error:
        pytest.skip(f"no Docker engine: {error.message}")
    engine.build(arch, ["test"], print)
    yield engine
    forget(engine.client, arch)
    engine.client.close()
    gc.collect()  # what set-up and this left behind: the last test's filter still holds


@pytest.fixture(scope="module")
def client(engine: DockerEngine) -> docker.DockerClient:
    return engine.client


@pytest.fixture
def run(engine: DockerEngine, arch: str) -> Callable[..., tuple[LaunchResult, list[str]]]:
    """Run Python code in a container of the tiny image; return the result and stdout's lines."""

    def launch(code: str, **options: object) -> tuple[LaunchResult, list[str]]:
        lines: list[str] = []
        request = Request("test", arch, [code], **options)  # type: ignore[arg-type]
        return engine.launch(request, lines.append), lines

    return launch
