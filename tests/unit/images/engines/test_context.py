"""Which engine is meant (DOCKER_HOST, a context, the usual socket), and why none answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest
import requests
import urllib3

from bench.common.errors import EngineError
from bench.plan import reading
from images.choosing.workbench import Workbench
from images.engines import choose, native
from images.engines.docker.context import current, elsewhere, named, own, own_environment, variables
from images.engines.docker.engine import DockerEngine
from images.workspace import Workspace

ROOT = Path(__file__).parents[4]
MATRIX = reading.load(ROOT / "matrix.toml")
Context = Callable[..., Path]


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Context:
    """Give Docker's client a context; none is the current one yet, and no variable names an engine."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))

    def make(name: str, host: str, *, use: bool = True, tls: bool = False) -> Path:
        key = hashlib.sha256(name.encode()).hexdigest()
        meta = tmp_path / "docker" / "contexts" / "meta" / key / "meta.json"
        meta.parent.mkdir(parents=True)
        endpoint = {"Host": host, "SkipTLSVerify": False}
        meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}))
        certificates = tmp_path / "docker" / "contexts" / "tls" / key / "docker"
        if tls:
            certificates.mkdir(parents=True)
        if use:
            (tmp_path / "docker" / "config.json").write_text(json.dumps({"currentContext": name}))
        return certificates

    return make


def test_without_any_it_is_the_usual_socket(context: Context) -> None:
    assert own_environment()["DOCKER_HOST"] == "unix:///var/run/docker.sock"
    assert elsewhere() == ""


def test_the_current_context_is_honoured(context: Context) -> None:
    context("rootless", "unix:///run/user/1000/docker.sock")
    assert own().by == "context rootless"
    assert own_environment()["DOCKER_HOST"] == "unix:///run/user/1000/docker.sock"
    assert elsewhere() == ""


def test_the_variable_names_one_where_no_config_is(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    context("colima", "unix:///home/me/.colima/docker.sock", use=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "colima")
    assert own().address == "unix:///home/me/.colima/docker.sock"
    assert "DOCKER_CONTEXT" not in own_environment()  # the SDK would ask it again


def test_docker_host_comes_before_a_context(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    context("pi", "ssh://pi@raspberrypi")
    monkeypatch.setenv("DOCKER_HOST", "unix:///here.sock")
    assert own().address == "unix:///here.sock"
    assert elsewhere() == ""


@pytest.mark.parametrize("host", ["ssh://pi@raspberrypi", "tcp://pi:2376"])
def test_a_context_of_another_machine_is_that_machines_engine(context: Context, host: str) -> None:
    context("pi", host)
    assert elsewhere() == host
    assert own().address == "unix:///var/run/docker.sock"
    bench = Workbench.resolve(MATRIX, Workspace(ROOT), "auto", ())
    assert bench.hosts == (host,)


def test_with_docker_host_elsewhere_a_context_here_is_this_machines_engine(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    context("rootless", "unix:///run/user/1000/docker.sock")
    monkeypatch.setenv("DOCKER_HOST", "ssh://pi@raspberrypi")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    assert elsewhere() == current().address == "ssh://pi@raspberrypi"
    assert own_environment()["DOCKER_HOST"] == "unix:///run/user/1000/docker.sock"
    assert "DOCKER_TLS_VERIFY" not in own_environment()


def test_certificates_come_with_their_context_alone(context: Context) -> None:
    folder = context("pi", "tcp://pi:2376", tls=True)
    found = variables(named("tcp://pi:2376"))
    assert (found["DOCKER_TLS_VERIFY"], found["DOCKER_CERT_PATH"]) == ("1", str(folder))
    assert "DOCKER_CERT_PATH" not in variables(named("tcp://other:2376"))


def test_a_context_that_is_not_there_is_told(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    assert elsewhere() == ""
    with pytest.raises(EngineError, match="there is no Docker context 'gone'") as caught:
        own()
    assert caught.value.where == "DOCKER_CONTEXT"
    assert "docker context ls" in caught.value.remedy


@pytest.fixture
def auto(context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Exception], str]:
    """Why `auto` takes native where the SDK fails like this."""
    monkeypatch.setattr(native, "image_python", lambda: "python")

    def reason(cause: Exception) -> str:
        def fail(**_: Any) -> None:
            aborted = urllib3.exceptions.ProtocolError("Connection aborted.", cause)
            try:
                raise requests.exceptions.ConnectionError(aborted)
            except requests.exceptions.ConnectionError as error:
                raise docker.errors.DockerException(f"Error while fetching: {error}") from error

        monkeypatch.setattr(docker, "from_env", fail)
        return choose.choose("auto", MATRIX, Workspace(tmp_path)).describe()["why"]

    return reason


def test_auto_says_why_no_engine_answered(auto: Callable[[Exception], str]) -> None:
    usual = "unix:///var/run/docker.sock"
    assert auto(FileNotFoundError(2, "No such file or directory")) == (
        f"no Docker engine answers: nothing listens at {usual}"
    )
    assert auto(ConnectionRefusedError(111, "Connection refused")) == (
        f"no Docker engine answers: nothing listens at {usual}"
    )
    assert auto(PermissionError(13, "Permission denied")) == (
        f"no Docker engine answers: permission denied at {usual}: add this user to group docker"
    )
    assert "Error while fetching" in auto(ValueError("no HTTP"))


def test_auto_says_that_the_context_is_gone(
    auto: Callable[[Exception], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    assert "there is no Docker context 'gone'" in auto(OSError())


def test_permission_denied_has_a_remedy_of_its_own(auto: Callable[[Exception], str], tmp_path: Path) -> None:
    auto(PermissionError(13, "Permission denied"))
    with pytest.raises(EngineError, match="does not answer: permission denied") as caught:
        DockerEngine(MATRIX, Workspace(tmp_path), "test")
    assert "usermod -aG docker" in caught.value.remedy
    assert "--engine native" in caught.value.remedy
