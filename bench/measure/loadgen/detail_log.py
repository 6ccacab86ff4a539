"""LoadGen's detail log: the JSON after ":::MLLOG" on each line, never the summary's prose."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.common.errors import MeasureError

_MARK = ":::MLLOG"
_EFFECTIVE = "effective_"
_PERCENTILES = {"p50": "50.00", "p90": "90.00", "p95": "95.00", "p99": "99.00", "p999": "99.90"}


def read(path: Path) -> dict[str, Any]:
    """Parse mlperf_log_detail.txt: key -> value, the last one where a key repeats.

    "errors" is the list of LoadGen's error messages (its is_error lines). Raises MeasureError for a
    log that is missing, cut short or without results.
    """
    found: dict[str, Any] = {}
    errors: list[str] = []
    try:
        # Not line by line: on a loaded machine LoadGen's threads can put two records on one line.
        _, *records = path.read_text(encoding="utf-8", errors="replace").split(_MARK)
        for text in records:
            record, _ = json.JSONDecoder().raw_decode(text.lstrip())
            found[record["key"]] = record["value"]
            if record["metadata"].get("is_error"):
                errors.append(str(record["value"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MeasureError(f"LoadGen's detail log is damaged: {error}", where=str(path)) from error
    found["errors"] = errors
    return found


def outcome(log: Mapping[str, Any], scenario: str) -> dict[str, Any]:
    """What a performance run gave, as the fields of a result's round that LoadGen decides.

    Keys: used, result, reasons, early_stopping, queries, samples, samples_per_second, latency_ns.
    Latencies are nanoseconds a query; Offline has one query, whose latency says nothing: None.
    Raises MeasureError for a log without a result.
    """
    try:
        return _outcome(log, scenario)
    except KeyError as error:
        raise MeasureError(f"LoadGen logged no {error}", remedy="see LoadGen's own logs") from error


def _outcome(log: Mapping[str, Any], scenario: str) -> dict[str, Any]:
    used = {k[len(_EFFECTIVE) :]: v for k, v in log.items() if k.startswith(_EFFECTIVE)}
    valid = log["result_validity"] == "VALID"
    queries = int(log["result_query_count"])
    samples = queries * int(log["generated_samples_per_query"])
    reasons = [] if valid else _reasons(log)
    common = {
        "used": used,
        "result": "VALID" if valid else "INVALID",
        "reasons": reasons,
        "queries": queries,
        "samples": samples,
    }
    if scenario == "Offline":
        rate = float(log["result_samples_per_second"])
        return {**common, "samples_per_second": rate, "latency_ns": None, "early_stopping": None}
    latency = _latency(log)
    rate = samples / queries * 1e9 / latency["mean"] if latency["mean"] else 0.0
    return {
        **common,
        "samples_per_second": rate,
        "latency_ns": latency,
        "early_stopping": _early_stopping(log, scenario),
    }


def _latency(log: Mapping[str, Any]) -> dict[str, float]:
    found = {name: log[f"result_{name}_latency_ns"] for name in ("min", "mean", "max")}
    for name, word in _PERCENTILES.items():
        found[name] = log[f"result_{word}_percentile_latency_ns"]
    return found


def _early_stopping(log: Mapping[str, Any], scenario: str) -> dict[str, Any]:
    key = "early_stopping_latency_ss" if scenario == "SingleStream" else "early_stopping_latency_ms"
    estimate = log.get(key)
    return {
        "percentile": 100 * float(log["effective_target_latency_percentile"]),
        "estimate_ns": estimate if estimate else None,
        "met": bool(log["early_stopping_met"]),
    }


def _reasons(log: Mapping[str, Any]) -> list[str]:
    """LoadGen's own words: its advice, what early stopping lacks, its errors."""
    found = [str(log.get("result_invalid_reason", ""))]
    if not log["early_stopping_met"]:
        found.append(str(log.get("early_stopping_result", "")))
    found = [" ".join(text.replace("*", " ").split()) for text in (*found, *log["errors"])]
    return [text for text in found if text] or ["LoadGen gave no reason"]
