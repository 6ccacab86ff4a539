"""Staged machines, FOR TESTS ONLY: the files of /sys and /proc that each kind of machine has."""

from __future__ import annotations

import os
from pathlib import Path

CPU = "sys/devices/system/cpu"
FIRMWARE = "sys/devices/platform/soc/soc:firmware"
ZONE = "sys/class/thermal/thermal_zone0"
CORES = (0, 1, 2, 3)


def write(root: Path, files: dict[str, str]) -> Path:
    """Write files below `root`, each at once as a reader sees it, and return it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        scrap = path.with_name(f"{path.name}.new")
        scrap.write_text(text)
        os.replace(scrap, path)
    return root


def policy(root: Path, number: int, cores: tuple[int, ...], khz: int, **more: str) -> None:
    """A cpufreq policy, linked from its cores as the kernel does; `khz` is the current and highest."""
    facts = {
        "scaling_governor": "ondemand",
        "scaling_driver": "cpufreq-dt",
        "scaling_cur_freq": str(khz),
        "scaling_max_freq": str(khz),
        "cpuinfo_max_freq": str(khz),
        **more,
    }
    folder = f"{CPU}/cpufreq/policy{number}"
    write(root, {f"{folder}/{name}": f"{text}\n" for name, text in facts.items()})
    for core in cores:
        (root / CPU / f"cpu{core}").mkdir(parents=True, exist_ok=True)
        (root / CPU / f"cpu{core}/cpufreq").symlink_to(root / folder)


def pi(root: Path, word: str | None = None) -> Path:
    """A Raspberry Pi 4B at 1.5 GHz and 61.2 °C; `word` is the file that older kernels of its maker have."""
    policy(root, 0, CORES, 1_500_000)
    write(
        root,
        {
            f"{ZONE}/type": "cpu-thermal\n",
            f"{ZONE}/temp": "61200\n",
            "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
            "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
            "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
            "proc/sys/kernel/random/boot_id": "5c6a4bd5-0000-4000-8000-000000000001\n",
        },
    )
    return root if word is None else write(root, {f"{FIRMWARE}/get_throttled": f"{word}\n"})


def xeon(root: Path, masked: bool = False) -> Path:
    """Two packages of two cores that choose their own turbo, `masked` as in a container of a new Docker."""
    for core in CORES:
        policy(root, core, (core,), 2_700_000, scaling_driver="intel_pstate", scaling_max_freq="4000000")
        counts = {"core_throttle_count": f"{core}\n", "package_throttle_count": f"{7 * (core // 2)}\n"}
        folder = f"{CPU}/cpu{core}"
        write(root, {f"{folder}/topology/physical_package_id": f"{core // 2}\n"})
        (root / folder / "thermal_throttle").mkdir()
        if not masked:
            write(root, {f"{folder}/thermal_throttle/{name}": text for name, text in counts.items()})
    return write(
        root,
        {
            f"{ZONE}/type": "acpitz\n",
            f"{ZONE}/temp": "99000\n",
            "sys/class/thermal/thermal_zone1/type": "x86_pkg_temp\n",
            "sys/class/thermal/thermal_zone1/temp": "88000\n",
            "proc/sys/kernel/random/boot_id": "5c6a4bd5-0000-4000-8000-000000000002\n",
        },
    )


def virtual(root: Path) -> Path:
    """A virtual machine: a frequency that never changes, and nothing else."""
    return write(root, {"proc/cpuinfo": "processor\t: 0\ncpu MHz\t\t: 2299.998\n"})
