"""Result files: valid on write and on load, replaced atomically, appended once a round."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bench.common.errors import ResultError
from bench.store import results

KEY = "a" * 64


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A round as bench.measure.launch writes it."""
    quiet = {"governor": None, "frequency_mhz": 2600.0, "temperature_c": None, "throttled": None}
    latency = dict.fromkeys(("min", "mean", "p50", "p90", "p95", "p99", "p999", "max"), 1000)
    made: dict[str, Any] = {
        "round": number,
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 2.0,
        "machine": "vm-0123abcd",
        "load_seconds": 0.5,
        "first_inference_seconds": 0.02,
        "memory": {"baseline_bytes": 1, "loaded_bytes": 2, "ran_bytes": 3},
        "calibration": {"calls": 3, "seconds_per_call": 0.001},
        "used": {"min_query_count": 64},
        "result": "VALID",
        "reasons": [],
        "early_stopping": {"percentile": 90, "estimate_ns": 1000, "met": True},
        "queries": 64,
        "samples": 64,
        "samples_per_second": 100.0,
        "latency_ns": latency,
        "peak_memory_bytes": 1,
        "before": quiet,
        "after": quiet,
        "logs": "loadgen/x/round-1",
    }
    return {**made, **changes}


def result(*rounds: dict[str, Any]) -> dict[str, Any]:
    """A valid result with these rounds."""
    return {
        "schema": results.SCHEMA,
        "id": "x",
        "key": KEY,
        "cell": {
            "platform": "host",
            "stack": "current",
            "framework": "openvino",
            "model": "mobilenet_v2",
            "weights": "probe",
            "method": "FP32",
            "scenario": "SingleStream",
            "batch": 1,
            "isa": "native",
        },
        "profile": "quick",
        "dataset": "fashion-mnist",
        "performance": True,
        "rounds_planned": 3,
        "asked": {"min_queries": 64},
        "artifact": {"sha256": "b" * 64, "bytes": 1, "files": ["model.xml"]},
        "environment": {
            "engine": {"kind": "native", "image": "openvino", "digest": None},
            "lock": "c" * 64,
            "code": "d" * 64,
            "emulated": False,
            "cpu_model": "unknown",
            "cpu_flags": [],
            "machine": "x86_64",
            "kernel": "6.1",
            "cores": 2,
            "threads": 2,
            "memory_limit_bytes": None,
        },
        "versions": {"openvino": "1"},
        "seeds": {"loadgen": 1},
        "evidence": {"summary": "", "facts": {}, "warnings": []},
        "judged": False,
        "agreement": None,
        "agreement_reason": "not measured yet",
        "accuracy": None,
        "accuracy_reason": "none asked",
        "rounds": list(rounds),
    }


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    path = results.path_of(tmp_path, "x")
    results.save(path, result(row(1)))
    assert path == tmp_path / "cells" / "x.json"
    assert results.load(path) == result(row(1))
    assert os.listdir(path.parent) == ["x.json"]


def test_a_round_is_appended_once_and_in_order() -> None:
    once = results.with_round(result(row(2)), row(1))
    twice = results.with_round(once, row(1, queries=99))
    assert [r["round"] for r in twice["rounds"]] == [1, 2]
    assert twice["rounds"][0]["queries"] == 64
    assert results.has_round(twice, 2)
    assert not results.has_round(twice, 3)
    assert not results.has_round(None, 1)


def test_a_file_cut_in_half_names_itself_and_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    results.save(path, result(row(1)))
    path.write_text(path.read_text()[:500])
    with pytest.raises(ResultError, match="damaged result") as caught:
        results.load(path)
    assert str(path) in str(caught.value)
    assert "--fresh" in caught.value.remedy


@pytest.mark.parametrize("text", ["", "[]", "null", "\x00\x00", "\udcff"])
def test_what_is_no_result_is_a_result_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ResultError):
        results.load(path)


@pytest.mark.parametrize("schema", [results.SCHEMA + 1, 0, None, "1"])
def test_another_schema_is_named_and_damaged(tmp_path: Path, schema: object) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**result(row(1)), "schema": schema}))
    with pytest.raises(ResultError, match=f"schema {schema!r}, expected {results.SCHEMA}") as caught:
        results.load(path)
    assert not isinstance(caught.value, results.OlderResultError)


def test_a_result_of_an_older_kit_can_be_told_from_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"schema": results._OLDEST - 1, "id": "x"}))
    with pytest.raises(results.OlderResultError):
        results.load(path)


@pytest.mark.parametrize("bits", ["", "0", "FF", "0x", "ff "])
def test_correctness_bits_are_whole_bytes_of_hex(tmp_path: Path, bits: str) -> None:
    accuracy = {"scenario": "Offline", "samples": 0, "top1_correct": 0, "top5_correct": 0, "logs": "l"}
    document = {**result(row(1)), "accuracy": {**accuracy, "top1_correct_bits": bits}}
    if bits:
        with pytest.raises(ResultError, match="accuracy"):
            results.save(tmp_path / "x.json", document)
    else:
        results.save(tmp_path / "x.json", document)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    document = result(row(1))
    del document["rounds"][0]["queries"]
    path.write_text(json.dumps(document))
    with pytest.raises(ResultError, match="queries"):
        results.load(path)


def test_another_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert results.open_for(path, KEY) is None
    results.save(path, result(row(1)))
    assert results.open_for(path, KEY) == result(row(1))
    with pytest.raises(ResultError, match="another key"):
        results.open_for(path, "d" * 64)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_nan_is_written_or_read(tmp_path: Path, number: float) -> None:
    path = tmp_path / "x.json"
    bad = result(row(1, samples_per_second=number))
    with pytest.raises(ResultError):
        results.save(path, bad)
    assert not path.exists()
    path.write_text(json.dumps(bad))
    with pytest.raises(ResultError, match="is not JSON"):
        results.load(path)


def test_a_refused_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    results.save(path, result(row(1)))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResultError, match="No space left") as caught:
        results.save(path, result(row(1), row(2)))
    assert "free disk space" in caught.value.remedy
    assert results.load(path) == result(row(1))
    assert os.listdir(tmp_path) == ["x.json"]
