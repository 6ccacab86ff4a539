"""Publishing to a real registry: what is pinned, what is not sent twice, and what is refused."""

# ruff: noqa: F401, F811 (fixtures come by import)

from __future__ import annotations

import base64
import dataclasses
import json
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
import requests
from cable import Cable
from fixtures_images import (
    LEAKS,
    TINY,
    add_arch,
    arch,
    client,
    collect_sockets,
    engine,
    forget,
    workspace,
)
from local_registry import LocalRegistry, free_port, registry

from bench.common.errors import EngineError, KitError, RegistryError, UsageError
from bench.device.environment import MACHINES
from images.engines.docker import build, ground
from images.engines.docker.engine import DockerEngine
from images.making import base
from images.making.tarball import stream
from images.publishing import pinfile, push
from images.publishing.pinfile import Pins
from images.publishing.registry import INDEX
from images.workspace import Workspace

pytestmark = [pytest.mark.docker, LEAKS]
BASE_BYTES = 6_000_000
HTPASSWD = "kit:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"  # secret


@pytest.fixture(scope="module")
def small(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Bases of a few random megabytes instead of Debian's: enough to be cut in two."""
    folder = tmp_path_factory.mktemp("base")
    grounds = {}
    for each in MACHINES:
        layer = folder / f"{each}.tar"
        with layer.open("wb") as target:
            target.writelines(stream([("noise", os.urandom(BASE_BYTES))]))
        grounds[each] = base.of_layer(layer, TINY.base, each)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ground, "written", lambda client, facts, arch, *_: grounds[arch])
        patch.setattr(
            ground, "tag_of_base", lambda client, facts, arch, workspace: f"edgequant/test:ground-{arch}"
        )
        yield


@pytest.fixture(scope="module")
def other(workspace: Workspace, engine: DockerEngine, arch: str, small: None) -> Iterator[str]:
    """A second architecture of the tiny image, which this machine only stores."""
    other = "arm64" if arch == "amd64" else "amd64"
    add_arch(workspace, other)
    engine.build(other, ["test"], print)
    yield other
    forget(engine.client, other)


@pytest.fixture
def to(engine: DockerEngine, other: str, workspace: Workspace) -> Iterator[Callable[..., list[str]]]:
    """Publish the tiny image; return what was said."""

    def call(place: str, matrix: object = TINY, by: DockerEngine = engine) -> list[str]:
        said: list[str] = []
        push.publish(by, matrix, workspace, place, ["test"], said.append)  # type: ignore[arg-type]
        return said

    yield call
    pinfile.path_of(workspace.root).unlink(missing_ok=True)


def pins(workspace: Workspace) -> Pins:
    found = pinfile.read(workspace.root)
    assert found
    return found


def test_the_index_names_both_architectures_and_each_is_pulled_by_its_digest(
    to: Callable[..., list[str]],
    registry: LocalRegistry,
    workspace: Workspace,
    client: docker.DockerClient,
    arch: str,
    other: str,
) -> None:
    to(registry.host)
    published = pins(workspace).images["test"]
    answer = requests.get(
        f"http://{registry.host}/v2/edgequant-test/manifests/latest", headers={"Accept": INDEX}, timeout=9
    )
    assert answer.headers["Content-Type"] == INDEX
    assert answer.headers["Docker-Content-Digest"] == published.index
    rows = {row["platform"]["architecture"]: row for row in answer.json()["manifests"]}
    assert rows.keys() == {arch, other}
    assert rows["arm64"]["platform"]["variant"] == "v8"
    for name, child in published.arches.items():
        assert rows[name]["digest"] == child.digest
        assert child.size > 1_000_000
        pinned = f"{published.repository}@{child.digest}"
        forget(client, name)
        pulled = client.images.pull(pinned)
        try:
            assert pulled.attrs["Architecture"] == name
            assert pulled.id == child.image
            pulled.tag("edgequant/test", name)
        finally:
            client.images.remove(pinned)
    listed = client.images.pull(f"{published.repository}@{published.index}")
    client.images.remove(f"{published.repository}@{published.index}")
    assert listed.attrs["Architecture"] == arch, "asked for the index an engine takes its own architecture"


def test_what_the_registry_has_is_not_sent_again(
    to: Callable[..., list[str]], registry: LocalRegistry, workspace: Workspace
) -> None:
    line = Cable(("127.0.0.1", free_port()), ("127.0.0.1", registry.port))
    host, port = line._listener.getsockname()
    to(f"{host}:{port}")
    first, written = line.sent, pinfile.path_of(workspace.root).stat().st_mtime_ns
    said = to(f"{host}:{port}")
    assert all(": is there" in words for words in said), said
    assert len(said) == 2
    assert first > 2 * BASE_BYTES
    assert line.sent - first < 10_000
    assert pinfile.path_of(workspace.root).stat().st_mtime_ns == written
    line.cut()


def test_a_registry_that_dies_in_mid_push_pins_nothing_and_the_same_command_goes_on(
    to: Callable[..., list[str]], registry: LocalRegistry, workspace: Workspace, arch: str, other: str
) -> None:
    one = dataclasses.replace(TINY, images={"test": dataclasses.replace(TINY.images["test"], arches=(arch,))})
    to(registry.host, one)
    before = pinfile.path_of(workspace.root).read_bytes()
    line = Cable(
        ("127.0.0.1", free_port()), ("127.0.0.1", registry.port), (BASE_BYTES // 2, lambda _: registry.kill())
    )
    broken = f"127.0.0.1:{line._listener.getsockname()[1]}"
    with pytest.raises(RegistryError) as caught:
        to(broken)
    assert registry._server is None, "it died while layers were on their way"
    assert caught.value.exit_code == 12
    assert "the push stopped" in caught.value.message
    assert "the same command goes on" in caught.value.remedy
    assert pinfile.path_of(workspace.root).read_bytes() == before
    registry.start()
    said = to(broken)
    line.cut()
    assert f"test {arch}: is there" in said[0], "what arrived before is not sent again"
    assert f"test {other}: pushing" in said[1]
    assert pins(workspace).images["test"].arches.keys() == {arch, other}


def test_an_engine_cut_off_in_mid_push_pins_nothing_and_the_same_command_goes_on(
    to: Callable[..., list[str]],
    registry: LocalRegistry,
    workspace: Workspace,
    client: docker.DockerClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine_line = Cable(tmp_path / "engine.sock", client.api._custom_adapter.socket_path)
    line = Cable(
        ("127.0.0.1", free_port()),
        ("127.0.0.1", registry.port),
        (BASE_BYTES // 2, lambda _: engine_line.cut()),
    )
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    cut_off = DockerEngine(TINY, workspace, "test")
    place = f"127.0.0.1:{line._listener.getsockname()[1]}"
    with pytest.raises(KitError) as caught:
        to(place, by=cut_off)
    assert caught.value.exit_code in (EngineError.exit_code, RegistryError.exit_code)
    assert "the same command goes on" in caught.value.remedy
    assert not pinfile.path_of(workspace.root).exists()
    to(place)
    line.cut()
    assert pins(workspace).registry == place


def test_a_wrong_digest_is_refused(
    to: Callable[..., list[str]], registry: LocalRegistry, workspace: Workspace, arch: str
) -> None:
    to(registry.host)
    path = pinfile.path_of(workspace.root)
    right, digest = path.read_text(), pins(workspace).images["test"].arches[arch].digest
    path.write_text(right.replace(digest, f"sha256:{'0' * 64}"))
    with pytest.raises(RegistryError, match=f"pins sha256:0+ for test {arch}, the registry has {digest}"):
        to(registry.host)
    path.write_text(right.replace("digest =", "digset ="))
    with pytest.raises(RegistryError, match="unknown key 'digset'") as caught:
        to(registry.host)
    assert f"published.toml: images.test.arches.{arch}.digset" in caught.value.where
    path.write_text(right)
    hexes = digest.removeprefix("sha256:")
    [stored] = registry.storage.rglob(f"blobs/sha256/{hexes[:2]}/{hexes}/data")
    stored.write_bytes(stored.read_bytes() + b" ")
    with pytest.raises(RegistryError, match="sha256"):
        to(registry.host)
    assert path.read_text() == right


def test_a_registry_that_wants_a_login_gets_the_one_of_docker_login(
    to: Callable[..., list[str]], workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "htpasswd").write_text(f"{HTPASSWD}\n")
    closed = LocalRegistry(tmp_path, f"auth: {{htpasswd: {{realm: kit, path: {tmp_path}/htpasswd}}}}\n")
    try:
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        with pytest.raises(RegistryError, match="HTTP 401") as caught:
            to(closed.host)
        assert "docker login" in caught.value.remedy
        login = base64.b64encode(b"kit:secret").decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {closed.host: {"auth": login}}}))
        to(closed.host, by=DockerEngine(TINY, workspace, "test"))
        assert tomllib.loads(pinfile.path_of(workspace.root).read_text())["registry"] == closed.host
    finally:
        closed.kill()


def test_nobody_there_is_one_clear_error(to: Callable[..., list[str]], workspace: Workspace) -> None:
    with pytest.raises(RegistryError, match="the registry does not answer"):
        to(f"127.0.0.1:{free_port()}")
    with pytest.raises(UsageError, match="names no registry"):
        to("my registry")
    assert not pinfile.path_of(workspace.root).exists()
