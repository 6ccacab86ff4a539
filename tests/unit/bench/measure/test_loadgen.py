"""LoadGen's settings, its detail log, and the system under test around a LoadGen made of paper."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.common.errors import MeasureError
from bench.measure import warmup
from bench.measure.loadgen import detail_log, settings, systems
from bench.measure.loadgen.settings import Pace
from bench.measure.samples import Library
from bench.runtimes import evidence

Array = npt.NDArray[np.float32]
ASKED = {"min_queries": 64, "min_duration": 1, "max_duration": 5, "percentile": 90, "samples_per_query": 8}


# ------------------------------------------------------------------------------------------- settings


def test_streams_are_told_half_the_latency() -> None:
    found = settings.settings("SingleStream", ASKED, 1, Pace(3, 0.01))
    assert found.attributes == {
        "min_duration_ms": 1000,
        "min_query_count": 64,
        "max_duration_ms": 5000,
        "single_stream_expected_latency_ns": 5_000_000,
        "single_stream_target_latency_percentile": 0.9,
    }
    assert found.shortfall == ()


def test_multistream_has_its_own_names() -> None:
    found = settings.settings("MultiStream", {**ASKED, "percentile": 99}, 8, Pace(3, 0.01)).attributes
    assert found["multi_stream_samples_per_query"] == 8
    assert found["multi_stream_target_latency_percentile"] == 0.99
    assert found["multi_stream_expected_latency_ns"] == 5_000_000


@given(
    seconds=st.floats(1e-4, 20),
    batch=st.integers(1, 64),
    flying=st.integers(1, 4),
    least=st.integers(1, 30000),
    shortest=st.floats(0, 600),
    longest=st.floats(0, 600),
)
def test_offline_issues_whole_batches_and_owns_up(
    seconds: float, batch: int, flying: int, least: int, shortest: float, longest: float
) -> None:
    asked = {"min_queries": least, "min_duration": shortest, "max_duration": longest, "percentile": 90}
    found = settings.settings("Offline", asked, batch, Pace(1, seconds, flying))
    count = found.attributes["min_query_count"]
    assert count > 0
    assert count % (batch * flying) == 0
    # LoadGen takes the larger of min_query_count and 1.1 x qps x duration: it must be the former.
    assert 1.1 * found.attributes["offline_expected_qps"] * shortest <= count
    assert bool(found.shortfall) == (count < least)
    if longest:
        assert count == batch * flying or count * seconds / batch <= longest * 1.0001
    else:
        assert count >= least


def test_a_capped_offline_says_why() -> None:
    found = settings.settings("Offline", ASKED, 32, Pace(1, 8.0))
    assert found.attributes["min_query_count"] == 32
    assert "64 samples asked, 32 issued" in found.shortfall[0]
    assert "max_duration" in found.shortfall[0]


# ----------------------------------------------------------------------------------------- detail log


def write_log(path: Path, facts: dict[str, Any], errors: Iterable[str] = ()) -> Path:
    lines = [{"key": k, "value": v, "metadata": {}} for k, v in facts.items()]
    lines += [{"key": "error_runtime", "value": v, "metadata": {"is_error": True}} for v in errors]
    path.write_text("noise\n" + "".join(f":::MLLOG {json.dumps(line)}\n" for line in lines))
    return path


def stream(**changes: Any) -> dict[str, Any]:
    """The keys of a SingleStream log that matter (LoadGen 6.0.17)."""
    names = ("min", "max", "mean", "50.00_percentile", "90.00_percentile", "95.00_percentile")
    facts: dict[str, Any] = {f"result_{name}_latency_ns": 1000 for name in names}
    facts |= {"result_99.00_percentile_latency_ns": 2000, "result_99.90_percentile_latency_ns": 3000}
    facts |= {"effective_target_latency_percentile": 0.9, "effective_min_query_count": 64}
    facts |= {"generated_samples_per_query": 1, "result_query_count": 100, "early_stopping_latency_ss": 1500}
    return {**facts, "result_validity": "VALID", "early_stopping_met": True, **changes}


def test_a_valid_stream(tmp_path: Path) -> None:
    found = detail_log.outcome(detail_log.read(write_log(tmp_path / "log", stream())), "SingleStream")
    assert found["result"] == "VALID"
    assert found["reasons"] == []
    assert found["queries"] == found["samples"] == 100
    assert found["samples_per_second"] == 1e6
    assert found["latency_ns"]["p999"] == 3000
    assert found["latency_ns"]["p90"] == 1000
    assert found["early_stopping"] == {"percentile": 90, "estimate_ns": 1500, "met": True}
    assert found["used"] == {"target_latency_percentile": 0.9, "min_query_count": 64}


def test_an_invalid_stream_keeps_loadgens_words(tmp_path: Path) -> None:
    facts = stream(
        result_validity="INVALID",
        early_stopping_met=False,
        early_stopping_latency_ss=0,
        early_stopping_result=" * Only processed 5 queries.\n * Need to process at least 64 queries.",
        result_invalid_reason="Decrease the expected latency.\n",
    )
    log = detail_log.read(write_log(tmp_path / "log", facts, ["Ending early: Ran out of generated queries"]))
    found = detail_log.outcome(log, "SingleStream")
    assert found["reasons"] == [
        "Decrease the expected latency.",
        "Only processed 5 queries. Need to process at least 64 queries.",
        "Ending early: Ran out of generated queries",
    ]
    assert found["early_stopping"] == {"percentile": 90, "estimate_ns": None, "met": False}


def test_multistream_counts_samples(tmp_path: Path) -> None:
    facts = stream(generated_samples_per_query=8, early_stopping_latency_ms=1700)
    found = detail_log.outcome(detail_log.read(write_log(tmp_path / "log", facts)), "MultiStream")
    assert found["samples"] == 800
    assert found["samples_per_second"] == 8e6
    assert found["early_stopping"]["estimate_ns"] == 1700


def test_offline_has_a_rate_and_no_latency(tmp_path: Path) -> None:
    facts = stream(result_query_count=1, generated_samples_per_query=96, result_samples_per_second=321.5)
    found = detail_log.outcome(detail_log.read(write_log(tmp_path / "log", facts)), "Offline")
    assert found["samples"] == 96
    assert found["samples_per_second"] == 321.5
    assert found["latency_ns"] is None
    assert found["early_stopping"] is None


@pytest.mark.parametrize("text", [":::MLLOG {", ":::MLLOG 3\n", ':::MLLOG {"key": "x"}\n'])
def test_a_log_cut_short_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "log").write_text(text)
    with pytest.raises(MeasureError, match="detail log is damaged"):
        detail_log.read(tmp_path / "log")


def test_two_records_on_one_line_are_both_read(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log", stream(result_invalid_reason="one\n"), ["two"])
    whole = detail_log.read(path)
    path.write_text(path.read_text().replace("}\n:::", "}:::") + "\n\n")
    assert detail_log.read(path) == whole
    path.write_text(path.read_text().replace('"result_query_count"', '"result_qu:::MLLOG {"'))
    with pytest.raises(MeasureError, match="detail log is damaged"):
        detail_log.read(path)


def test_a_missing_log_or_result_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MeasureError):
        detail_log.read(tmp_path / "none")
    with pytest.raises(MeasureError, match="result_validity"):
        detail_log.outcome(detail_log.read(write_log(tmp_path / "log", {})), "Offline")


# ------------------------------------------------------------------------------------------- samples


@given(data=st.data(), batch=st.integers(1, 8), layout=st.sampled_from(["NCHW", "NHWC"]))
def test_every_window_holds_the_samples_asked_for(data: st.DataObject, batch: int, layout: str) -> None:
    images = np.arange(12 * 3 * 2 * 2, dtype=np.float32).reshape(12, 3, 2, 2)
    library = Library(images, layout, batch, 12, lambda: None)
    loaded = data.draw(st.lists(st.integers(0, 11), min_size=1, max_size=12, unique=True))
    library.load(loaded)
    wanted = data.draw(st.lists(st.sampled_from(loaded), min_size=1, max_size=batch))
    start = library.window(wanted)
    window = library.store[start : start + batch]
    expected = images[wanted] if layout == "NCHW" else np.moveaxis(images[wanted], 1, -1)
    assert window.shape[0] == batch
    assert start in library.starts()
    np.testing.assert_array_equal(window[: len(wanted)], expected)


def test_consecutive_samples_are_views_even_across_the_end() -> None:
    library = Library(np.zeros((8, 3, 2, 2), np.float32), "NCHW", 4, 8, lambda: None)
    library.load([3, 1, 4, 0, 5, 7, 2, 6])
    assert library.window([1, 4, 0, 5]) == 1
    assert library.window([2, 6, 3, 1]) == 6
    scratch = library.starts()[-1]
    assert scratch not in (1, 6)
    assert library.window([3, 4, 1, 0]) == scratch
    assert library.store.ctypes.data % 64 == 0


def test_samples_that_loadgen_repeats_to_pad_the_set_are_not_gathered_inside_the_clock() -> None:
    """MultiStream's set arrives with its first batch - 1 samples once more; queries wrap at either end."""
    library = Library(np.zeros((16, 3, 2, 2), np.float32), "NCHW", 8, 16, lambda: None)
    loaded = [int(index) for index in np.random.default_rng(7).permutation(16)]
    library.load([*loaded, *loaded[:7]])
    scratch = library.starts()[-1]
    queries = [[loaded[(first + step) % 16] for step in range(8)] for first in range(16)]
    assert [library.window(query) for query in queries] == list(range(16))
    assert scratch == 16 + 7


# ------------------------------------------------------------------------------------ system under test


class Response:
    """QuerySampleResponse."""

    def __init__(self, query: int, data: int, size: int) -> None:
        self.id, self.data, self.size = query, data, size


class Paper:
    """As much of mlperf_loadgen as the system under test uses."""

    QuerySampleResponse = Response

    def __init__(self) -> None:
        self.completed: list[int] = []
        self.answers: dict[int, int] = {}  # query -> first class, of responses that hold an answer

    def QuerySamplesComplete(self, responses: list[Response]) -> None:  # noqa: N802 (LoadGen's name)
        self.completed += [response.id for response in responses]
        held = [response for response in responses if response.size]
        self.answers |= {one.id: ctypes.c_int64.from_address(one.data).value for one in held}


class Echo:
    """A runner that remembers what it saw, and fails at the n-th call if told to.

    An image's best class is its first pixel.
    """

    def __init__(self, batch: int, library: Library, fail_at: int = -1) -> None:
        self.batch, self.library, self.fail_at = batch, library, fail_at
        self.seen: list[list[float]] = []

    def bind(self, store: Array, starts: Iterable[int]) -> None:
        """Nothing to prepare."""

    def run(self, start: int) -> Array:
        if len(self.seen) == self.fail_at:
            raise RuntimeError("kernel panic")
        pixels = self.library.store[start : start + self.batch, 0, 0, 0]
        self.seen.append(pixels.tolist())
        logits: Array = np.eye(10, dtype=np.float32)[pixels.astype(int)]
        return logits

    def evidence(self) -> evidence.Evidence:
        return evidence.Evidence("")


class Queue(Echo):
    """An asynchronous runner whose work is done in `wait`, in reverse order."""

    in_flight = 2

    def __init__(self, batch: int, library: Library, fail_at: int = -1) -> None:
        super().__init__(batch, library, fail_at)
        self.waiting: list[tuple[int, Any]] = []
        self.done: Callable[[Any, Any], None] = lambda request, userdata: None

    def start(self, start: int, userdata: object) -> None:
        self.waiting.append((start, userdata))

    def on_done(self, done: Callable[[Any, Any], None]) -> None:
        self.done = done

    def logits(self, request: Array) -> Array:
        return request

    def wait(self) -> None:
        while self.waiting:
            start, userdata = self.waiting.pop()
            self.done(self.run(start), userdata)


def system(
    scenario: str,
    runner_type: type[Echo],
    batch: int,
    fail_at: int = -1,
    *,
    accuracy: bool = False,
    answers: bool = False,
) -> tuple[Any, Paper, Echo, list[BaseException]]:
    images = np.arange(8, dtype=np.float32).repeat(12).reshape(8, 3, 2, 2)
    library = Library(images, "NCHW", batch, 8, lambda: None)
    library.load(range(8))
    paper, failure = Paper(), list[BaseException]()
    runner = runner_type(batch, library, fail_at)
    test = systems.Test(scenario, accuracy, Path("unused"), 0, 8, 8, answers=answers)
    return systems._system(paper, test, runner, library, failure), paper, runner, failure


def test_singlestream_completes_its_query() -> None:
    issue, paper, runner, _ = system("SingleStream", Echo, 1)
    issue([70], [5])
    issue([71], [2])
    assert paper.completed == [70, 71]
    assert runner.seen == [[5.0], [2.0]]


@pytest.mark.parametrize("kind", [Echo, Queue])
def test_offline_completes_every_sample_once(kind: type[Echo]) -> None:
    issue, paper, runner, failure = system("Offline", kind, 4)
    issue(list(range(100, 110)), [0, 1, 2, 3, 4, 5, 6, 7, 0, 1])
    assert sorted(paper.completed) == list(range(100, 110))
    assert not failure
    assert sorted(runner.seen) == [[0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]


@pytest.mark.parametrize("kind", [Echo, Queue])
@pytest.mark.parametrize("fail_at", [0, 1])
def test_a_failing_model_still_completes_every_sample(kind: type[Echo], fail_at: int) -> None:
    issue, paper, _, failure = system("Offline", kind, 4, fail_at)
    issue(list(range(8)), list(range(8)))
    assert sorted(paper.completed) == list(range(8))
    assert str(failure[0]) == "kernel panic"


@pytest.mark.parametrize(("scenario", "batch"), [("SingleStream", 1), ("MultiStream", 4), ("Offline", 4)])
def test_accuracy_completes_every_sample_even_when_it_fails(scenario: str, batch: int) -> None:
    issue, paper, _, failure = system(scenario, Echo, batch, 1, accuracy=True)
    for first in range(0, 8, batch):
        issue(list(range(first, first + batch)), list(range(first, first + batch)))
    assert paper.completed == list(range(8))
    assert failure


@pytest.mark.parametrize(
    ("scenario", "batch", "kind"),
    [("SingleStream", 1, Echo), ("MultiStream", 4, Echo), ("Offline", 4, Echo), ("Offline", 4, Queue)],
)
def test_a_performance_run_that_is_audited_answers(scenario: str, batch: int, kind: type[Echo]) -> None:
    issue, paper, _, failure = system(scenario, kind, batch, answers=True)
    step = 10 if scenario == "Offline" else batch
    images = [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]
    for first in range(0, len(images) // step * step, step):
        issue(list(range(first, first + step)), images[first : first + step])
    assert paper.answers == {query: images[query] for query in range(len(paper.completed))}
    assert len(paper.completed) >= 8
    assert not failure


def test_an_audited_queue_that_fails_still_completes_every_sample() -> None:
    issue, paper, _, failure = system("Offline", Queue, 4, 1, answers=True)
    issue(list(range(8)), list(range(8)))
    assert sorted(paper.completed) == list(range(8))
    assert failure


@given(images=st.lists(st.integers(0, 7), min_size=1, max_size=24))
def test_a_queue_never_gathers_over_rows_that_are_still_read(images: list[int]) -> None:
    issue, paper, _, failure = system("Offline", Queue, 4, answers=True)
    issue(list(range(len(images))), images)
    assert paper.answers == dict(enumerate(images))
    assert not failure


def test_the_same_sample_all_the_time_is_gathered_once_and_stays_in_flight() -> None:
    issue, _, runner, _ = system("Offline", Queue, 4)
    seen_at_release: list[int] = []
    runner.library.release = lambda: seen_at_release.append(len(runner.seen))
    issue(list(range(16)), [3] * 16)
    assert seen_at_release == [0]  # nothing was waited for before the end
    assert runner.seen == [[3.0] * 4] * 4


def test_a_stray_audit_config_stops_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audit.config").write_text("*.*.mode = 1\n")
    test = systems.Test("Offline", False, tmp_path / "logs", 0, 8, 8, audit=tmp_path / "own" / "audit.config")
    library = Library(np.zeros((8, 3, 2, 2), np.float32), "NCHW", 1, 8, lambda: None)
    with pytest.raises(MeasureError, match="stray"):
        systems.run(test, {}, Echo(1, library), library)


def test_calibration_takes_the_fastest_call() -> None:
    images = np.zeros((8, 3, 2, 2), np.float32)
    library = Library(images, "NCHW", 4, 8, lambda: None)
    runner = Echo(4, library)
    found = warmup.warm_up(runner, "Offline", 8, warm_calls=3)
    assert found.calls >= 3
    assert 0 < found.seconds_per_call < 0.15
    assert len(runner.seen) == found.calls + 3
