"""What machines tell before, during and after a run, and which runs it marks; on staged machines."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fixtures_machines as machines
import fixtures_results as fixtures
import pytest
from fixtures_report import cell
from hypothesis import given
from hypothesis import strategies as st

from bench.device import firmware
from bench.device.machine import Reading, Sensors
from bench.device.watch import Mark, Watch, judge
from bench.store import results
from images.desk import doctor
from images.running.relay import relaying

SOON = 0.02  # seconds between looks
PATIENCE = 20.0  # seconds until a look that never comes is a failure


class Counted(Sensors):
    """A machine that knows how often it was looked at."""

    looks = 0

    def read(self, *, brief: bool = False) -> Reading:
        found = super().read(brief=brief)
        self.looks += 1
        return found

    def wait(self) -> None:
        """Until a whole look was taken from now on (one may be under way)."""
        wanted, end = self.looks + 2, time.monotonic() + PATIENCE
        while self.changes and self.looks < wanted:
            assert time.monotonic() < end
            time.sleep(SOON / 4)


def watched(root: Path, *changes: dict[str, str], relay: Path | None = None) -> dict[str, Any]:
    """Watch a run during which the machine changes, step by step; what the result file says of it."""
    machine = Counted(root, machines.CORES, relay)
    with Watch(machine, SOON) as watch:
        for files in changes:
            machines.write(root, files)
            machine.wait()
    of = cell("openvino", "FP32", "Offline")
    result = fixtures.result_of(of, fixtures.matrix(), "quick", 1)
    result["rounds"][0].update(watch.document())
    path = results.path_of(root / "run", of.id)  # the schema knows all of it
    path.parent.mkdir(parents=True, exist_ok=True)
    results.save(path, result)
    return watch.document()


def word(text: str) -> dict[str, str]:
    return {f"{machines.FIRMWARE}/get_throttled": text}


def mark(row: dict[str, Any]) -> Mark:
    found = judge(row)
    assert found
    return found


# --------------------------------------------------------------------------- Raspberry Pi


def test_a_quiet_pi_is_watched_and_not_marked(tmp_path: Path) -> None:
    row = watched(machines.pi(tmp_path, "0"), {})
    assert row["before"] == {
        "governor": "ondemand",
        "frequency_mhz": 1500.0,
        "temperature_c": 61.2,
        "throttled": False,
        "firmware": "0x0",
        "under_voltage": False,
        "throttle_counts": None,
    }
    assert row["after"] == row["before"]
    during = row["during"]
    assert during["samples"] >= 1
    assert during["frequency_mhz"] == {"min": 1500.0, "median": 1500.0, "max": 1500.0}
    assert during["temperature_c"] == 61.2
    assert during["firmware"] == "0x0"
    assert during["governor_changes"] == 0
    assert during["slowed"] == 0
    assert during["read_seconds"] > 0
    assert judge(row) is None


def test_a_pi_that_throttled_last_week_is_not_marked_today(tmp_path: Path) -> None:
    assert judge(watched(machines.pi(tmp_path, "50000"), {})) is None


def test_a_pi_throttled_only_in_between_is_marked_with_the_firmwares_reason(tmp_path: Path) -> None:
    root = machines.pi(tmp_path, "0")
    row = watched(root, {**word("20002"), f"{machines.ZONE}/temp": "82400"}, word("0"))
    assert row["before"]["throttled"] is row["after"]["throttled"] is False
    assert str(mark(row)) == "throttled: firmware says frequency capped, 82.4 °C"


def test_a_bit_of_the_past_that_appears_marks_what_no_look_saw(tmp_path: Path) -> None:
    row = watched(machines.pi(tmp_path, "40000"), word("50000"))
    assert mark(row) == Mark("throttled", "firmware says under-voltage occurred, 61.2 °C")


def test_a_bit_that_is_cleared_and_comes_again_is_new(tmp_path: Path) -> None:
    row = watched(machines.pi(tmp_path, "80000"), word("0"), word("80000"))
    assert mark(row).reason.startswith("firmware says soft temperature limit occurred")


def test_a_change_of_governor_during_the_run_is_counted(tmp_path: Path) -> None:
    root = machines.pi(tmp_path, "0")
    governor = f"{machines.CPU}/cpufreq/policy0/scaling_governor"
    row = watched(root, {governor: "powersave"}, {governor: "ondemand"})
    assert row["before"]["governor"] == row["after"]["governor"]
    assert row["during"]["governor_changes"] == 2


def test_a_kernel_without_the_firmwares_word_tells_of_under_voltage(tmp_path: Path) -> None:
    root = machines.pi(tmp_path)
    alarm = "sys/class/hwmon/hwmon1/in0_lcrit_alarm"
    row = watched(root, {alarm: "1"}, {alarm: "0"})
    assert row["before"]["throttled"] is row["before"]["firmware"] is row["during"]["firmware"] is None
    assert str(mark(row)) == "under-voltage: the kernel's alarm, rpi_volt, 61.2 °C"


def test_a_frequency_that_drops_in_the_heat_is_marked_in_words_of_its_own(tmp_path: Path) -> None:
    root = machines.pi(tmp_path)
    speed = f"{machines.CPU}/cpufreq/policy0/scaling_cur_freq"
    assert judge(watched(root, {speed: "1000000"}, {speed: "1500000"})) is None  # cool: only idle
    hot = {f"{machines.ZONE}/temp": "81000"}
    row = watched(root, {speed: "1000000", **hot}, {speed: "1500000"})
    assert mark(row).word == "frequency dropped"
    assert row["during"]["frequency_mhz"]["min"] == 1000.0
    assert "throttled" not in str(mark(row))


def test_a_hot_pi_whose_firmware_nobody_could_ask_is_called_hot(tmp_path: Path) -> None:
    root = machines.pi(tmp_path)
    row = watched(root, {f"{machines.ZONE}/temp": "82000"})
    assert mark(row).word == "hot"
    assert mark(row).reason.endswith("82.0 °C")


def test_a_powersave_governor_is_not_a_drop(tmp_path: Path) -> None:
    root = machines.pi(tmp_path)
    folder = f"{machines.CPU}/cpufreq/policy0"
    slow = {f"{folder}/scaling_governor": "powersave", f"{folder}/scaling_cur_freq": "600000"}
    row = watched(machines.write(root, slow), {f"{machines.ZONE}/temp": "81000"})
    assert row["during"]["slowed"] == 0


# ------------------------------------------------------------------------- other machines


def test_every_core_in_use_is_looked_at(tmp_path: Path) -> None:
    machines.policy(tmp_path, 0, (0, 1), 1_800_000)
    machines.policy(tmp_path, 2, (2, 3), 2_400_000, scaling_governor="performance")
    both = Sensors(tmp_path, (1, 3)).read()
    assert both.frequencies == (1800.0, 2400.0)
    assert both.governor == "ondemand, performance"
    assert Sensors(tmp_path, (2, 3)).read().frequencies == (2400.0,)


def test_an_intel_processor_is_marked_by_its_counters_alone(tmp_path: Path) -> None:
    root = machines.xeon(tmp_path)
    row = watched(root, {})
    assert row["before"]["throttle_counts"] == {"core": 6, "package": 7}
    assert row["before"]["temperature_c"] == 88.0  # the package's, not the board's
    assert row["during"]["slowed"] is None  # under its highest turbo is its normal
    assert judge(row) is None
    row = watched(root, {f"{machines.CPU}/cpu2/thermal_throttle/core_throttle_count": "14"})
    assert str(mark(row)) == "throttled: the processor's core throttle counter rose by 12, 88.0 °C"
    masked = watched(machines.xeon(tmp_path / "masked", masked=True), {})
    assert masked["before"]["throttle_counts"] is None
    assert judge(masked) is None


def test_a_virtual_machine_that_tells_nothing_is_not_watched(tmp_path: Path) -> None:
    row = watched(machines.virtual(tmp_path), {})
    assert row["during"] is None
    told = {name: value for name, value in row["before"].items() if value is not None}
    assert told == {"frequency_mhz": 2299.998}
    assert judge(row) is None
    assert Sensors(tmp_path / "nothing").read().document()["frequency_mhz"] is None


def test_files_that_cannot_be_read_are_not_told(tmp_path: Path) -> None:
    root = machines.pi(tmp_path, "no such word")
    machines.write(root, {f"{machines.ZONE}/temp": "broken", "sys/class/hwmon/hwmon1/in0_lcrit_alarm": ""})
    found = Sensors(root, machines.CORES).read()
    assert found.temperature is found.word is found.under_voltage is None


def test_a_result_of_an_older_kit_keeps_its_mark() -> None:
    row = {"before": fixtures.quiet(), "after": {**fixtures.quiet(), "throttled": True}}
    assert mark(row).word == "throttled"
    assert judge({"before": fixtures.quiet(), "after": fixtures.quiet()}) is None


# --------------------------------------------------------------------------- the firmware


@given(st.integers(min_value=0, max_value=0xFFFFFFFF))
def test_the_word_is_read_from_sysfs_and_from_vcgencmd(value: int) -> None:
    assert firmware.parse(f"{value:x}\n") == value
    assert firmware.parse(f"throttled=0x{value:x}\n") == value
    assert firmware.parse(f"0x{value:X}") == value
    assert len(firmware.names(value & 0xF)) == (value & 0xF).bit_count()


@given(st.text())
def test_any_text_is_a_word_or_none(text: str) -> None:
    found = firmware.parse(text)
    assert found is None or 0 <= found <= 0xFFFFFFFF


@given(st.lists(st.integers(min_value=0, max_value=0xFFFFF)))
def test_only_a_present_bit_or_one_that_appears_counts(words: list[int]) -> None:
    found = firmware.seen(words)
    for bit in range(4):
        assert bool(found & 1 << bit) == any(one & 1 << bit for one in words)
        history = [bool(one & 1 << bit + 16) for one in words]
        assert bool(found & 1 << bit + 16) == ((False, True) in set(zip(history, history[1:])))


@pytest.mark.parametrize("text", ["", "throttled=", "0x", "error=1 error_msg=x", "1ffffffff", "-1", "5 0"])
def test_what_is_no_word_is_none(text: str) -> None:
    assert firmware.parse(text) is None


# ------------------------------------------------------------------------------ the relay


@pytest.fixture
def vcgencmd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A vcgencmd that says what a file says."""
    says, folder = tmp_path / "says", tmp_path / "bin"
    machines.write(
        tmp_path, {"bin/vcgencmd": f"#!/bin/sh\n[ $1 = get_throttled ] && cat {says}\n", "says": ""}
    )
    (folder / "vcgencmd").chmod((folder / "vcgencmd").stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("images.running.relay.INTERVAL_S", SOON)
    return says


def test_the_host_relays_what_only_it_can_ask(tmp_path: Path, vcgencmd: Path) -> None:
    root, relay = machines.pi(tmp_path / "pi"), tmp_path / "relay.json"
    vcgencmd.write_text("throttled=0x0\n")
    with relaying(relay, root):
        assert judge(watched(root, {}, relay=relay)) is None
        machines.write(tmp_path, {"says": "throttled=0xe0008\n"})
        end = time.monotonic() + PATIENCE
        while firmware.relayed(relay, root)["firmware"] == "0x0":
            assert time.monotonic() < end
        row = watched(root, {}, relay=relay)
    assert mark(row).reason.startswith("firmware says soft temperature limit, ")
    assert watched(root, {}, relay=relay)["before"]["throttled"] is True  # it is fresh for some seconds


def test_counters_that_a_container_does_not_see_are_relayed(tmp_path: Path) -> None:
    host, relay = machines.xeon(tmp_path / "host"), tmp_path / "relay.json"
    container = machines.xeon(tmp_path / "container", masked=True)
    with relaying(relay, host):
        counts = Sensors(container, machines.CORES, relay).read().counts
    # the tests' own machine may lack cores that the staged one has
    assert counts == Sensors(host).read().counts
    assert counts is not None


def test_a_relay_of_another_machine_or_another_hour_is_not_believed(tmp_path: Path) -> None:
    pi, other, path = machines.pi(tmp_path / "pi"), machines.xeon(tmp_path / "other"), tmp_path / "relay.json"
    firmware.relay(path, {"firmware": "0x4"}, pi)
    assert firmware.relayed(path, pi)["firmware"] == "0x4"
    assert firmware.relayed(path, other) == {}
    path.write_text(json.dumps({**json.loads(path.read_text()), "at": time.monotonic() - 60}))
    assert firmware.relayed(path, pi) == {}
    for text in ("", "[]", "{}", '{"at": "now"}'):
        path.write_text(text)
        assert firmware.relayed(path, pi) == {}
    path.unlink()
    assert firmware.relayed(path, pi) == {}


def test_a_machine_with_nothing_to_relay_leaves_no_old_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # a Raspberry Pi that runs the tests has a vcgencmd
    relay = machines.write(tmp_path, {"relay.json": "{}"}) / "relay.json"
    with relaying(relay, machines.virtual(tmp_path / "vm")):
        assert not relay.exists()
    assert not relay.exists()


def test_a_vcgencmd_that_may_not_ask_tells_nothing(tmp_path: Path, vcgencmd: Path) -> None:
    vcgencmd.write_text("VCHI initialization failed\n")
    with relaying(tmp_path / "relay.json", machines.pi(tmp_path / "pi")):
        assert not (tmp_path / "relay.json").exists()


# ----------------------------------------------------------------------------- the doctor


def test_the_doctor_tells_of_throttling_as_far_as_anything_does(tmp_path: Path, vcgencmd: Path) -> None:
    pi = Sensors(machines.pi(tmp_path / "pi"), machines.CORES).read()
    vcgencmd.write_text("throttled=0x50000\n")
    fact = doctor.throttling(pi)
    assert (fact.status, fact.value) == ("warn", "firmware says under-voltage occurred, throttling occurred")
    vcgencmd.write_text("throttled=0x0\n")
    assert doctor.throttling(pi).value == "none since start"
    vcgencmd.write_text("")
    assert doctor.throttling(pi).value == "not told by this machine"
    xeon = Sensors(machines.xeon(tmp_path / "xeon"), machines.CORES).read()
    assert doctor.throttling(xeon).value == "13 events since start"


def accounted(busy: int, stolen: int = 0) -> dict[str, str]:
    """/proc/stat of four cores that were `busy` and `stolen` ticks each, and idle for long."""
    rows = [f"cpu{core} {busy} 0 0 90000 500 0 0 {stolen} {busy} 0" for core in machines.CORES]
    return {"proc/stat": "\n".join(["cpu  1 2 3 4 5 6 7 8 9 0", *rows, "intr 12345 0 1"])}


def test_what_other_programs_and_the_hypervisor_take_is_told(tmp_path: Path) -> None:
    assert watched(machines.pi(tmp_path / "silent"))["others"] is None
    alone = watched(machines.write(machines.pi(tmp_path / "alone"), accounted(700)))
    assert alone["others"] == 0.0, "idle and waiting is nobody's"
    assert judge(alone) is None
    shared = watched(
        machines.write(machines.pi(tmp_path / "shared"), accounted(700)), accounted(700, stolen=10**6)
    )
    assert shared["others"] == 1.0
    assert judge(shared) == Mark("disturbed", "others took 100% of the cores' time, 61.2 °C")


def test_a_program_beside_the_run_is_seen_on_this_machine() -> None:
    spin = "import time\nend = time.time() + 60\nwhile time.time() < end: pass"
    machine = Sensors()
    beside = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(machine.cores)]
    try:
        with Watch(machine) as watch:
            time.sleep(1)
    finally:
        for process in beside:
            process.kill()
            process.wait()
    assert watch.document()["others"] > 0.5
    with Watch(machine) as watch:
        end = time.thread_time() + 0.5
        while time.thread_time() < end:
            pass
    assert watch.document()["others"] < 1 - 0.4 / machine.cores, "what the run itself does is its own"
