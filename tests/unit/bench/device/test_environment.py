"""The machine's facts, from staged /proc and /sys trees."""

from __future__ import annotations

import mmap
import platform
from pathlib import Path

import pytest

from bench.device import environment, system

X86 = (
    "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Platinum 8280\n"
    "flags\t\t: sse2 avx512_vnni avx2\ncpu MHz : 2700.0\n"
)
PI = "processor\t: 0\nFeatures\t: fp asimd crc32\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n"
NEW_ARM = PI.replace("0xd08", "0xfff")
ORIN, GRACE = PI.replace("0xd08", "0xd42"), PI.replace("0xd08", "0xd4f")
ON_A_MAC = PI.replace("0x41", "0x61").replace("0xd08", "0x000")
BIG_LITTLE = PI.replace("0xd08", "0xd05") * 4 + PI.replace("0xd08", "0xd0b").replace("crc32", "asimddp") * 4


def stage(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("text", "model", "flags"),
    [
        (X86, "Intel(R) Xeon(R) Platinum 8280", ["avx2", "avx512_vnni", "sse2"]),
        (PI, "Cortex-A72", ["asimd", "crc32", "fp"]),
        (NEW_ARM, "ARM implementer 0x41 part 0xfff", ["asimd", "crc32", "fp"]),
        (ORIN, "Cortex-A78AE", ["asimd", "crc32", "fp"]),
        (GRACE, "Neoverse-V2", ["asimd", "crc32", "fp"]),
        (ON_A_MAC, "Apple (virtual machine)", ["asimd", "crc32", "fp"]),
        (BIG_LITTLE, "Cortex-A55 + Cortex-A76", ["asimd", "fp"]),  # what a thread may meet anywhere
        ("", "unknown", []),
    ],
)
def test_cpu_of_either_architecture(tmp_path: Path, text: str, model: str, flags: list[str]) -> None:
    assert environment.cpu(stage(tmp_path, {"proc/cpuinfo": text})) == (model, flags)


@pytest.mark.parametrize(
    ("machine", "files", "emulated"),
    [
        ("aarch64", {"proc/sys/kernel/arch": "aarch64\n", "proc/cpuinfo": PI}, False),
        ("aarch64", {"proc/sys/kernel/arch": "x86_64\n", "proc/cpuinfo": PI}, True),
        ("x86_64", {"proc/sys/kernel/arch": "aarch64\n", "proc/cpuinfo": PI}, True),
        ("aarch64", {"proc/cpuinfo": f"vendor_id : GenuineIntel\n{X86}"}, True),  # before Linux 6.1
        ("aarch64", {"proc/cpuinfo": PI}, False),
        ("x86_64", {"proc/cpuinfo": f"vendor_id : GenuineIntel\n{X86}"}, False),
    ],
)
def test_a_process_knows_that_it_is_emulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, files: dict[str, str], emulated: bool
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert system.emulated(stage(tmp_path, files)) is emulated


def test_emulation_does_not_repeat_the_hosts_cpu(tmp_path: Path) -> None:
    engine = {"kind": "docker", "image": "x", "digest": "sha256:1"}
    root = stage(tmp_path, {"proc/cpuinfo": X86})
    found = environment.describe(
        engine=engine, lock="0" * 64, code="1" * 64, emulated=True, threads=4, root=root
    )
    assert "emulated" in found["cpu_model"]
    assert found["cpu_flags"] == []
    assert found["threads"] == 4
    assert found["cores"] >= 1
    assert found["engine"] == engine


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "1048576\n"}, 1048576),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/memory.max": "2097152\n"}, 2097152),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, None),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/d\n4:memory:/d/1\n0::/\n",
                "sys/fs/cgroup/memory/d/1/memory.limit_in_bytes": "4096\n",
            },
            4096,
        ),
        (  # a slice above limits it too
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/memory.max": "max\n",
                "sys/fs/cgroup/a/memory.max": "8192\n",
            },
            8192,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            None,
        ),
        ({}, None),
    ],
)
def test_memory_limit_of_either_cgroup(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    assert environment.memory_limit(stage(tmp_path, files)) == limit


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "50000 100000\n"}, 0.5),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
                "sys/fs/cgroup/a/cpu.max": "250000 100000\n",
            },
            2.5,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/d\n0::/\n",
                "sys/fs/cgroup/cpu,cpuacct/d/cpu.cfs_quota_us": "150000\n",
                "sys/fs/cgroup/cpu,cpuacct/d/cpu.cfs_period_us": "100000\n",
            },
            1.5,
        ),
        (  # in a container of v1 the path is the host's
            {
                "proc/self/cgroup": "1:cpu:/docker/f00\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
        ({}, None),
    ],
)
def test_cpu_quota_of_either_cgroup(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    assert environment.cpu_quota(stage(tmp_path, files)) == quota


def topology(*lists: str, name: str = "core_cpus_list") -> dict[str, str]:
    """Each logical CPU's list of siblings."""
    folder = "sys/devices/system/cpu"
    return {f"{folder}/cpu{number}/topology/{name}": f"{text}\n" for number, text in enumerate(lists)}


SMT = topology("0,2", "1,3", "0,2", "1,3")
QUOTA = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "{} 100000\n"}


def quota(time: int) -> dict[str, str]:
    return {name: text.format(time) for name, text in QUOTA.items()}


@pytest.mark.parametrize(
    ("files", "allowed", "cpus", "why"),
    [
        ({}, {1, 0}, (0, 1), "2 of 2 logical CPUs: each is a core"),
        (SMT, {0, 1, 2, 3}, (0, 1), "2 of 4 logical CPUs: one a core"),
        (SMT, {1, 2, 3}, (1, 2), "2 of 3 logical CPUs: one a core"),  # 0 is forbidden, its sibling is not
        (
            topology("0-1", "0-1", "2-3", "2-3", name="thread_siblings_list"),
            {0, 1, 2, 3},
            (0, 2),
            "one a core",
        ),
        (topology("0", "1"), {0, 1}, (0, 1), "each is a core"),
        (quota(50000), {0, 1}, (0,), "1 of 2 logical CPUs: a quota of 0.5 cores"),
        (quota(100000), {0, 1}, (0,), "1 of 2 logical CPUs: a quota of 1 core"),
        ({**SMT, **quota(150000)}, {0, 1, 2, 3}, (0,), "one a core, a quota of 1.5 cores"),
        ({**SMT, **quota(250000)}, {0, 1, 2, 3}, (0, 1), "2 of 4 logical CPUs: one a core"),
        (
            {**topology("0-1", "0-1", "2", "3"), "sys/devices/cpu_atom/cpus": "2-3\n"},
            {0, 1, 2, 3},
            (0, 2, 3),
            "3 of 4 logical CPUs: one a core, cores of 2 kinds",
        ),
        (
            {f"sys/devices/system/cpu/cpu{n}/cpu_capacity": str(c) for n, c in ((0, 446), (1, 1024))},
            {0, 1},
            (0, 1),
            "2 of 2 logical CPUs: cores of 2 kinds",
        ),
    ],
)
def test_a_thread_a_core_within_the_quota(
    tmp_path: Path, files: dict[str, str], allowed: set[int], cpus: tuple[int, ...], why: str
) -> None:
    found = environment.cores(allowed, stage(tmp_path, files))
    assert found.cpus == cpus
    assert found.why.endswith(why)


def test_peak_memory_follows_a_reset() -> None:
    assert environment.reset_peak_memory()
    before = environment.peak_memory()
    assert before
    block = mmap.mmap(-1, 64 << 20)  # past malloc, which may keep what is freed
    block[::4096] = b"x" * len(block[::4096])
    after = environment.peak_memory()
    assert after
    assert after - before > 32 << 20
    block.close()
    assert environment.reset_peak_memory()
    again = environment.peak_memory()
    assert again
    assert again < after
