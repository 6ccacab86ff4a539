"""What a container is created with, on engines that are not as ours here: only the options are made."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest
from fixtures_engines import Client

from bench.common.errors import EngineError
from bench.plan import reading
from images.engines.docker.engine import DockerEngine
from images.engines.docker.remote import RemoteEngine
from images.engines.engine import Mount, Request
from images.workspace import Workspace

ROOT = Path(__file__).parents[4]
MATRIX = reading.load(ROOT / "matrix.toml")
Made = Callable[..., dict[str, Any]]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Made:
    """The options of a launch on an engine that says this of itself, asked by a user of this uid."""

    def options(
        *security: str, uid: int = 1234, host: str = "", request: Request | None = None, **info: Any
    ) -> dict[str, Any]:
        said = {"SecurityOptions": [f"name={one}" for one in security], **info}
        monkeypatch.setattr(docker, "from_env", lambda **_: Client(said))
        monkeypatch.setattr(os, "getuid", lambda: uid)
        monkeypatch.setattr(os, "getgid", lambda: uid)
        where = Workspace(tmp_path)
        engine = RemoteEngine(MATRIX, where, host) if host else DockerEngine(MATRIX, where, "test")
        return engine._options(request or Request("tflite", "amd64", ["x"]))

    return options


def test_an_ordinary_engine_runs_it_as_the_caller_but_never_as_root(made: Made) -> None:
    assert made()["user"] == "1234:1234"
    assert made(uid=0)["user"] == "1000:1000"
    assert "userns_mode" not in made()


def test_root_of_a_rootless_engine_is_the_caller(made: Made) -> None:
    found = made("rootless")
    assert found["user"] == "0:0"
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges"]


def test_root_cannot_use_another_users_engine(made: Made) -> None:
    with pytest.raises(EngineError, match="another user's") as caught:
        made("rootless", uid=0)
    assert "run the kit as that user" in caught.value.remedy


def test_user_namespaces_are_left_for_what_writes_here(made: Made) -> None:
    found = made("userns")
    assert (found["user"], found["userns_mode"]) == ("1234:1234", "host")


def test_selinux_lets_it_read_what_is_mounted(made: Made) -> None:
    assert "label=disable" in made("selinux")["security_opt"]
    assert "label=disable" not in made()["security_opt"]


def test_nothing_of_the_caller_matters_elsewhere(made: Made) -> None:
    found = made("rootless", "userns", "selinux", host="tcp://pi:2375", uid=0)
    assert found["user"] == "1000:1000"
    assert "userns_mode" not in found
    assert found["security_opt"] == ["no-new-privileges"]


def test_no_limit_is_asked_that_the_engine_would_discard(made: Made) -> None:
    request = Request("tflite", "amd64", [], cpus=[0, 1], memory_bytes=10**9)
    names = ("mem_limit", "memswap_limit", "cpuset_cpus", "pids_limit")
    able = made(request=request)
    assert [able[name] for name in names] == [10**9, 10**9, "0,1", 2048]
    unable = made(request=request, MemoryLimit=False, CPUSet=False, PidsLimit=False)
    assert [unable[name] for name in names] == [None] * 4


def test_a_colon_in_a_path_is_no_syntax(made: Made, tmp_path: Path) -> None:
    data, results = tmp_path / "12:30", tmp_path / "a:b:ro"
    for folder in (data, results):
        folder.mkdir()
    mounts = [Mount(data, "/data"), Mount(results, "/results", writable=True)]
    found = made(request=Request("tflite", "amd64", [], mounts))
    assert found["mounts"] == [
        {"Target": "/data", "Source": str(data), "Type": "bind", "ReadOnly": True},
        {"Target": "/results", "Source": str(results), "Type": "bind", "ReadOnly": False},
    ]
    assert "volumes" not in found
