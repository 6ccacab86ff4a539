"""What an engine says of itself becomes one record; where it is not what the kit needs, one sentence."""

from __future__ import annotations

from typing import Any

import pytest
from fixtures_engines import INFO, VERSION

from bench.common.errors import EngineError
from images.engines.docker.able import Able, ask


def able(version: dict[str, Any] | None = None, **info: Any) -> Able:
    return ask({**VERSION, **(version or {})}, {**INFO, **info})


def test_an_ordinary_engine() -> None:
    found = able()
    assert (found.title, found.api, found.arch, found.cgroup) == ("Docker 20.10.24", "1.41", "amd64", "2")
    assert (found.cores, found.memory_bytes, found.kernel) == (2, 8_000_000_000, "6.1.0")
    assert (found.store, found.special) == ("classic", [])
    assert found.limits == ["memory", "cores", "processes"]
    assert not found.manages_swarm


def test_the_containerd_store_is_told_from_the_driver() -> None:
    found = able(Driver="overlayfs", DriverStatus=[["driver-type", "io.containerd.snapshotter.v1"]])
    assert found.store == "containerd"
    assert found.special == ["containerd image store"]


def test_security_options_are_names_with_options_of_their_own() -> None:
    found = able(SecurityOptions=["name=seccomp,profile=builtin", "name=rootless", "name=selinux"])
    assert (found.rootless, found.userns, found.selinux) == (True, False, True)
    assert able(SecurityOptions=["name=userns"]).special == ["user namespaces"]


def test_limits_that_it_cannot_set() -> None:
    assert able(MemoryLimit=False, CPUSet=False).limits == ["processes"]


def test_podman_names_itself_among_its_components() -> None:
    found = able(
        {"Version": "5.4.0", "Components": [{"Name": "Podman Engine"}]}, Swarm=None, DriverStatus=None
    )
    assert found.podman
    assert found.title == "Podman 5.4.0"


@pytest.mark.parametrize("api", ["1.9", "1.40"])
def test_too_old_an_engine_is_told_what_to_install(api: str) -> None:
    with pytest.raises(
        EngineError, match=rf"too old: 20.10.24 speaks API {api}, the kit needs 1.41"
    ) as caught:
        able({"ApiVersion": api})
    assert "install Docker 20.10 or newer" in caught.value.remedy


def test_windows_containers() -> None:
    with pytest.raises(EngineError, match="runs windows containers, not Linux"):
        able({"Os": "windows"})
