"""What the machine is: CPU, limits, peak memory; how it feels at a moment is bench/device/machine.py.

Facts the machine does not tell are None, never guessed. Sources: /proc/cpuinfo, sched_getaffinity,
/sys/fs/cgroup (v1 and v2). Roots are parameters so that tests can stage a machine.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.device import system
from bench.device.machine import text_of

#: cgroup v1 says "no limit" with a number near 2^63 (page-aligned).
_NO_LIMIT = 1 << 60

#: ARM "CPU implementer" and "CPU part" (MIDR) of the cores this kit is likely to meet.
_ARM_PARTS = {
    ("0x41", "0xd03"): "Cortex-A53",
    ("0x41", "0xd07"): "Cortex-A57",
    ("0x41", "0xd08"): "Cortex-A72",
    ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0c"): "Neoverse-N1",
    ("0x41", "0xd40"): "Neoverse-V1",
    ("0x41", "0xd49"): "Neoverse-N2",
}


def describe(
    *, engine: Mapping[str, Any], lock: str, emulated: bool, threads: int, root: Path = Path("/")
) -> dict[str, Any]:
    """The result file's `environment`.

    Under emulation /proc/cpuinfo is the host's, so nothing of it is repeated: model and flags say so.
    """
    model, flags = ("emulated (the host's /proc/cpuinfo says nothing)", []) if emulated else cpu(root)
    return {
        "engine": {"kind": engine["kind"], "image": engine["image"], "digest": engine["digest"]},
        "lock": lock,
        "emulated": emulated,
        "cpu_model": model,
        "cpu_flags": flags,
        "machine": platform.machine(),
        "kernel": platform.release(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "memory_limit_bytes": memory_limit(root),
    }


def cpu(root: Path = Path("/")) -> tuple[str, list[str]]:
    """CPU model and sorted feature flags, from /proc/cpuinfo of amd64 or arm64; macOS tells a model alone."""
    facts: dict[str, str] = {}
    for line in text_of(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    flags = sorted((facts.get("flags") or facts.get("Features") or "").split())
    part = (facts.get("CPU implementer", ""), facts.get("CPU part", ""))
    model = facts.get("model name") or _ARM_PARTS.get(part)
    if not model and part[1]:
        model = f"ARM implementer {part[0]} part {part[1]}"
    if not model and not system.is_linux():
        model = system.sysctl("machdep.cpu.brand_string")
    return model or "unknown", flags


def memory_limit(root: Path = Path("/")) -> int | None:
    """The memory limit of this process's cgroup in bytes (v2, then v1), None where there is none."""
    base = root / "sys/fs/cgroup"
    for line in text_of(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        relative = path.lstrip("/")
        if number == "0" and not controllers:
            files = [base / relative / "memory.max", base / "memory.max"]
        elif "memory" in controllers.split(","):
            name = "memory.limit_in_bytes"
            files = [base / "memory" / relative / name, base / "memory" / name]
        else:
            continue
        for file in files:
            text = text_of(file)
            if text.isdigit() and int(text) < _NO_LIMIT:
                return int(text)
    return None


def reset_peak_memory() -> bool:
    """Make the kernel forget this process's peak resident set; False where it does not let us."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as stream:
            stream.write("5")
    except OSError:
        return False
    return True


def peak_memory(root: Path = Path("/")) -> int | None:
    """Peak resident set of this process in bytes (VmHWM), since start or the last reset."""
    for line in text_of(root / "proc/self/status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # Docker's word for an architecture -> the kernel's
# The other way, from every word for it: Linux's, Docker's own, and macOS's, which is Docker's "arm64".
ARCHES = {word: docker for docker, kernel in MACHINES.items() for word in (kernel, docker)}
