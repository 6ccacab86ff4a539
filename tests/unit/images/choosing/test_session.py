"""The choice of a command line, and the engines that its tasks share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from invoke import Collection, Config
from invoke.parser import Parser

from bench.common.errors import UsageError
from bench.plan.cells import Filters
from images.choosing import workbench
from images.choosing.session import Session
from images.desk import line
from images.desk.line import Line, kit_task
from images.engines import machine

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of engine that were opened, in a kit that has opened none."""
    kinds: list[str] = []

    def choose(kind: str, *_: Any) -> object:
        kinds.append(kind)
        return object()

    monkeypatch.setattr(workbench, "choose", choose)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    line._session.cache_clear()
    return kinds


def session(**flags: Any) -> Session:
    return Session.open(ROOT, {**line.no_flags(), **flags})


def test_a_session_made_of_another_has_its_engines(opened: list[str]) -> None:
    first = session()
    others = [replace(first, filters=Filters(sweep="batch")), replace(first, platform="rpi4")]
    assert {id(one.workbench.engine) for one in (first, *others)} == {id(first.workbench.maker)}
    assert opened == ["auto"]


def test_the_tasks_of_a_line_share_one_session(opened: list[str]) -> None:
    seen: list[Session] = []

    def body(session: Session) -> None:
        """Look."""
        seen.append(session)
        _ = session.workbench.engines

    tasks = Collection(**{name: kit_task(name=name)(body) for name in ("one", "two")})
    words = Parser(tasks.to_contexts()).parse_argv(["one", "--framework", "tflite", "two"])
    Line(tasks, Config()).execute(*words)
    assert seen[0] is seen[1]
    assert seen[0].filters.frameworks == ("tflite",)
    assert opened == ["auto"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"engine": "dokcer"}, "Did you mean 'docker'"),
        ({"host": ["raspberrypi"]}, "'raspberrypi' names no engine"),
        ({"host": ["ssh://a,ssh://a"]}, "'ssh://a' is given twice"),
        ({"host": ["ssh://a"], "engine": "native"}, "engine native is this machine's own"),
    ],
)
def test_a_word_that_names_no_engine(opened: list[str], flags: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        session(**flags)
    assert opened == []


@pytest.mark.parametrize(
    ("platform", "threads", "cpus", "why"),
    [
        ("host", 5, (0, 2, 4, 6, 8), "5 of 10 logical CPUs: one a core"),
        ("frontera", 5, (0, 2, 4, 6, 8), "5 of 10 logical CPUs: one a core"),
        ("rpi4", 4, (0, 2, 4, 6), "as many as rpi4 has (5 of 10 logical CPUs: one a core)"),
    ],
)
def test_a_run_takes_a_logical_cpu_a_core_and_says_why(
    opened: list[str],
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    threads: int,
    cpus: tuple[int, ...],
    why: str,
) -> None:
    smt = replace(machine.local(), cpus=(0, 2, 4, 6, 8), cpus_why="5 of 10 logical CPUs: one a core")
    monkeypatch.setattr(machine, "local", lambda: smt)
    chosen = session(platform=platform)
    assert (chosen.threads, chosen.threads_why) == (threads, why)
    assert chosen.request("tflite", [], [], 1.0).cpus == cpus
    assert opened == []
