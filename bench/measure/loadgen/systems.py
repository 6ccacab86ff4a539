"""Drive LoadGen (mlcommons-loadgen): settings, system under test, and its detail log.

The Python binding costs about 1 us a query when the callback is a closure over what it needs and
the response object is reused (ConstructFastSUT), so the system under test below is closures, not
methods. Response memory lives as long as the test.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bench.common.errors import MeasureError
from bench.measure.accuracy import ANSWER_BYTES, TOP, best
from bench.measure.loadgen.settings import SEEDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.measure.samples import Library
    from bench.runtimes.base import AsyncRunner, Runner

    Issue = Callable[["list[int]", "list[int]"], None]


@dataclass(frozen=True)
class Test:
    """One LoadGen test: where it logs, its seed, and the sizes of the sample library.

    `audit` is an audit.config of the kit's own (bench.measure.audit), which overrides settings; `answers`
    makes a performance run answer as an accuracy run does.
    """

    scenario: str
    accuracy: bool
    logs: Path
    seed: int
    total_samples: int
    loaded_samples: int
    audit: Path | None = None
    answers: bool = False


def run(test: Test, attributes: Mapping[str, float], runner: Runner, library: Library) -> None:
    """Run one LoadGen test to its end; logs are in `test.logs` (made here) afterwards.

    Raises MeasureError for a stray audit.config, and whatever the runner raised inside the test.
    """
    if os.path.exists("audit.config"):
        raise MeasureError(
            "a stray audit.config would change this LoadGen test", where=os.getcwd(), remedy="remove the file"
        )
    import mlperf_loadgen as lg

    wanted = lg.TestSettings()
    wanted.scenario = getattr(lg.TestScenario, test.scenario)
    wanted.mode = lg.TestMode.AccuracyOnly if test.accuracy else lg.TestMode.PerformanceOnly
    for name in SEEDS:
        setattr(wanted, name, test.seed)
    for name, value in attributes.items():
        setattr(wanted, name, value)
    test.logs.mkdir(parents=True, exist_ok=True)
    log = lg.LogSettings()
    output = lg.LogOutputSettings()
    output.outdir = str(test.logs)
    output.copy_summary_to_stdout = False
    log.log_output = output
    log.enable_trace = False
    failure: list[BaseException] = []
    issue = _system(lg, test, runner, library, failure)
    sut = lg.ConstructFastSUT(issue, _nothing)
    load = _guarded(library.load, failure)
    qsl = lg.ConstructQSL(test.total_samples, test.loaded_samples, load, library.unload)
    try:
        lg.StartTestWithLogSettings(sut, qsl, wanted, log, *([str(test.audit)] if test.audit else []))
    finally:
        lg.DestroyQSL(qsl)
        lg.DestroyFastSUT(sut)
    if failure:
        raise failure[0]


# An exception that leaves a callback would make LoadGen abort the process at exit. So the first one is
# kept, every sample is completed all the same (which ends the test at once), and `run` raises it.


def _guarded(load: Callable[[list[int]], None], failure: list[BaseException]) -> Callable[[list[int]], None]:
    def guarded(indices: list[int]) -> None:
        try:
            load(indices)
        except BaseException as error:
            failure.append(error)

    return guarded


def _nothing() -> None:
    """Flush: nothing is buffered between issue and completion."""


def _system(lg: Any, test: Test, runner: Runner, library: Library, failure: list[BaseException]) -> Issue:
    """The system under test: the callback that gets (query ids, sample indices)."""
    queue = test.scenario == "Offline" and not test.accuracy and hasattr(runner, "start")
    if queue:
        return _queued(lg, cast("AsyncRunner", runner), library, failure, answers=test.answers)
    if test.accuracy or test.answers:
        return _answering(lg, runner, library, failure)
    if test.scenario != "Offline":
        return _streaming(lg, runner, library, failure)
    return _batched(lg, runner, library, failure)


def _streaming(lg: Any, runner: Runner, library: Library, failure: list[BaseException]) -> Issue:
    """One query is one window; answers carry no data, which LoadGen ignores in performance mode."""
    infer, window, complete = runner.run, library.window, lg.QuerySamplesComplete
    responses = [lg.QuerySampleResponse(0, 0, 0) for _ in range(runner.batch)]

    def issue(ids: list[int], indices: list[int]) -> None:
        try:
            if not failure:
                infer(window(indices))
        except BaseException as error:
            failure.append(error)
        for response, query in zip(responses, ids):
            response.id = query
        complete(responses)

    return issue


def _batched(lg: Any, runner: Runner, library: Library, failure: list[BaseException]) -> Issue:
    """The one Offline query in batches, one after another."""
    complete, response, batch = lg.QuerySamplesComplete, lg.QuerySampleResponse, runner.batch
    infer, window = runner.run, library.window

    def issue(ids: list[int], indices: list[int]) -> None:
        for first in range(0, len(ids), batch):
            try:
                if not failure:
                    infer(window(indices[first : first + batch]))
            except BaseException as error:
                failure.append(error)
            complete([response(query, 0, 0) for query in ids[first : first + batch]])

    return issue


def _queued(
    lg: Any, runner: AsyncRunner, library: Library, failure: list[BaseException], *, answers: bool
) -> Issue:
    """The one Offline query in batches, several in flight, completed from the workers' callbacks."""
    complete, response, batch = lg.QuerySamplesComplete, lg.QuerySampleResponse, runner.batch
    pending: dict[int, list[int]] = {}

    def finish(first: int) -> None:
        complete([response(query, 0, 0) for query in pending.pop(first)])

    def answer(request: Any, first: int) -> None:
        found = best(runner.logits(request))  # lives until LoadGen has copied what it wants
        complete(_responses(response, pending.pop(first), found))

    def issue(ids: list[int], indices: list[int]) -> None:
        for first in range(0, len(ids), batch):
            pending[first] = ids[first : first + batch]
        try:
            for first in range(0, len(ids), batch):
                runner.start(library.window(indices[first : first + batch]), first)
        except BaseException as error:
            failure.append(error)
        try:
            runner.wait()
        except BaseException as error:
            failure.append(error)
        for first in list(pending):  # only what failed is still here
            finish(first)

    library.release = runner.wait
    runner.on_done(answer if answers else lambda request, first: finish(first))
    return issue


def _answering(lg: Any, runner: Runner, library: Library, failure: list[BaseException]) -> Issue:
    """Accuracy: the answer of a sample is its five best classes (bench.measure.accuracy)."""
    complete, response, batch = lg.QuerySamplesComplete, lg.QuerySampleResponse, runner.batch
    answers = np.full((batch, TOP), -1, np.int64)

    def issue(ids: list[int], indices: list[int]) -> None:
        for first in range(0, len(ids), batch):
            queries = ids[first : first + batch]
            try:
                if not failure:
                    logits = runner.run(library.window(indices[first : first + batch]))
                    answers[: len(queries)] = best(logits[: len(queries)])
            except BaseException as error:
                failure.append(error)
            complete(_responses(response, queries, answers))

    return issue


def _responses(response: Any, queries: list[int], answers: NDArray[np.int64]) -> list[Any]:
    """A response for each query: its id, and where its answer is in memory."""
    start = answers.ctypes.data
    places = range(start, start + answers.nbytes, ANSWER_BYTES)
    return [response(query, place, ANSWER_BYTES) for query, place in zip(queries, places)]
