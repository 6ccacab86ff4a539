"""What the machine is: CPU, cores, limits, peak memory; how it feels is bench/device/machine.py.

Facts the machine does not tell are None, never guessed. Sources: /proc/cpuinfo, sched_getaffinity,
/sys/devices/system/cpu, /sys/fs/cgroup (v1 and v2). Roots are parameters so that tests can stage a machine.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.device import arm, system
from bench.device.machine import text_of

#: cgroup v1 says "no limit" with a number near 2^63 (page-aligned).
_NO_LIMIT = 1 << 60


@dataclass(frozen=True)
class Cores:
    """The logical CPUs that a run uses, one of each core, and in a few words why these."""

    cpus: tuple[int, ...]
    why: str


def describe(
    *,
    engine: Mapping[str, Any],
    lock: str,
    code: str,
    emulated: bool,
    threads: int,
    threads_why: str = "",
    root: Path = Path("/"),
) -> dict[str, Any]:
    """The result file's `environment`; `code` is the SHA-256 of the kit's files that run here, and
    `threads_why` says how the host came to this number.

    Under emulation /proc/cpuinfo is the host's, so nothing of it is repeated: model and flags say so.
    """
    model, flags = ("emulated (the host's /proc/cpuinfo says nothing)", []) if emulated else cpu(root)
    return {
        "engine": {"kind": engine["kind"], "image": engine["image"], "digest": engine["digest"]},
        "lock": lock,
        "code": code,
        "emulated": emulated,
        "cpu_model": model,
        "cpu_flags": flags,
        "machine": platform.machine(),
        "kernel": platform.release(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "threads_why": threads_why,
        "memory_limit_bytes": memory_limit(root),
    }


def cpu(root: Path = Path("/")) -> tuple[str, list[str]]:
    """CPU model and sorted feature flags, from /proc/cpuinfo of amd64 or arm64; macOS tells a model alone.

    Where cores are of several kinds, the model names them all and the flags are those that every core has.
    """
    facts: dict[str, list[str]] = {}
    for line in text_of(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), []).append(value.strip())
    told = [set(value.split()) for value in facts.get("flags") or facts.get("Features") or []]
    flags = sorted(set.intersection(*told)) if told else []
    model = next(iter(facts.get("model name", ())), "")
    if not model:
        model = arm.names(zip(facts.get("CPU implementer", ()), facts.get("CPU part", ())))
    if not model and not system.is_linux():
        model = system.sysctl("machdep.cpu.brand_string")
    return model or "unknown", flags


def memory_limit(root: Path = Path("/")) -> int | None:
    """The memory limit of this process's cgroups in bytes (v2 and v1), None where there is none."""
    files = ("memory.max", "memory.limit_in_bytes")
    texts = [text_of(folder / name) for folder in _cgroups(root, "memory") for name in files]
    return min((int(text) for text in texts if text.isdigit() and int(text) < _NO_LIMIT), default=None)


def cpu_quota(root: Path = Path("/")) -> float | None:
    """How many cores' time this process's cgroups allow it (v2 and v1), None where they do not limit it."""
    quotas = []
    for folder in _cgroups(root, "cpu"):
        words = text_of(folder / "cpu.max").split()
        words = words or [text_of(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
        if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def _cgroups(root: Path, controller: str) -> Iterator[Path]:
    """The folders that may limit this process: its cgroup and all above, of v2 and of v1's `controller`.

    A container may see its own cgroup as the root, whatever path the kernel tells.
    """
    base = root / "sys/fs/cgroup"
    for line in text_of(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            tops = [base]
        elif controller in controllers.split(","):
            tops = [base / name for name in dict.fromkeys((controller, controllers))]
        else:
            continue
        parts = path.strip("/").split("/")
        for top in tops:
            yield from (top.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1))


def cores(allowed: Iterable[int], root: Path = Path("/")) -> Cores:
    """Choose one of each core's `allowed` logical CPUs, and no more than a CPU quota feeds.

    Threads that share a core share its vector units: the frameworks' own default is a thread a core too.
    A thread beyond the quota makes the kernel stop all of them for the rest of a period.
    """
    cpus = sorted(allowed)
    one_each = tuple(sorted({_siblings(root, number): number for number in reversed(cpus)}.values()))
    quota = cpu_quota(root)
    chosen = one_each if quota is None else one_each[: max(1, int(quota))]
    reasons = []
    if len(one_each) < len(cpus):
        reasons.append("one a core")
    if quota is not None and len(chosen) < len(one_each):
        reasons.append(f"a quota of {quota:g} core{'' if quota == 1 else 's'}")
    kinds = len({_kind(root, number) for number in chosen})
    if kinds > 1:
        reasons.append(f"cores of {kinds} kinds")
    why = f"{len(chosen)} of {len(cpus)} logical CPUs: {', '.join(reasons) or 'each is a core'}"
    return Cores(chosen, why)


def _siblings(root: Path, number: int) -> str:
    """The logical CPUs of the core that this one is of, in the kernel's words; itself where it has none."""
    topology = root / f"sys/devices/system/cpu/cpu{number}/topology"
    lists = (text_of(topology / name) for name in ("core_cpus_list", "thread_siblings_list"))
    return next(filter(None, lists), str(number))


def _kind(root: Path, number: int) -> str:
    """What tells the kinds of a hybrid processor apart: Arm's capacity, or which of Intel's lists has it."""
    capacity = text_of(root / f"sys/devices/system/cpu/cpu{number}/cpu_capacity")
    slow = text_of(root / "sys/devices/cpu_atom/cpus")
    return capacity or ("atom" if number in _numbers(slow) else "")


def _numbers(text: str) -> set[int]:
    """A list of CPUs as the kernel writes it: "0-2,5"."""
    ranges = [part.partition("-") for part in text.split(",") if part]
    return {number for low, _, high in ranges for number in range(int(low), int(high or low) + 1)}


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


def anonymous_memory(root: Path = Path("/")) -> int | None:
    """This process's anonymous resident memory in bytes (RssAnon): its own, without what it maps from files.

    What was moved to swap is counted as well (VmSwap). None where the kernel does not tell.
    """
    found = dict(line.partition(":")[::2] for line in text_of(root / "proc/self/status").splitlines())
    if "RssAnon" not in found:
        return None
    return sum(int(found.get(name, "0").split()[0]) * 1024 for name in ("RssAnon", "VmSwap"))


MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # Docker's word for an architecture -> the kernel's
# The other way, from every word for it: Linux's, Docker's own, and macOS's, which is Docker's "arm64".
ARCHES = {word: docker for docker, kernel in MACHINES.items() for word in (kernel, docker)}
