"""The same images in an engine with the containerd store, the default of a fresh Docker Engine 29."""

# ruff: noqa: F401, F811 (fixtures come by import)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from fixtures_images import LEAKS, TINY, arch, collect_sockets, make_workspace, workspace
from newer_engine import newer_engine

from images.engines.docker import build
from images.workspace import Workspace

pytestmark = [pytest.mark.docker, LEAKS]
TAG = "edgequant/test"


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[docker.DockerClient]:
    """A client of the newer engine."""
    with newer_engine(tmp_path_factory.mktemp("newer")) as engine:
        client = docker.DockerClient(base_url=engine.host, timeout=120)
        yield client
        client.close()


def layers(client: docker.DockerClient, arch: str) -> list[str]:
    found: list[str] = client.images.get(f"{TAG}:{arch}").attrs["RootFS"]["Layers"]
    return found


def test_its_store_is_containerds(newer: docker.DockerClient) -> None:
    assert ["driver-type", "io.containerd.snapshotter.v1"] in newer.info()["DriverStatus"]


def test_an_image_is_the_one_of_every_engine_and_built_once(
    newer: docker.DockerClient, workspace: Workspace, arch: str
) -> None:
    [first] = build.build(TINY, arch, ["test"], newer, workspace, print)
    assert not first.cached
    written = build._Builder(TINY, arch, newer, workspace, print)._written("test")
    assert layers(newer, arch) == written.diff_ids
    [again] = build.build(TINY, arch, ["test"], newer, workspace, pytest.fail)
    assert again.cached
    assert again.digest == first.digest


def test_a_program_runs_in_it(newer: docker.DockerClient, workspace: Workspace, arch: str) -> None:
    build.build(TINY, arch, ["test"], newer, workspace, print)
    said = newer.containers.run(
        f"{TAG}:{arch}", ["import package; print(package.NAME)"], network_mode="none", remove=True
    )
    assert said == b"from the site\n"


def test_a_change_of_the_bench_replaces_the_last_layer(
    newer: docker.DockerClient, workspace: Workspace, arch: str
) -> None:
    build.build(TINY, arch, ["test"], newer, workspace, print)
    before, extra = layers(newer, arch), workspace.root / "bench" / "measure" / "extra.py"
    extra.write_text("")
    try:
        build.build(TINY, arch, ["test"], newer, workspace, print)
    finally:
        extra.unlink()
    assert layers(newer, arch)[:-1] == before[:-1]
    assert layers(newer, arch)[-1] != before[-1]
