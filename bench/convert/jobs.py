"""Jobs in child processes, two at a time where there is memory, each on cores of its own.

Converters keep the memory they took, and one that is killed or fails in C++ takes its process down: so both
go no further than a job. Most of a conversion uses one core, and threads of two frameworks that share cores
spend their time waiting for each other. Children are forked, from a parent that has imported no framework
and runs a single thread.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic, TypeVar

Step = TypeVar("Step")
Send = Callable[[Mapping[str, Any]], None]

#: Jobs at a time, where memory has room for them.
_WORKERS = 2
_PR_SET_PDEATHSIG = 1
_FORK = multiprocessing.get_context("fork")


@dataclass
class Job(Generic[Step]):
    """Steps to take one after the other in one process, once all jobs are done that `blocks` names.

    `stage` and `subject` order jobs: one waits for those of an earlier stage with its subject, or with "any".
    `memory` is what its process takes at most, in bytes.
    """

    stage: int
    subject: str
    steps: list[Step]
    memory: int = 0

    def waits_for(self, other: Job[Step]) -> bool:
        """Whether this job starts from what the other makes."""
        return other.stage < self.stage and other.subject in ("any", self.subject)


class Crew(Generic[Step]):
    """Runs jobs to their end.

    `work(steps, scratch, send)` is called in the child. It sends one message for each finished step, in their
    order, and any number marked {"event": "progress"}. `receive(step, message)` gets them in this process;
    for a step at which the child died the message is {"event": "error", "message": why}, and a new child
    goes on with the step after it. `scratch`, a directory in `parent`, is there as long as the child.
    Jobs run beside others only where `room` bytes hold the memory of them all.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Step], Path, Send], None],
        receive: Callable[[Step, Mapping[str, Any]], None],
        parent: Path,
        room: int,
    ) -> None:
        self._work = work
        self._receive = receive
        self._parent = parent
        self._room = room
        cores = sorted(os.sched_getaffinity(0))
        self._idle = [set(cores[start::_WORKERS]) for start in range(min(_WORKERS, len(cores)))]

    def run(self, jobs: Sequence[Job[Step]]) -> None:
        """Run all jobs; whatever ends this call ends its children."""
        waiting, running = list(jobs), dict[Connection, _Child[Step]]()
        try:
            while waiting or running:
                for job in list(waiting):
                    busy = [child.job for child in running.values()]
                    fits = sum(one.memory for one in [*busy, job]) <= self._room or not busy
                    if self._idle and fits and not any(map(job.waits_for, [*waiting, *busy])):
                        waiting.remove(job)
                        child = _Child(job, self._idle.pop(), self._work, self._parent)
                        running[child.messages] = child
                for connection in wait(list(running)):
                    child = running[connection]  # type: ignore[index]
                    if not self._next(child):
                        del running[child.messages]
                        self._idle.append(child.cores)
                        if child.job.steps:
                            waiting.insert(0, child.job)
        finally:
            for child in running.values():
                child.kill()

    def _next(self, child: _Child[Step]) -> bool:
        """Pass a message on; return False if there are no more of them."""
        try:
            message = child.messages.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            reason = child.end()
            if child.job.steps:
                self._receive(child.job.steps.pop(0), {"event": "error", "message": reason})
            return False
        if message["event"] == "progress":
            self._receive(child.job.steps[0], message)
        else:
            self._receive(child.job.steps.pop(0), message)
        return True


class _Child(Generic[Step]):
    """A job in work: its process, and the messages it sends."""

    def __init__(
        self,
        job: Job[Step],
        cores: set[int],
        work: Callable[[Sequence[Step], Path, Send], None],
        parent: Path,
    ) -> None:
        self.job = job
        self.cores = cores
        self._scratch = Path(tempfile.mkdtemp(prefix=".tmp-", dir=parent))
        self.messages, sender = _FORK.Pipe(duplex=False)
        arguments = (os.getpid(), cores, work, job.steps, self._scratch, sender)
        self._process = _FORK.Process(target=_child, args=arguments)
        self._process.start()
        sender.close()  # the child's end is the only one left, so that its death is the end of messages

    def kill(self) -> None:
        self._process.kill()
        self.end()

    def end(self) -> str:
        """Wait for the process, which is about to be over; return how it ended."""
        self._process.join()
        self.messages.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
        return _explain(self._process.exitcode or 0)


def _child(
    parent: int,
    cores: set[int],
    work: Callable[[Sequence[Any], Path, Send], None],
    steps: Sequence[Any],
    scratch: Path,
    sender: Connection,
) -> None:
    _die_with(parent)
    os.sched_setaffinity(0, cores)  # before any framework counts them
    os.environ["TMPDIR"] = str(scratch)  # in a container /tmp is memory, and small
    tempfile.tempdir = None
    work(list(steps), scratch, sender.send)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)


def _explain(code: int) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), most likely because memory ran out"
    if code < 0:
        return f"its process crashed ({signal.Signals(-code).name})"
    return f"its process ended early, with exit code {code}"
