"""Builds, pulls and pushes of a machine whose configuration names a credential helper that is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from bench.common.errors import EngineError, RegistryError
from images.engines.docker import login, sdk

GONE = "docker-credential-desktop-of-yesterday does not answer"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"credsStore": "desktop-of-yesterday"}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the SDK asks of an engine; nothing is sent."""
    seen: list[dict[str, Any]] = []

    def post(_: object, url: str, *args: object, **options: Any) -> list[dict[str, str]]:
        seen.append({"url": url, **options})
        return [{"error": "denied"}] if url.endswith("/push") else [{"stream": "Step 1"}]

    api = docker.APIClient
    monkeypatch.setattr(api, "_post", post)
    monkeypatch.setattr(api, "_raise_for_status", lambda *_: None)
    monkeypatch.setattr(api, "_stream_helper", lambda _, answer, **__: iter(answer))
    monkeypatch.setattr(api, "inspect_image", lambda *_: {"Id": "sha256:1"})
    return seen


@pytest.fixture
def client(config: Path) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url="unix:///nowhere.sock", version="1.41")
    yield client
    client.close()


def test_a_build_needs_no_login(client: docker.DockerClient, asked: list[dict[str, Any]]) -> None:
    def failed(why: str, _: object) -> EngineError:
        return EngineError(why)

    built = sdk.build(client, "edgequant/x:amd64", "amd64", [("Dockerfile", b"FROM scratch")], failed)
    assert built.id == "sha256:1"
    assert "X-Registry-Config" not in asked[0]["headers"]


def test_a_push_goes_on_as_nobody_and_a_refusal_names_the_file_and_the_key(
    client: docker.DockerClient, asked: list[dict[str, Any]], config: Path
) -> None:
    with pytest.raises(RegistryError, match=f"denied; {config}, credsStore: {GONE}"):
        sdk.push(client, "registry.example/kit", "1", lambda why, _: RegistryError(why))


def test_a_pull_has_no_login(config: Path) -> None:
    assert login.of_image("registry.example/kit@sha256:1") == login.Login({}, f"{config}, credsStore: {GONE}")


def test_one_registrys_helper_is_named_by_its_own_key(config: Path) -> None:
    config.write_text(json.dumps({"credHelpers": {"registry.example": "gcloud"}}))
    assert "credHelpers: docker-credential-gcloud" in login.login("registry.example").unread
    assert login.login("other.example") == login.Login({})
