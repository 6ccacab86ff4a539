"""Before, during and after a timed run: what the machine told, and whether that slowed it.

A thread beside LoadGen looks once a second; how long it took the processor for that is in the result.
"""

from __future__ import annotations

import resource
import statistics
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.device import firmware
from bench.device.machine import Reading, Sensors

INTERVAL_S = 1.0
#: A Raspberry Pi slows its cores from 80 C (raspberrypi.com, "Frequency management and thermal control").
HOT_C = 80.0
#: Governors that ask for the highest frequency under load.
_EAGER = ("performance", "ondemand", "schedutil")
#: The share of the cores' time that others may take without a mark; the kit's own progress line takes some.
OTHERS = 0.05
#: What the process took from the kernel during a run: the result's name, getrusage(2)'s.
_USAGE = {
    "minor_faults": "ru_minflt",
    "major_faults": "ru_majflt",
    "voluntary_switches": "ru_nvcsw",
    "involuntary_switches": "ru_nivcsw",
}


class Watch:
    """Used as `with Watch(machine) as watched:` around a run; the facts are there when it ends."""

    def __init__(self, machine: Sensors, interval: float = INTERVAL_S) -> None:
        self._machine, self._interval = machine, interval
        self._readings: list[Reading] = []
        self._seconds = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._before, self._watching = self._machine.read(), self._machine.changes
        self._started, self._own = time.monotonic(), time.process_time()
        self._usage = resource.getrusage(resource.RUSAGE_SELF)
        if self._watching:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._usage_after = resource.getrusage(resource.RUSAGE_SELF)
        self._over.set()
        if self._watching:
            self._thread.join()
        self._elapsed = time.monotonic() - self._started
        self._own = time.process_time() - self._own
        self._after = self._machine.read()

    def document(self) -> dict[str, Any]:
        """A round's `before`, `during` (None where nothing the machine tells changes), `after` and more."""
        return {
            "before": self._before.document(),
            "during": self._during() if self._watching else None,
            "after": self._after.document(),
            "others": self._others(),
            "usage": {
                name: getattr(self._usage_after, field) - getattr(self._usage, field)
                for name, field in _USAGE.items()
            },
        }

    def _others(self) -> float | None:
        """The share of the cores' time that other programs, and a hypervisor, took during the run."""
        first, last = self._before.busy, self._after.busy
        if first is None or last is None or not self._elapsed:
            return None
        share = (last - first - self._own) / (self._elapsed * self._machine.cores)
        return round(min(max(share, 0.0), 1.0), 4)

    def _look(self) -> None:
        wait = self._interval / 2  # so that a run of one interval is looked at once
        while not self._over.wait(wait):
            started = time.thread_time()
            self._readings.append(self._machine.read(brief=True))
            self._seconds += time.thread_time() - started
            wait = self._interval

    def _during(self) -> dict[str, Any]:
        looked, around = self._readings, [self._before, *self._readings, self._after]
        speeds = [speed for one in looked for speed in one.frequencies]
        temperatures = [one.temperature for one in looked if one.temperature is not None]
        alarms = [one.under_voltage for one in looked if one.under_voltage is not None]
        words = [one.word for one in around if one.word is not None]
        return {
            "samples": len(looked),
            "read_seconds": round(self._seconds, 6),
            "governor_changes": sum(a.governor != b.governor for a, b in zip(around, around[1:])),
            "frequency_mhz": {
                "min": min(speeds),
                "median": statistics.median(speeds),
                "max": max(speeds),
            }
            if speeds
            else None,
            "temperature_c": max(temperatures, default=None),
            "firmware": hex(firmware.seen(words)) if words else None,
            "under_voltage": any(alarms) if alarms else None,
            "slowed": sum(map(_slowed, looked)) if any(one.below is not None for one in looked) else None,
        }


def _slowed(one: Reading) -> bool:
    """Whether a core was under its highest frequency although the governor wants that, and it was hot."""
    eager = bool(one.governor) and set(str(one.governor).split(", ")) <= {*_EAGER}
    return bool(one.below) and eager and (one.temperature or 0.0) >= HOT_C


@dataclass(frozen=True)
class Mark:
    """Why a timing does not speak of the machine at full speed: a word, and who says so."""

    word: str
    reason: str

    def __str__(self) -> str:
        return f"{self.word}: {self.reason}"


def judge(row: Mapping[str, Any]) -> Mark | None:
    """The mark of one round of a result, None where nothing says that the machine was slowed."""
    found = [*_found(row), *_disturbed(row)]
    if not found:
        return None
    hottest = temperature(row)
    reasons = [*dict.fromkeys(reason for _, reason in found)]
    return Mark(found[0][0], ", ".join([*reasons, *([] if hottest is None else [f"{hottest:.1f} °C"])]))


def temperature(row: Mapping[str, Any]) -> float | None:
    """The highest temperature of a round in degrees Celsius, before, during or after."""
    parts = [row["before"], row.get("during") or {}, row["after"]]
    told = [part["temperature_c"] for part in parts if part.get("temperature_c") is not None]
    return max(told, default=None)


def _disturbed(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    share = row.get("others") or 0.0
    return [("disturbed", f"others took {share:.0%} of the cores' time")] if share > OTHERS else []


def _found(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(word, reason), the surest first: who measures the throttling itself, then what only suggests it."""
    before, during, after = row["before"], row.get("during") or {}, row["after"]
    parts = (before, during, after)
    found = []
    bits = int(during.get("firmware") or "0x0", 16)
    if bits:
        found.append(("throttled", f"firmware says {' and '.join(firmware.names(bits))}"))
    elif "firmware" not in before and (before["throttled"] or after["throttled"]):
        found.append(("throttled", "firmware says so, now or since boot (an older kit did not ask which)"))
    first, last = before.get("throttle_counts"), after.get("throttle_counts")
    for name in ("core", "package"):
        rise = last[name] - first[name] if first and last else 0
        if rise > 0:
            found.append(("throttled", f"the processor's {name} throttle counter rose by {rise}"))
    if any(part.get("under_voltage") for part in parts):
        found.append(("under-voltage", "the kernel's alarm, rpi_volt"))
    if found or any(part.get("firmware") for part in parts) or first:
        return found  # who could tell has told: nothing to suggest
    if during.get("slowed"):
        reason = f"under its highest in {during['slowed']} of {during['samples']} readings"
        found.append(("frequency dropped", f"{reason} at {HOT_C:.0f} °C or more"))
    elif before.get("under_voltage") is not None and (temperature(row) or 0.0) >= HOT_C:
        reason = f"a Raspberry Pi slows its cores from {HOT_C:.0f} °C, and its firmware could not be asked"
        found.append(("hot", reason))
    return found
