"""Images on the real engine: base, layers, labels, and builds that give the same content twice."""

# ruff: noqa: F401, F811 (fixtures come by import)

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import time
from pathlib import Path

import docker
import pytest
import requests
from fixtures_images import (
    LEAKS,
    ROOT,
    TINY,
    arch,
    client,
    collect_sockets,
    engine,
    forget,
    make_workspace,
    workspace,
)
from local_registry import LocalRegistry, registry

from bench.common.errors import BuildError, EngineError
from bench.common.hashing import sha256_file
from images.desk import inventory
from images.engines.docker import build, ground, load
from images.engines.docker.engine import DockerEngine
from images.making import base
from images.making.debian import fetch
from images.workspace import Workspace

pytestmark = [pytest.mark.docker, LEAKS]


def layers(client: docker.DockerClient, arch: str) -> list[str]:
    found: list[str] = client.images.get(f"edgequant/test:{arch}").attrs["RootFS"]["Layers"]
    return found


def test_second_build_does_nothing(engine: DockerEngine, arch: str) -> None:
    started = time.monotonic()
    (image,) = engine.build(arch, ["test"], pytest.fail)
    assert image.cached
    assert time.monotonic() - started < 0.6  # five images stay under 3 s


def test_two_builds_have_the_same_layers(
    engine: DockerEngine, arch: str, client: docker.DockerClient, tmp_path: Path
) -> None:
    first = layers(client, arch)
    forget(client, arch)
    time.sleep(1.1)  # a date that slips in would differ
    again = make_workspace(tmp_path / "elsewhere", arch)
    build.build(TINY, arch, ["test"], client, again, print)
    assert layers(client, arch) == first


def test_change_of_the_bench_replaces_one_layer(
    engine: DockerEngine, arch: str, client: docker.DockerClient, workspace: Workspace
) -> None:
    first = layers(client, arch)
    before = client.images.get(f"edgequant/test:{arch}").labels["edgequant.key"]
    extra = workspace.root / "bench" / "measure" / "extra.py"
    extra.write_text("")
    try:
        (image,) = engine.build(arch, ["test"], print)
        assert not image.cached
        assert layers(client, arch)[:-1] == first[:-1]
        assert layers(client, arch)[-1] != first[-1]
        assert client.images.list(filters={"dangling": True, "label": f"edgequant.key={before}"}) == []
    finally:
        extra.unlink()
    engine.build(arch, ["test"], print)
    assert layers(client, arch) == first


def test_change_of_a_converter_or_of_planning_changes_no_image_that_measures(
    engine: DockerEngine, arch: str, workspace: Workspace
) -> None:
    for room in ("convert", "plan"):
        extra = workspace.root / "bench" / room / "extra.py"
        extra.write_text("")
        try:
            (image,) = engine.build(arch, ["test"], print)
        finally:
            extra.unlink()
        assert image.cached, room


def test_image_says_what_it_is(engine: DockerEngine, arch: str, client: docker.DockerClient) -> None:
    image = client.images.get(f"edgequant/test:{arch}")
    assert image.attrs["Architecture"] == arch
    assert image.attrs["Config"]["User"] == "1000:1000"
    for label in ("edgequant.key", "edgequant.lock", "edgequant.matrix", "edgequant.stack"):
        assert image.labels[label]
    for name in ("title", "description", "revision"):
        assert image.labels[f"org.opencontainers.image.{name}"]


def test_base_is_what_it_was_said_to_be(
    engine: DockerEngine, arch: str, client: docker.DockerClient, workspace: Workspace
) -> None:
    """An engine of the classic store gives the base the id that was computed when it was written."""
    written = base.made(TINY.base, arch, workspace, print)
    image = load.load(client, written, "edgequant/test:base")
    client.images.remove("edgequant/test:base")
    assert image.attrs["RootFS"]["Layers"] == written.diff_ids
    assert image.id == f"sha256:{hashlib.sha256(written.text).hexdigest()}"
    assert layers(client, arch)[:1] == written.diff_ids


def test_base_without_any_road_says_what_to_do(
    client: docker.DockerClient, arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No registry, no package in the cache, no mirror, no snapshot archive."""
    monkeypatch.setattr(fetch, "mirrors", list)
    workspace = Workspace(tmp_path)
    workspace.lock("base", arch).parent.mkdir(parents=True)
    shutil.copy(ROOT / "images" / "locks" / f"base-{arch}.txt", workspace.lock("base", arch))
    nowhere = dataclasses.replace(TINY.base, snapshot="")
    with pytest.raises(BuildError, match="cannot be downloaded") as caught:
        ground.written(client, nowhere, arch, workspace, print)
    assert "EDGEQUANT_BASE" in caught.value.remedy


def test_base_from_a_registry_by_digest(
    engine: DockerEngine, arch: str, client: docker.DockerClient, registry: LocalRegistry, tmp_path: Path
) -> None:
    ours = build.base_image(TINY, arch, client, engine._workspace, print)
    ours.tag(f"{registry.host}/base", "test")
    events = client.api.push(f"{registry.host}/base", "test", stream=True, decode=True)
    digest = next(event["aux"]["Digest"] for event in events if "aux" in event)
    client.images.remove(f"{registry.host}/base:test")
    named = dataclasses.replace(TINY.base, registry=f"{registry.host}/base@{digest}")
    nothing = Workspace(tmp_path)
    said: list[str] = []
    pulled = ground.written(client, named, arch, nothing, said.append)
    try:
        assert said == [f"base: pulling {named.registry}"]
        assert pulled.diff_ids == ours.attrs["RootFS"]["Layers"]
        for layer in pulled.layers:
            assert isinstance(layer.content, Path)
            assert layer.diff_id == f"sha256:{sha256_file(layer.content)}"
        assert ground.written(client, named, arch, nothing, pytest.fail).diff_ids == pulled.diff_ids
        foreign = "arm64" if arch == "amd64" else "amd64"
        with pytest.raises(BuildError, match=f"is for {arch}, not {foreign}"):
            ground.written(client, named, foreign, nothing, print)
    finally:
        client.images.remove(f"edgequant/base:{arch}-{digest[7:19]}")
        client.images.remove(named.registry)


def test_unreachable_registry_falls_back_to_debian(
    engine: DockerEngine, arch: str, client: docker.DockerClient
) -> None:
    named = dataclasses.replace(TINY.base, registry="127.0.0.1:9/base@sha256:" + "0" * 64)
    said: list[str] = []
    found = ground.written(client, named, arch, engine._workspace, said.append)
    assert found.text == base.made(TINY.base, arch, engine._workspace, pytest.fail).text
    assert "cannot be pulled" in said[-1]


def test_weighed_layers_are_what_a_push_sends(
    engine: DockerEngine, arch: str, client: docker.DockerClient, registry: LocalRegistry
) -> None:
    image = client.images.get(f"edgequant/test:{arch}")
    layers = image.attrs["RootFS"]["Layers"]
    weighed = inventory.measure(image.save(), set(layers))
    image.tag(f"{registry.host}/weighed", "test")
    try:
        client.images.push(f"{registry.host}/weighed", "test")
        address = f"http://{registry.host}/v2/weighed/manifests/test"
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        pushed = [row["size"] for row in requests.get(address, headers={"Accept": kind}).json()["layers"]]
    finally:
        client.images.remove(f"{registry.host}/weighed:test")
    for layer, size in zip(layers, pushed, strict=True):
        assert weighed[layer] == pytest.approx(size, rel=0.03, abs=100)  # Go's gzip is not zlib's


def test_an_image_that_goes_while_it_is_weighed_is_one_clear_error(
    engine: DockerEngine, arch: str, client: docker.DockerClient, workspace: Workspace
) -> None:
    image = client.images.get(f"edgequant/test:{arch}")
    forget(client, arch)
    try:
        with pytest.raises(EngineError, match=f"edgequant/test:{arch} cannot be exported") as caught:
            inventory._weigh(workspace, [image], {})
        assert "another build" in str(caught.value)
    finally:
        engine.build(arch, ["test"], print)


def test_up_to_date_is_what_a_build_leaves_alone(
    engine: DockerEngine, arch: str, client: docker.DockerClient, workspace: Workspace
) -> None:
    def current() -> bool:
        return build.up_to_date(TINY, arch, "test", client, workspace)

    assert current()
    extra = workspace.root / "bench" / "measure" / "extra.py"
    extra.write_text("")
    assert not current()
    extra.unlink()
    assert current()
