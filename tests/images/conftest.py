"""The real engine with the tiny image of fixtures_images.py built in it."""

from __future__ import annotations

import gc
import platform
from collections.abc import Callable, Iterator

import docker
import pytest
from fixtures_images import TINY, forget, make_workspace

from bench.errors import EngineError
from images.engine import Launch, LaunchResult
from images.engine_docker import DockerEngine
from images.workspace import MACHINES, Workspace


@pytest.fixture(autouse=True)
def collect_sockets() -> Iterator[None]:
    """Collect the SDK's sockets within the test that opened them, where LEAKS holds."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def arch() -> str:
    return next(arch for arch, machine in MACHINES.items() if machine == platform.machine())


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, arch: str) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("checkout") / "kit", arch)


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def client(engine: DockerEngine) -> docker.DockerClient:
    return engine.client


@pytest.fixture
def run(engine: DockerEngine, arch: str) -> Callable[..., tuple[LaunchResult, list[str]]]:
    """Run Python code in a container of the tiny image; return the result and stdout's lines."""

    def launch(code: str, **options: object) -> tuple[LaunchResult, list[str]]:
        lines: list[str] = []
        request = Launch("test", arch, [code], **options)  # type: ignore[arg-type]
        return engine.launch(request, lines.append), lines

    return launch
