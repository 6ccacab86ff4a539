"""Which instructions a CPU lacks, to say why one was illegal (SIGILL).

A wheel is compiled for a baseline, but some were published with newer instructions on every path.
"""

from __future__ import annotations

import signal
from collections.abc import Collection, Mapping

from images.workspace import size

#: Kernel's flag -> what people call it, oldest first, by architecture: what builds of frameworks ask for.
_NAMES: Mapping[str, Mapping[str, str]] = {
    "arm64": {
        "atomics": "LSE atomics (ARMv8.1)",
        "asimdhp": "half-precision arithmetic (ARMv8.2)",
        "asimddp": "dot products (ARMv8.2)",
        "i8mm": "int8 matrix products (ARMv8.6)",
        "sve": "SVE",
    },
    "amd64": {
        "avx": "AVX",
        "fma": "FMA",
        "avx2": "AVX2",
        "avx512f": "AVX-512",
        "avx512_vnni": "VNNI",
        "amx_int8": "AMX",
    },
}

#: QEMU's models of ARMv8.0 cores, which have none of arm64's above. (Its default, "max", has them all.)
_ARMV8_0 = ("cortex-a53", "cortex-a57", "cortex-a72")


def lacking(arch: str, emulated_cpu: str | None, model: str, flags: Collection[str]) -> str:
    """Say which CPU runs launches of `arch` and what it lacks: "the emulated cortex-a72, which lacks ...".

    `emulated_cpu` is QEMU's model, None where the CPU is real: then `model` and `flags` are the kernel's.
    """
    names = _NAMES.get(arch, {})
    if emulated_cpu:
        who = f"the emulated {emulated_cpu}"
        missing = list(names.values()) if emulated_cpu in _ARMV8_0 else []
    else:
        who = f"this CPU ({model})"
        missing = [name for flag, name in names.items() if flag not in flags] if flags else []
    return f"{who}, which lacks {', '.join(missing)}" if missing else who


def explain(exit_code: int, cpu: str = "the CPU, real or emulated,") -> str:
    """Return why a process failed, "" for exit code 0.

    A death by signal is accepted in the shell's form (128 + signal) and Python's (minus signal). `cpu` says
    which one ran it and what that lacks (images/engines/endings.py).
    """
    if exit_code == 0:
        return ""
    number = -exit_code if exit_code < 0 else exit_code - 128
    known: dict[int, str] = {
        signal.SIGILL: "illegal instruction (SIGILL): this build of the framework uses an instruction "
        f"unknown to {cpu}",
        signal.SIGSEGV: "crashed: segmentation fault (SIGSEGV)",
        signal.SIGBUS: "crashed: bus error (SIGBUS)",
        signal.SIGFPE: "crashed: arithmetic error (SIGFPE)",
        signal.SIGABRT: "crashed: aborted (SIGABRT)",
        signal.SIGTERM: "stopped from outside (SIGTERM)",
        signal.SIGKILL: "killed from outside (SIGKILL), often by a machine short of memory",
    }
    return known.get(number, f"ended with exit code {exit_code}")


def out_of_memory(limit: int | None) -> str:
    return f"killed: out of memory (limit {size(limit)})" if limit else "killed: out of memory"


def out_of_time(limit_s: float) -> str:
    return f"killed: not finished after {limit_s:.0f} s"
