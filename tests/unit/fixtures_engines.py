"""What Docker 20.10 says of itself, cut to what the kit reads."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

VERSION: dict[str, Any] = {
    "Version": "20.10.24",
    "ApiVersion": "1.41",
    "Os": "linux",
    "Arch": "amd64",
    "KernelVersion": "6.1.0",
    "Components": [{"Name": "Engine"}, {"Name": "containerd"}, {"Name": "runc"}],
}
INFO: dict[str, Any] = {
    "Name": "here",
    "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
    "NCPU": 2,
    "MemTotal": 8_000_000_000,
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"]],
    "DockerRootDir": "/var/lib/docker",
    "SecurityOptions": ["name=seccomp,profile=default"],
    "CgroupVersion": "2",
    "MemoryLimit": True,
    "CPUSet": True,
    "PidsLimit": True,
    "Swarm": {"LocalNodeState": "inactive", "ControlAvailable": False},
}


class Client:
    """Docker's SDK in front of an engine that says this of itself and does nothing."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.api = SimpleNamespace(timeout=0)
        self._info = info

    def version(self) -> dict[str, Any]:
        return VERSION

    def info(self) -> dict[str, Any]:
        return {**INFO, **self._info}
