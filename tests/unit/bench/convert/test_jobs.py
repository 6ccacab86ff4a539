"""bench.convert.jobs: order of jobs, what a crash costs, what is left behind."""

from __future__ import annotations

import faulthandler
import os
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.convert.jobs import Crew, Job, Send

Message = Mapping[str, Any]


def work(steps: Sequence[str], scratch: Path, send: Send) -> None:
    """A step is done, unless its name says that it ends its process."""
    for step in steps:
        if step == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if step == "aborts":
            faulthandler.disable()  # pytest's, which would print this process's stack
            os.abort()
        if step == "leaves":
            os._exit(3)
        if step == "slow":
            time.sleep(60)
        (scratch / step).write_text(tempfile.gettempdir())
        send({"event": "progress", "done": 0})
        send({"event": "made", "step": step, "pid": os.getpid(), "time": time.monotonic()})


def run(tmp_path: Path, *jobs: Job[str], room: int = 0) -> list[tuple[str, Message]]:
    received: list[tuple[str, Message]] = []
    Crew(work, lambda step, message: received.append((step, message)), tmp_path, room).run(jobs)
    assert list(tmp_path.iterdir()) == [], "scratch directories go with their process"
    return [(step, message) for step, message in received if message["event"] != "progress"]


def test_every_step_is_taken_once_and_answers_for_itself(tmp_path: Path) -> None:
    received = run(tmp_path, Job(0, "a", ["one", "two"]), Job(0, "b", ["three"]))
    assert sorted(step for step, _ in received) == ["one", "three", "two"]
    assert all(step == message["step"] for step, message in received)
    assert all(message["pid"] != os.getpid() for _, message in received)


def test_a_job_waits_for_earlier_stages_of_its_subject_only(tmp_path: Path) -> None:
    last, first, other = Job(1, "a", ["last"]), Job(0, "a", ["first"]), Job(0, "b", ["other"])
    assert last.waits_for(first)
    assert last.waits_for(Job(0, "any", ["data"]))
    assert not last.waits_for(other)
    assert not first.waits_for(last)
    when = {step: message["time"] for step, message in run(tmp_path, last, first, other)}
    assert when["first"] < when["last"]


@pytest.mark.parametrize(
    ("step", "reason"),
    [("killed", "memory ran out"), ("aborts", "SIGABRT"), ("leaves", "exit code 3")],
)
def test_a_step_that_ends_its_process_fails_alone_and_says_why(
    tmp_path: Path, step: str, reason: str
) -> None:
    received = run(tmp_path, Job(0, "a", ["before", step, "after"]), Job(1, "a", ["later"]))
    assert [name for name, _ in received] == ["before", step, "after", "later"]
    assert [message["event"] for _, message in received] == ["made", "error", "made", "made"]
    assert reason in received[1][1]["message"]
    assert received[0][1]["pid"] != received[2][1]["pid"]


def test_an_interruption_leaves_no_process_behind(tmp_path: Path) -> None:
    pids = []

    def receive(step: str, message: Message) -> None:
        if message["event"] == "made":
            pids.append(message["pid"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Crew(work, receive, tmp_path, 0).run([Job(0, "a", ["one", "slow"])])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_temporary_files_of_a_job_go_to_its_scratch_directory(tmp_path: Path) -> None:
    def look(steps: Sequence[str], scratch: Path, send: Send) -> None:
        send({"event": "made", "same": tempfile.gettempdir() == os.environ["TMPDIR"] == str(scratch)})

    received: list[Message] = []
    Crew(look, lambda step, message: received.append(message), tmp_path, 0).run([Job(0, "a", ["one"])])
    assert received[0]["same"]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_jobs_side_by_side_share_no_core(tmp_path: Path) -> None:
    def look(steps: Sequence[str], scratch: Path, send: Send) -> None:
        time.sleep(0.2)
        send({"event": "made", "cores": os.sched_getaffinity(0)})

    received: list[Message] = []
    jobs = [Job(0, "a", ["one"]), Job(0, "b", ["two"])]
    Crew(look, lambda step, message: received.append(message), tmp_path, 0).run(jobs)
    assert not received[0]["cores"] & received[1]["cores"]
    assert received[0]["cores"] | received[1]["cores"] == os.sched_getaffinity(0)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core runs one job at a time")
@pytest.mark.parametrize(("room", "together"), [(10, True), (9, False), (1, False)])
def test_jobs_run_beside_each_other_where_memory_has_room_for_both(
    tmp_path: Path, room: int, together: bool
) -> None:
    spans: dict[str, list[float]] = {}

    def span(steps: Sequence[str], scratch: Path, send: Send) -> None:
        started = time.monotonic()
        time.sleep(0.5)
        send({"event": "made", "span": [started, time.monotonic()]})

    jobs = [Job(0, "a", ["one"], 5), Job(0, "b", ["two"], 5)]
    Crew(span, lambda step, message: spans.update({step: message["span"]}), tmp_path, room).run(jobs)
    (_, ended), (started, _) = sorted(spans.values())
    assert (started < ended) is together, "and a job larger than the room runs all the same, alone"
