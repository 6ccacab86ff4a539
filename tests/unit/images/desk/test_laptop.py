"""A laptop that is no Linux, in front of a device or beside Docker Desktop: the tasks that it does.

Where no Mac is, the names that macOS lacks are taken away, and what it says itself is staged. Its engine's
Linux is a process of the machine that tests, which says that it is arm64.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import docker.errors
import pytest
from fixtures_artifacts import fake
from rich.console import Console

from bench.common.errors import DisagreesError, EngineError, UsageError
from bench.convert import wanted
from bench.device import environment, system
from bench.device.machine import Sensors
from images.choosing.session import Session
from images.desk import claims, doctor, listing, measure, reproduce
from images.engines import emulation, machine
from images.engines.choose import choose
from images.engines.docker import owner, tunnel
from images.engines.docker.engine import DockerEngine
from images.engines.engine import Ready
from images.preparing.prepare import specification
from images.running import relay, run, runfile
from images.workspace import Workspace
from reports.compare.task import compare_runs

ROOT = Path(__file__).resolve().parents[4]
SET = "emerald-rapids-2-cores"
FLAGS = ("platform", "profile", "engine", "name", "weights", "dataset", "sweep")
FILTERS = ("host", "framework", "model", "method", "scenario")
MAC = {"hw.memsize": "17179869184", "machdep.cpu.brand_string": "Apple M2", "sysctl.proc_translated": "0"}
LINUX = (Path("/proc"), Path("/sys"), Path("/etc/os-release"))
ARM64 = 'import platform; platform.machine = lambda: "aarch64"\n'
CORES = tuple(sorted(os.sched_getaffinity(0)))


class Desktop:
    """Stands for Docker's client where Docker Desktop answers; what it runs really runs, in a process."""

    def __init__(self, **_: Any) -> None:
        self.api = SimpleNamespace(timeout=0)
        self.containers = self.images = self
        self.closed = False

    def version(self) -> dict[str, str]:
        return {
            "Os": "linux", "Arch": "arm64", "KernelVersion": "6.12", "Version": "29.0.1", "ApiVersion": "1.52"
        }  # fmt: skip

    def info(self) -> dict[str, Any]:
        return {
            "Name": "docker-desktop", "OperatingSystem": "Docker Desktop", "Driver": "overlayfs", "NCPU": 8,
            "MemTotal": 8 << 30, "ServerVersion": "29.0.1", "CgroupVersion": "2", "MemoryLimit": True,
            "CPUSet": True, "PidsLimit": True, "DockerRootDir": str(ROOT),
        }  # fmt: skip

    def get(self, tag: str) -> SimpleNamespace:
        return SimpleNamespace(id=tag, attrs={"Size": 1})

    def run(self, image: str, command: Sequence[str], **_: Any) -> bytes:
        [*options, code] = command[1:]
        done = subprocess.run([sys.executable, *options, ARM64 + code], capture_output=True, check=True)
        return done.stdout.replace(b'"emulated": true', b'"emulated": false')  # that Linux's kernel is arm64

    def close(self) -> None:
        self.closed = True


class Pi:
    """Stands for the engine of a Raspberry Pi, and notes what it is asked to build."""

    kind, reason, host, remote, takes_series = "docker", "asked for", "tcp://pi:2375", True, False

    def __init__(self) -> None:
        self.built: list[str] = []

    def machine(self) -> machine.Machine:
        return machine.Machine(
            "pi", "arm64", "Cortex-A72", (), (0, 1, 2, 3), 8 << 30, "Pi OS", "6", None, "b"
        )

    def build(self, arch: str, names: Sequence[str], _: Any) -> list[Ready]:
        self.built += names
        return []

    def describe(self) -> dict[str, str]:
        return {"kind": self.kind, "why": self.reason}

    def ready(self, name: str, arch: str) -> Ready:
        return Ready(name, arch, name, "sha256:0", 1, 0.0, True)

    def remove_stale(self) -> int:
        return 0


@pytest.fixture
def laptop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What macOS lacks is gone: nobody may get along with it by chance."""
    read = Path.read_text

    def missing(*_: object) -> Any:
        raise FileNotFoundError("there is none on macOS")

    def read_text(path: Path, *words: Any, **more: Any) -> str:
        return missing() if any(path.is_relative_to(root) for root in LINUX) else read(path, *words, **more)

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.delattr(os, "sched_setaffinity")
    monkeypatch.setattr(os, "sysconf", missing)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())  # a C library without prctl
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("15.1", ("", "", ""), "arm64"))
    monkeypatch.setattr(platform, "freedesktop_os_release", missing)
    monkeypatch.setattr(system, "sysctl", lambda key: MAC.get(key, ""))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    machine.local.cache_clear()
    yield
    machine.local.cache_clear()


@pytest.fixture
def desktop(laptop: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker Desktop answers."""
    monkeypatch.setattr(docker, "from_env", Desktop)


@pytest.fixture
def alone(laptop: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine answers."""

    def refuse(**_: Any) -> None:
        raise docker.errors.DockerException("no such file")

    monkeypatch.setattr(docker, "from_env", refuse)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose out/ and cache are empty."""
    for name in ("matrix.toml", "images", "bench", "reports", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    for module in (listing, doctor, claims):
        monkeypatch.setattr(module, "CONSOLE", Console(width=120))
    return tmp_path


def session(root: Path, **flags: Any) -> Session:
    return Session.open(root, {**dict.fromkeys(FLAGS, ""), **dict.fromkeys(FILTERS), **flags})


# ------------------------------------------------------------------- beside Docker Desktop


def test_host_is_the_linux_of_the_engine(root: Path, desktop: None) -> None:
    one = session(root)
    here = one.workbench.machine
    assert (here.name, here.os, here.arch) == ("docker-desktop", "Docker Desktop", "arm64")
    assert here.cpus == CORES, "those of the Linux beside the engine, which can pin them"
    assert here.memory_bytes != int(MAC["hw.memsize"])
    assert here.cpu_model != MAC["machdep.cpu.brand_string"]
    assert not one.workbench.engine.remote, "its paths are mounted"
    assert one.workbench.own is here, "asked once"


def test_a_run_is_planned_for_the_linux_of_the_engine(root: Path, desktop: None) -> None:
    one = session(root, model=["mobilenet_v2"])
    assert one.arch == "arm64"
    assert not one.emulated
    assert one.plan.cells
    assert {cell.framework for cell in one.plan.cells} >= {"pytorch", "tflite", "onnxruntime"}
    assert one.request("tflite", (), (), 1.0).cpus == CORES
    assert wanted.missing(specification(one, str(one.workspace.cache)))
    bench = one.workbench
    facts = runfile.start(one, bench.engine.describe(), {"seconds": 0.0, "artifacts": []})
    assert facts["host"]["machine"] == "aarch64"
    assert facts["machines"] == [bench.machine.label]
    assert bench.machine.label.startswith("docker-desktop-")


def test_list_and_the_claims_cells(root: Path, desktop: None, capsys: pytest.CaptureFixture[str]) -> None:
    one = session(root, model=["mobilenet_v2"])
    listing.show_matrix(one)
    assert f"with {len(CORES)} threads" in capsys.readouterr().out
    claims.show(one, "")
    assert "arm64" in capsys.readouterr().out


def test_a_foreign_platform_is_left_to_the_engines_emulator(root: Path, desktop: None) -> None:
    found = emulation.emulation()
    assert (found.name, found.status) == ("emulating x86_64", "ok")


def test_report_and_compare(root: Path, laptop: None) -> None:
    for name in ("host-quick", "again"):
        shutil.copytree(ROOT / "reports" / "published" / SET, root / "out" / name)
    (root / "out" / "host-quick" / "report.html").unlink()
    assert "MobileNetV2" in measure.report(session(root)).read_text(encoding="utf-8")
    compare_runs(root, ("host-quick", "again"), 5.0, ["md"], strict=False)
    assert (root / "out" / "compare-host-quick-again.md").is_file()


def test_reproduce_judges_what_this_machine_may_measure(
    root: Path, desktop: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DisagreesError, match="comparable"):
        reproduce.reproduce(session(root), SET, "", fresh=False, no_limit=False)
    assert "this machine is arm64" in capsys.readouterr().out


def test_doctor(root: Path, desktop: None, capsys: pytest.CaptureFixture[str]) -> None:
    facts = {fact.name: fact for fact in doctor.examine(Workspace(root))}
    assert facts["system"].value == "macOS 15.1, arm64"
    assert facts["processor"].value == "Apple M2"
    assert facts["memory"].value == "17.18 GB"
    assert facts["INT8 instructions"].value == "not told by this machine"
    assert facts["engine native"].value == "needs Linux"
    assert "disk for images" not in facts, "they lie on the disk of the engine's Linux"
    doctor.show_doctor(root, ())
    assert "will work here: docker" in capsys.readouterr().out, "arm64 makes its own artifacts"


# ------------------------------------------------------------------- in front of a device


def test_without_an_engine_the_laptop_says_what_works(root: Path, alone: None) -> None:
    for kind, why in (("native", "asked for"), ("auto", "no Docker engine answers")):
        with pytest.raises(
            EngineError, match=f"^{why}.*: engine native needs Linux, and this is macOS"
        ) as caught:
            choose(kind, session(root).matrix, Workspace(root))
        assert "--host" in caught.value.remedy
    with pytest.raises(EngineError, match="needs Linux"):
        listing.show_matrix(session(root))
    missing = {fact.name for fact in doctor.examine(Workspace(root)) if fact.status == "missing"}
    assert "container engine" in missing


def test_a_run_on_a_device_needs_no_engine_here_where_all_artifacts_are(root: Path, alone: None) -> None:
    one = session(root, platform="rpi4", host=["tcp://pi:2375"], framework=["tflite"], model=["mobilenet_v2"])
    pi = Pi()
    one.workbench.__dict__["engines"] = [pi]  # as if it were opened
    for recipe in wanted.recipes(specification(one, str(one.workspace.cache))):
        fake(one.workspace.cache, recipe)
    begun = run.begin(one, fresh=False)
    assert pi.built == ["tflite"]
    assert begun
    assert not one.emulated
    assert "maker" not in vars(one.workbench)


def test_an_ssh_tunnel_needs_no_prctl(laptop: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(
        '#!/bin/sh\nfor word; do case $word in *.sock:*) : >"${word%%:*}" ;; esac; done\nexec sleep 60'
    )
    ssh.chmod(0o755)
    ended: list[tuple[Any, ...]] = []
    monkeypatch.setattr(atexit, "register", lambda *call: ended.append(call))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    address = tunnel.open_to("ssh://pi@raspberrypi")
    assert address.endswith("docker.sock")
    [(close, process, folder)] = ended
    close(process, folder)
    process.stderr.close()
    assert process.returncode
    assert not Path(folder).exists()


def test_nothing_is_relayed_of_a_laptop(laptop: None, tmp_path: Path) -> None:
    path = tmp_path / "relay.json"
    with relay.relaying(path, tmp_path):
        assert not path.exists()
    assert Sensors(tmp_path).read().document()["governor"] is None


def test_containers_of_a_dead_run_are_told_from_those_of_a_living(laptop: None) -> None:
    other = subprocess.Popen(["sleep", "60"])
    try:
        [label] = owner.owner().values()
        assert not owner.owned_by_the_living(label), "this run's own, left from before"
        host, _, _ = label.rsplit(":", 2)
        living = f"{host}:{other.pid}:{owner._start_time(other.pid)}"
        assert owner.owned_by_the_living(living)
        assert not owner.owned_by_the_living(f"{host}:{other.pid}:Mon-Nov-2-10-00-00-2026"), (
            "a pid used again"
        )
    finally:
        other.kill()
        other.wait()
    assert not owner.owned_by_the_living(living)


# ------------------------------------------------------------------- what a system says


def test_every_question_has_an_answer(laptop: None) -> None:
    here = machine.local()
    assert (here.arch, here.os, here.cpu_model) == ("arm64", "macOS 15.1", "Apple M2")
    assert here.memory_bytes == int(MAC["hw.memsize"])
    assert len(here.cpus) == os.cpu_count()
    assert here.document()["machine"] == "aarch64"
    assert environment.ARCHES[platform.machine()] == "arm64"


def test_a_python_that_macos_translates_is_on_apple_silicon(
    laptop: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert system.machine() == "x86_64"  # an Intel Mac
    monkeypatch.setitem(MAC, "sysctl.proc_translated", "1")
    assert system.machine() == "arm64"


def test_a_linux_without_os_release_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise OSError

    monkeypatch.setattr(platform, "freedesktop_os_release", missing)
    assert system.name() == "unknown"


@pytest.mark.parametrize(
    ("word", "bits"), [("aarch64", 32), ("armv7l", 32), ("armv7l", 64), ("armv8l", 32), ("arm", 64)]
)
def test_a_32_bit_system_is_one_clear_sentence(word: str, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=rf"^this machine has a 32-bit system \({word}\)") as caught:
        machine.docker_arch(word, bits)
    assert "64-bit" in caught.value.remedy
    monkeypatch.setattr(platform, "machine", lambda: word)
    monkeypatch.setattr(system, "bits", lambda: bits)
    machine.local.cache_clear()
    with pytest.raises(UsageError, match="32-bit"):
        machine.local()
    assert doctor._system().status == "missing"


def test_a_32_bit_engine_is_refused_before_anything_is_made(
    root: Path, desktop: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Desktop().version()
    monkeypatch.setattr(Desktop, "version", lambda _: {**said, "Arch": "arm"})
    engine = DockerEngine(session(root).matrix, Workspace(root), "test")
    with pytest.raises(UsageError, match=r"docker-desktop has a 32-bit system \(arm\)"):
        engine.machine()


def test_an_unknown_machine_is_named_with_those_known() -> None:
    with pytest.raises(UsageError, match="riscv64; the kit knows x86_64, aarch64"):
        machine.docker_arch("riscv64")
