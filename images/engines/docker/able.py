"""What an engine is: asked once, as it is connected, so that nothing later takes it for another.

Whoever needs to know (the user of a container, its mounts, doctor, every run's record) reads `Able`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.common.errors import EngineError

OLDEST = (1, 41)  # containers.create takes a platform, swarms take jobs: Docker 20.10, Podman 4


@dataclass(frozen=True)
class Able:
    """An engine, and the machine that really runs its containers (behind Docker Desktop a Linux of its own).

    `id` is its own, drawn once where it keeps its images ("": it has none). `arch` is Docker's word for it,
    `driver` and `root` are where images are kept ("" as the root: not told).
    `store` is "containerd" where an image's id is the digest of its manifest, "classic" where that of its
    configuration. `rootless`: the engine is no root, and uid 0 inside is the engine's user outside; `userns`:
    every uid inside is a remapped one outside. `limits_*`: what a launch may be limited to; an engine
    discards other limits with a warning that nobody reads.
    """

    id: str
    version: str
    api: str
    podman: bool
    name: str
    os: str
    arch: str
    kernel: str
    cores: int
    memory_bytes: int
    driver: str
    root: str
    store: str
    rootless: bool
    userns: bool
    selinux: bool
    cgroup: str
    limits_memory: bool
    limits_cores: bool
    limits_processes: bool
    manages_swarm: bool

    @property
    def title(self) -> str:
        """Its name and version: "Docker 20.10.24"."""
        return f"{'Podman' if self.podman else 'Docker'} {self.version}"

    @property
    def special(self) -> list[str]:
        """What is not as in an ordinary installation, in words."""
        told = {
            "containerd image store": self.store == "containerd",
            "rootless": self.rootless,
            "user namespaces": self.userns,
            "SELinux": self.selinux,
        }
        return [trait for trait, true in told.items() if true]

    @property
    def limits(self) -> list[str]:
        """What a launch can be limited to."""
        told = {
            "memory": self.limits_memory,
            "cores": self.limits_cores,
            "processes": self.limits_processes,
        }
        return [limit for limit, true in told.items() if true]


def ask(version: Mapping[str, Any], info: Mapping[str, Any]) -> Able:
    """Make the record from the engine's own words: its /version and its /info.

    Raises EngineError for an engine that runs no Linux containers, or speaks an API from before `OLDEST`.
    """
    if version["Os"] != "linux":
        raise EngineError(
            f"the engine runs {version['Os']} containers, not Linux", remedy="switch it to Linux containers"
        )
    podman = any(part["Name"].startswith("Podman") for part in version.get("Components") or ())
    if tuple(int(part) for part in version["ApiVersion"].split(".")) < OLDEST:
        raise EngineError(
            f"the engine is too old: {version['Version']} speaks API {version['ApiVersion']}, "
            f"the kit needs {'.'.join(map(str, OLDEST))}",
            remedy="install Docker 20.10 or newer, Podman 4 or newer, or use --engine native",
        )
    options = {option.partition(",")[0] for option in info.get("SecurityOptions") or ()}
    return Able(
        id=info.get("ID") or "",
        version=version["Version"],
        api=version["ApiVersion"],
        podman=podman,
        name=info["Name"],
        os=info["OperatingSystem"],
        arch=version["Arch"],
        kernel=version["KernelVersion"],
        cores=info["NCPU"],
        memory_bytes=info["MemTotal"],
        driver=info["Driver"],
        root=info.get("DockerRootDir") or "",
        store=store_of(info),
        rootless="name=rootless" in options,
        userns="name=userns" in options,
        selinux="name=selinux" in options,
        cgroup=str(info.get("CgroupVersion") or "1"),
        limits_memory=bool(info.get("MemoryLimit")),
        limits_cores=bool(info.get("CPUSet")),
        limits_processes=bool(info.get("PidsLimit")),
        manages_swarm=bool((info.get("Swarm") or {}).get("ControlAvailable")),
    )


def store_of(info: Mapping[str, Any]) -> str:
    """Which image store an engine's /info tells of: "containerd" or "classic"; see `Able`."""
    driver = dict(info.get("DriverStatus") or ()).get("driver-type")
    return "containerd" if driver == "io.containerd.snapshotter.v1" else "classic"
