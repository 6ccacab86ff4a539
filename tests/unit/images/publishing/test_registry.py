"""The registry's API where a real registry is not needed: addresses, and the token flow of a hosted one."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

import pytest

from bench.common.errors import RegistryError, UsageError
from images.publishing.registry import MANIFESTS, Manifest, Registry

LOGIN = base64.b64encode(b"kit:secret").decode()


class Hosted(BaseHTTPRequestHandler):
    """Answers with a token to the right login, and with manifests to the right token."""

    stored: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/token":
            right = self.headers.get("Authorization") == f"Basic {LOGIN}" and "pull,push" in unquote(
                self.path
            )
            self._answer(200 if right else 401, json.dumps({"token": "good"}).encode())
        elif self.headers.get("Authorization") != "Bearer good":
            self._refuse()
        elif path == "/v2/":
            self._answer(200, b"{}")
        else:
            self._answer(200 if path in self.stored else 404, self.stored.get(path, b""))

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer good":
            self._refuse()
        else:
            self.stored[self.path] = content
            self._answer(201, b"")

    def _refuse(self) -> None:
        assert isinstance(self.server, ThreadingHTTPServer)
        realm = f"http://127.0.0.1:{self.server.server_port}/token"
        scope = "repository:me/a:pull,push"
        asks = f'Bearer realm="{realm}",service="kit",scope="{scope}"'
        self._answer(401, b"", ("WWW-Authenticate", asks))

    def _answer(self, status: int, content: bytes, header: tuple[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", MANIFESTS[0])
        self.send_header("Content-Length", str(len(content)))
        if header:
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A registry behind tokens; docker knows no login."""
    Hosted.stored.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hosted)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_token_is_fetched_with_the_login_and_used(host: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": LOGIN}}}))
    registry, manifest = Registry(f"{host}/me"), Manifest(MANIFESTS[0], b"{}")
    registry.check()
    assert registry.manifest("a", "latest") is None
    registry.put("a", "latest", manifest)
    assert registry.manifest("a", "latest") == manifest
    assert list(Hosted.stored) == ["/v2/me/a/manifests/latest"]


def test_without_a_login_the_refusal_says_what_to_do(host: str) -> None:
    with pytest.raises(RegistryError, match="HTTP 401") as caught:
        Registry(f"{host}/me").check()
    assert "docker login" in caught.value.remedy


def test_a_leftover_helper_is_an_error_only_where_a_login_is_wanted(host: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"credsStore": "desktop-of-yesterday"}))
    registry = Registry(f"{host}/me")
    with pytest.raises(RegistryError, match="HTTP 401") as caught:
        registry.check()
    told = f"{tmp_path}/config.json, credsStore: docker-credential-desktop-of-yesterday does not answer"
    assert told in caught.value.message


def test_a_helpers_login_is_used(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user, password = base64.b64decode(LOGIN).decode().split(":")
    helper = tmp_path / "docker-credential-kit"
    helper.write_text(f"""#!/bin/sh\necho '{{"Username": "{user}", "Secret": "{password}"}}'\n""")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {host: "kit"}}))
    Registry(f"{host}/me").check()


def test_content_that_is_not_what_its_digest_says_is_refused(host: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": LOGIN}}}))
    asked = f"sha256:{'1' * 64}"
    Hosted.stored[f"/v2/me/a/manifests/{asked}"] = b"something else"
    Hosted.stored[f"/v2/me/a/blobs/{asked}"] = b"something else"
    registry = Registry(f"{host}/me")
    with pytest.raises(RegistryError, match=f"asked for {asked}"):
        registry.manifest("a", asked)
    with pytest.raises(RegistryError, match="has another configuration"):
        registry.configuration("a", asked)
    with pytest.raises(RegistryError, match="has no configuration"):
        registry.configuration("a", f"sha256:{'2' * 64}")


@pytest.mark.parametrize("place", ["user", "user/name", "my registry", "http://host:1", ""])
def test_what_names_no_registry_is_a_usage_error(place: str) -> None:
    with pytest.raises(UsageError, match="names no registry"):
        Registry(place)


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("127.0.0.1:5000", "http://127.0.0.1:5000/v2"),
        ("localhost:5000/kit", "http://localhost:5000/v2"),
        ("[::1]:5000", "http://[::1]:5000/v2"),
        ("127.0.0.1.evil.org", "https://127.0.0.1.evil.org/v2"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000/v2"),
        ("docker.io/user", "https://registry-1.docker.io/v2"),
    ],
)
def test_only_this_machine_is_spoken_to_in_the_clear(place: str, address: str) -> None:
    assert Registry(place)._base == address
