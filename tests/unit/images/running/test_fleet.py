"""Sharing launches among engines: families stay together, and an engine that dies costs nothing."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.common.errors import UsageError
from images.choosing.groups import Group
from images.engines.engine import Engine
from images.engines.machine import Machine
from images.running import fleet
from images.running.fleet import EngineLostError, Family, Fleet, Task
from images.running.launches import Launch


@dataclass
class Stand:
    """Stands for an engine on a machine that no test has."""

    host: str
    boot: str = ""
    cpu: str = "Cortex-A72"
    cores: int = 4
    takes_series: bool = False

    def machine(self) -> Machine:
        cpus = tuple(range(self.cores))
        return Machine(self.host, "arm64", self.cpu, (), cpus, 8 << 30, "", "", None, self.boot or self.host)

    def remove_stale(self) -> int:
        return 0


def stands(*names: str) -> list[Engine]:
    return [cast("Engine", Stand(name)) for name in names]


def task(framework: str, method: str, number: int, seconds: float = 1.0) -> Task:
    return Task(Launch(Group(framework, "m", method, "native", ()), number, ()), seconds)


TASKS = [task(f, m, r) for r in (1, 2, 3) for f in ("tflite", "pytorch", "onnxruntime") for m in ("A", "B")]


def test_one_engine_takes_everything_in_order() -> None:
    assert fleet.families(TASKS, stands("a")) == [TASKS]
    assert fleet.families([], stands("a")) == []


def test_what_is_compared_stays_on_one_engine_and_the_longest_goes_first() -> None:
    slow = [task("tflite", "slow", 1, 100.0)]
    found = fleet.families([*TASKS, *slow], stands("a", "b"))
    assert [{one.launch.group.framework for one in family} for family in found] == [
        {"tflite"}, {"pytorch"}, {"onnxruntime"},
    ]  # fmt: skip
    assert [one.launch.round for one in found[1]] == [1, 1, 2, 2, 3, 3]


@given(
    st.integers(1, 4),
    st.lists(st.integers(0, 5), min_size=1, max_size=8),
    st.dictionaries(st.integers(0, 3), st.integers(0, 6)),
)
@settings(max_examples=60)
def test_every_task_is_done_once_or_left(engines: int, sizes: list[int], deaths: dict[int, int]) -> None:
    """`deaths` says after how many tasks an engine dies."""
    names = [str(number) for number in range(engines)]
    families: list[Family] = [
        [task(f"f{number}", "m", one) for one in range(size)] for number, size in enumerate(sizes)
    ]
    done: list[Task] = []
    lives = {name: deaths.get(int(name), 10**6) for name in names}
    lock = threading.Lock()

    def measure(engine: Engine, family: Family) -> None:
        for number, one in enumerate(family):
            with lock:
                if lives[engine.host] == 0:
                    raise EngineLostError("gone", family[number:])
                lives[engine.host] -= 1
                done.append(one)

    left = Fleet(stands(*names), measure, lambda *_: None).go(list(families))
    rest = [one for family in left for one in family]
    assert sorted(map(id, [*done, *rest])) == sorted(id(one) for family in families for one in family)
    if rest:
        assert all(lives[name] == 0 for name in names), "something is left only where no engine lives"


def test_an_idle_engine_waits_for_what_a_dying_one_gives_back() -> None:
    done: list[str] = []

    def measure(engine: Engine, family: Family) -> None:
        if engine.host == "dies":
            time.sleep(0.2)
            raise EngineLostError("gone", family)
        done.append(engine.host)

    left = Fleet(stands("lives", "dies"), measure, lambda *_: None).go([[TASKS[0]], [TASKS[1]]])
    assert left == []
    assert done == ["lives", "lives"]


def test_a_programming_error_ends_the_run_and_is_not_swallowed() -> None:
    def measure(engine: Engine, family: Family) -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        Fleet(stands("a", "b"), measure, lambda *_: None).go([[TASKS[0]], [TASKS[1]]])


def test_engines_of_one_platform_must_be_alike() -> None:
    alike = [Stand("ssh://a"), Stand("ssh://b")]
    fleet.check_alike(cast("list[Engine]", alike), timed=True)
    with pytest.raises(UsageError, match=r"ssh://c is another kind of machine \(Cortex-A76"):
        fleet.check_alike(cast("list[Engine]", [*alike, Stand("ssh://c", cpu="Cortex-A76")]), timed=False)


def test_two_engines_of_one_machine_share_only_what_is_not_timed() -> None:
    same = cast("list[Engine]", [Stand("unix:///a", "boot"), Stand("unix:///b", "boot")])
    fleet.check_alike(same, timed=False)
    with pytest.raises(UsageError, match="would disturb each other"):
        fleet.check_alike(same, timed=True)
