"""What a system tells of itself where Linux and macOS are asked differently.

What measures is always Linux. A laptop in front of it need not be: it plans, builds and tells, and asks here.
"""

from __future__ import annotations

import os
import platform
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def is_linux() -> bool:
    """Whether this system is Linux, which alone has /proc, /sys, core pinning and containers of its own."""
    return sys.platform == "linux"


def name() -> str:
    """The system as people call it: "Debian GNU/Linux 12 (bookworm)", "macOS 15.1"."""
    if not is_linux():
        return f"macOS {platform.mac_ver()[0]}".strip()
    return os_release().get("PRETTY_NAME", "unknown")


def os_release() -> Mapping[str, str]:
    """The facts of /etc/os-release, empty where there is none (macOS)."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def cores() -> tuple[int, ...]:
    """The cores this process may use, by number: on macOS, which pins no process, all of them."""
    if is_linux():
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def memory() -> int:
    """The machine's memory in bytes."""
    if is_linux():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(sysctl("hw.memsize"))


def machine() -> str:
    """The kernel's word for the processor, also for a Python that macOS translates from Intel's (Rosetta)."""
    said = platform.machine()
    if not is_linux() and said == "x86_64" and sysctl("sysctl.proc_translated") == "1":
        return "arm64"
    return said


def emulated(root: Path = Path("/")) -> bool:
    """Whether another architecture's kernel runs this process, through QEMU: its timings say nothing.

    Linux tells its own architecture since 6.1; an older one's /proc/cpuinfo names a vendor on x86 alone.
    """
    if not is_linux():
        return False
    kernel, own = root / "proc/sys/kernel/arch", platform.machine()
    if kernel.exists():
        return kernel.read_text(encoding="ascii").strip() != own
    on_x86 = "vendor_id" in (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    return on_x86 != (own == "x86_64")


def bits() -> int:
    """32 or 64: a 64-bit kernel may carry a 32-bit system, as Raspberry Pi OS (32-bit) is."""
    return 8 * struct.calcsize("P")


def sysctl(key: str) -> str:
    """One fact of macOS's kernel, "" where it has none of this name."""
    done = subprocess.run(["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True)
    return done.stdout.strip()
