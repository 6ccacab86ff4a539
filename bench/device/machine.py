"""How the machine feels at this moment: governor, frequencies, temperature, and whatever says it is slowed.

What the machine does not tell is None, never guessed. Sources, all of sysfs, which a container sees read-only
(Docker masks /sys/firmware, /sys/devices/virtual/powercap and, since moby#49560, thermal_throttle):

- cpufreq of every core in use. On a Raspberry Pi it is the frequency that the kernel asked for: the firmware
  throttles without telling it (raspberrypi/linux issues 2986 and 5874).
- the thermal zones of the processor, else all of them.
- soc:firmware/get_throttled of Raspberry Pi kernels up to early 2025 (pull request 6697 removed it); where it
  is gone, what the host relays (bench/device/firmware.py).
- hwmon rpi_volt, on any kernel of a Raspberry Pi: under-voltage in the last two seconds.
- Intel's thermal_throttle counters.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.device import firmware, system

#: Drivers of processors that choose among turbo frequencies by themselves: below the highest is their normal.
_TURBO = ("intel_pstate", "intel_cpufreq", "acpi-cpufreq", "amd-pstate", "amd-pstate-epp", "amd_pstate")
_CPU_ZONES = ("cpu", "soc", "x86_pkg_temp")


@dataclass(frozen=True)
class Reading:
    """One look at the machine. `frequencies` in MHz, one a cpufreq policy; `below` says that one of them is
    under what its policy allowed at first, None where that means nothing; `word` is the firmware's;
    `counts` are Intel's thermal throttle events since boot; `busy` is how many seconds the cores in use did
    something, or were taken by a hypervisor, since boot."""

    governor: str | None
    frequencies: tuple[float, ...]
    below: bool | None
    temperature: float | None
    word: int | None
    under_voltage: bool | None
    counts: dict[str, int] | None
    busy: float | None = None

    def document(self) -> dict[str, Any]:
        """The result file's `before` and `after`; the frequency is that of the slowest core."""
        return {
            "governor": self.governor,
            "frequency_mhz": min(self.frequencies, default=None),
            "temperature_c": self.temperature,
            "throttled": None if self.word is None else bool(self.word & firmware.NOW),
            "firmware": None if self.word is None else hex(self.word),
            "under_voltage": self.under_voltage,
            "throttle_counts": self.counts,
        }


class Sensors:
    """Where this machine tells; found once, so that a reading opens a handful of files.

    `cores` are those in use (all that this process may use), `relay` the file that the host refreshes.
    """

    def __init__(
        self, root: Path = Path("/"), cores: Iterable[int] | None = None, relay: Path | None = None
    ) -> None:
        self._root, self._relay = root, relay
        base = root / "sys/devices/system/cpu"
        self._cpus = [base / f"cpu{number}" for number in sorted(cores or system.cores())]
        policies = [cpu / "cpufreq" for cpu in self._cpus if (cpu / "cpufreq").is_dir()]
        self._policies = list(dict.fromkeys(policy.resolve() for policy in policies))
        self._limits = [_limit(policy) for policy in self._policies]
        self._zones = _zones(root / "sys/class/thermal")
        self._word = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
        names = (root / "sys/class/hwmon").glob("hwmon*/name")
        self._alarms = [name.with_name("in0_lcrit_alarm") for name in names if text_of(name) == "rpi_volt"]

    @property
    def changes(self) -> bool:
        """Whether there is anything to watch: a virtual machine usually tells nothing that changes."""
        return bool(self._policies or self._zones or self._alarms or self._told("firmware"))

    def read(self, *, brief: bool = False) -> Reading:
        """Look once; a `brief` look leaves out /proc/cpuinfo and the counters: many cores, much to read."""
        governors = {text_of(policy / "scaling_governor") for policy in self._policies}
        speeds = [_number(policy / "scaling_cur_freq") for policy in self._policies]
        alarms = [text_of(alarm) for alarm in self._alarms]
        below = [speed < limit for speed, limit in zip(speeds, self._limits) if speed and limit]
        temperatures = [found for zone in self._zones if (found := _number(zone)) is not None]
        return Reading(
            ", ".join(sorted(governors - {""})) or None,
            tuple(speed / 1000 for speed in speeds if speed is not None)
            or (() if brief else _cpuinfo_mhz(self._root)),
            any(below) if below else None,
            max(temperatures) / 1000 if temperatures else None,
            firmware.parse(text_of(self._word) or str(self._told("firmware") or "")),
            "1" in alarms if any(alarms) else None,
            None if brief else self._counts(),
            None if brief else self._busy(),
        )

    def _told(self, name: str) -> Any:
        return firmware.relayed(self._relay, self._root).get(name) if self._relay else None

    def _busy(self) -> float | None:
        """Sum /proc/stat over the cores in use: all but idle and waiting; guests are in user and nice too."""
        lines = text_of(self._root / "proc/stat").splitlines()
        words = [line.split() for line in lines if line.startswith("cpu")]
        ticks = {name: [int(number) for number in rest[:8]] for name, *rest in words}
        rows = [ticks.get(cpu.name) for cpu in self._cpus]
        if not all(rows):
            return None
        busy = sum(sum(row) - row[3] - row[4] for row in rows if row)
        return busy / os.sysconf("SC_CLK_TCK")

    @property
    def cores(self) -> int:
        """How many cores are in use."""
        return len(self._cpus)

    def _counts(self) -> dict[str, int] | None:
        """Thermal throttle events since boot, of the cores in use and of their packages."""
        core, package = 0, dict[str, int]()
        for cpu in self._cpus:
            core += _number(cpu / "thermal_throttle/core_throttle_count") or 0
            events = _number(cpu / "thermal_throttle/package_throttle_count")
            if events is not None:  # every core of a package counts the same events
                name = text_of(cpu / "topology/physical_package_id")
                package[name] = max(events, package.get(name, 0))
        if package:
            return {"core": core, "package": sum(package.values())}
        told: dict[str, int] | None = self._told("throttle_counts")
        return told


def text_of(path: Path) -> str:
    """A small file's text without its newline, "" where it is missing or not to be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = text_of(path)
    return int(text) if text.lstrip("-").isdigit() else None


def _limit(policy: Path) -> int | None:
    """The highest frequency a policy may ask for, in kHz; None where the processor has the last word."""
    if text_of(policy / "scaling_driver") in _TURBO:
        return None
    return _number(policy / "scaling_max_freq") or _number(policy / "cpuinfo_max_freq")


def _zones(folder: Path) -> list[Path]:
    """The temperature files of the processor's thermal zones, or of all where none is named so."""
    zones = sorted(folder.glob("thermal_zone*/temp"))
    kinds = [text_of(zone.with_name("type")).lower() for zone in zones]
    named = [zone for zone, kind in zip(zones, kinds) if any(word in kind for word in _CPU_ZONES)]
    return named or zones


def _cpuinfo_mhz(root: Path) -> tuple[float, ...]:
    for line in text_of(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "cpu MHz":
            return (float(value),)
    return ()
