"""Audit verdicts are settled by numbers: the round's tolerances, from both sides of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.common.errors import ResultError
from bench.measure import audit_rules


def stream(estimate: float | None, **changes: Any) -> dict[str, Any]:
    """A SingleStream round with this early-stopping estimate in nanoseconds."""
    early = {"percentile": 90.0, "estimate_ns": estimate, "met": estimate is not None}
    return {"result": "VALID", "reasons": [], "samples_per_second": 1.0, "early_stopping": early, **changes}


def offline(rate: float, **changes: Any) -> dict[str, Any]:
    return {"result": "VALID", "reasons": [], "samples_per_second": rate, "early_stopping": None, **changes}


@pytest.mark.parametrize(
    ("test", "audit_ms", "passed"),
    [
        ("TEST01", 10.99, True),
        ("TEST01", 11.01, False),
        ("TEST01", 9.01, True),
        ("TEST01", 8.99, False),
        ("TEST05", 10.49, True),
        ("TEST05", 10.51, False),
        ("TEST05", 9.51, True),
        ("TEST05", 9.49, False),
        ("TEST04", 9.10, True),  # 9.9 % faster
        ("TEST04", 9.08, False),  # 10.1 % faster
        ("TEST04", 30.0, True),  # slower is no sign of a cache
    ],
)
def test_a_stream_of_ten_milliseconds(test: str, audit_ms: float, passed: bool) -> None:
    found = audit_rules.performance(test, "SingleStream", stream(10e6), stream(audit_ms * 1e6))
    assert found["passed"] is passed
    assert found["measured"] == 10e6
    assert bool(found["reasons"]) is not passed


@pytest.mark.parametrize(
    ("test", "rate", "passed"),
    [
        ("TEST01", 109.9, True),
        ("TEST01", 110.1, False),
        ("TEST01", 89.9, False),
        ("TEST04", 109.9, True),
        ("TEST04", 110.1, False),
        ("TEST04", 20.0, True),
        ("TEST05", 104.9, True),
        ("TEST05", 94.9, False),
    ],
)
def test_offline_of_a_hundred_samples_a_second(test: str, rate: float, passed: bool) -> None:
    found = audit_rules.performance(test, "Offline", offline(100.0), offline(rate))
    assert found["passed"] is passed
    assert found["unit"] == "samples/s"


@pytest.mark.parametrize(("scenario", "short_ns"), [("SingleStream", 200_000), ("MultiStream", 1_600_000)])
def test_a_query_shorter_than_the_machines_noise_has_a_wider_limit(scenario: str, short_ns: int) -> None:
    for measured, passed in ((short_ns, True), (short_ns + 1000, False)):
        found = audit_rules.performance("TEST05", scenario, stream(measured), stream(1.19 * measured))
        assert found["passed"] is passed


def test_an_invalid_run_settles_nothing_in_its_favour() -> None:
    bad = stream(10e6, result="INVALID", reasons=["too short"])
    for pair in ((stream(10e6), bad), (bad, stream(10e6))):
        found = audit_rules.performance("TEST01", "SingleStream", *pair)
        assert not found["passed"]
        assert "too short" in found["reasons"][0]
    found = audit_rules.performance("TEST01", "SingleStream", stream(10e6), stream(None))
    assert found["reasons"] == ["the audit run has no early-stopping estimate of the latency"]
    assert not found["passed"]


@given(st.sampled_from(list(audit_rules.TESTS)), st.floats(1, 1e12))
def test_the_same_figure_passes(test: str, figure: float) -> None:
    assert audit_rules.performance(test, "SingleStream", stream(figure), stream(figure))["passed"]
    assert audit_rules.performance(test, "Offline", offline(figure), offline(figure))["passed"]


def test_answers_that_differ_are_settled_by_their_accuracies() -> None:
    assert audit_rules.accuracy(100, 0, 0, 0.75, 0.75)["passed"]
    assert audit_rules.accuracy(100, 3, 0, 0.75, 0.755)["passed"]
    worse = audit_rules.accuracy(100, 3, 0, 0.75, 0.70)
    assert not worse["passed"]
    assert "3 of 100 answers differ" in worse["reasons"][0]
    assert not audit_rules.accuracy(0, 0, 0, 0.0, 0.0)["passed"]
    assert not audit_rules.accuracy(100, 0, 2, 0.75, 0.75)["passed"]


def test_a_config_that_loadgen_did_not_follow_is_noticed() -> None:
    for test, wanted in audit_rules.TESTS.items():
        assert audit_rules.ignored(test, {"other": 1, **wanted}) == []
        name = list(wanted)[-1]
        assert name in audit_rules.ignored(test, {**wanted, name: wanted[name] + 1})[0]
        assert (
            name in audit_rules.ignored(test, {key: value for key, value in wanted.items() if key != name})[0]
        )


def test_a_config_is_of_loadgens_form() -> None:
    for test in audit_rules.TESTS:
        lines = [line for line in audit_rules.config(test).splitlines() if not line.startswith("#")]
        settings = dict(line.split(" = ") for line in lines)
        assert settings.pop("*.*.mode") == "2"
        assert {
            name.removeprefix("*.*."): int(value) for name, value in settings.items()
        } == audit_rules.TESTS[test]


def test_a_verdict_holds_for_the_cell_as_it_was_measured(tmp_path: Path) -> None:
    result = {"id": "cell", "key": "k", "rounds": [{"started": "noon"}]}
    folder = tmp_path / "audit" / "cell" / "TEST01"
    assert audit_rules.settled(tmp_path, result, "TEST01") is None
    folder.mkdir(parents=True)
    document = {"schema": 1, "key": "k", "started": "noon", "passed": True}
    (folder / "verdict.json").write_text(json.dumps(document))
    found = audit_rules.settled(tmp_path, result, "TEST01")
    assert found
    assert found["passed"]
    assert audit_rules.settled(tmp_path, {**result, "key": "another"}, "TEST01") is None
    fresh = {**result, "rounds": [{"started": "later"}]}
    assert audit_rules.settled(tmp_path, fresh, "TEST01") is None, "measured again with the same settings"
    (folder / "verdict.json").write_text("{")
    with pytest.raises(ResultError, match="damaged verdict"):
        audit_rules.settled(tmp_path, result, "TEST01")
