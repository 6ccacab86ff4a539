"""Many engines, one run: launches shared among the machines of a platform.

What is compared stays together: all methods and rounds of a framework x model x cap are one *family*,
taken by one machine, so that a ratio is measured on one device. An engine that dies gives its family
back; what had arrived is kept, and another engine goes on with the rest.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.common.errors import EngineError, UsageError
from images.engines.engine import Engine
from images.engines.machine import Machine
from images.running.launches import Launch


@dataclass(frozen=True)
class Task:
    """A launch and how many seconds it is predicted to take."""

    launch: Launch
    seconds: float


Family = list[Task]
# Measures tasks on an engine; raises EngineLostError where the engine died, with the tasks it did not end.
Measure = Callable[[Engine, Family], None]


class EngineLostError(EngineError):
    """An engine died; `rest` is what it had not finished."""

    def __init__(self, reason: str, rest: Family) -> None:
        super().__init__(reason)
        self.rest = rest


def families(tasks: Family, engines: Sequence[Engine]) -> list[Family]:
    """Split a run among engines, longest family first.

    A single engine takes everything in the run's own order, unless it is a swarm, which has one image a job.
    """
    if len(engines) == 1 and not engines[0].takes_series:
        return [tasks] if tasks else []
    gathered: dict[tuple[str, str, str], Family] = {}
    for task in tasks:
        group = task.launch.group
        gathered.setdefault((group.framework, group.model, group.isa), []).append(task)
    return sorted(gathered.values(), key=lambda family: -sum(task.seconds for task in family))


class Fleet:
    """Engines that take families from one queue until it is empty or the last engine is lost."""

    def __init__(
        self, engines: Sequence[Engine], measure: Measure, lost: Callable[[Engine, str], None]
    ) -> None:
        self._engines, self._measure, self._lost = engines, measure, lost
        self._waiting: deque[Family] = deque()
        self._busy = 0
        self._change = threading.Condition()
        self._stopped = False
        self._errors: list[BaseException] = []

    def go(self, todo: list[Family]) -> list[Family]:
        """Measure the families and return those that no engine was left for.

        One engine works in this thread, so that Ctrl-C reaches its container as ever.
        """
        self._waiting.extend(todo)
        if len(self._engines) == 1:
            self._work(self._engines[0])
        else:
            self._threads()
        if self._errors:
            raise self._errors[0]
        return list(self._waiting)

    def _threads(self) -> None:
        threads = [threading.Thread(target=self._work, args=(engine,)) for engine in self._engines]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:
            self._stopped = True
            for engine in self._engines:  # ends the containers that the threads wait for
                engine.remove_stale()
            for thread in threads:
                thread.join()
            raise

    def _work(self, engine: Engine) -> None:
        while (family := self._next()) is not None:
            try:
                self._measure(engine, family)
                self._done([])
            except EngineLostError as error:
                self._lost(engine, error.message)
                self._done(error.rest)
                return
            except BaseException as error:
                self._errors.append(error)
                self._stopped = True
                self._done([])
                return

    def _next(self) -> Family | None:
        """The next family; waits while another engine may still give one back."""
        with self._change:
            while not self._waiting and self._busy and not self._stopped:
                self._change.wait(1.0)
            if self._stopped or not self._waiting:
                return None
            self._busy += 1
            return self._waiting.popleft()

    def _done(self, rest: Family) -> None:
        with self._change:
            self._busy -= 1
            if rest:
                self._waiting.appendleft(rest)
            self._change.notify_all()


def check_alike(engines: Sequence[Engine], *, timed: bool) -> None:
    """Raise UsageError for engines whose results would not be one platform's.

    Two engines of one machine may share work only where nothing is `timed`: they disturb each other.
    """
    machines = {engine.host: engine.machine() for engine in engines}
    first = next(iter(machines.values()))
    for host, one in machines.items():
        if _kind(one) != _kind(first):
            raise UsageError(
                f"{host} is another kind of machine ({_told(one)}) than {engines[0].host} ({_told(first)})",
                where="--host",
                remedy="one run speaks of one platform: start a run of its own for it, with --name",
            )
    if timed and len({one.boot for one in machines.values()}) < len(machines):
        raise UsageError(
            f"{' and '.join(machines)} are engines of one machine and would disturb each other's timings",
            where="--host",
            remedy="name one engine a machine; only profile smoke may share one",
        )


def _kind(one: Machine) -> tuple[object, ...]:
    return one.arch, one.cpu_model, one.flags, len(one.cpus)


def _told(one: Machine) -> str:
    return f"{one.cpu_model}, {len(one.cpus)} cores, {one.arch}"
