"""MLPerf Inference v2.1's audit tests of image classification, and what their numbers must show.

Each test is one more performance run of a cell, with an audit.config that overrides LoadGen's settings.
Source: compliance/nvidia/TEST01, TEST04 and TEST05 of mlcommons/inference at v2.1, whose criteria hold here;
where the text and a script there disagree, the text counts. Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.common.errors import ResultError

SCHEMA = 1
#: What each test is for, and the settings it overrides, by LoadGen's names.
TESTS: Mapping[str, Mapping[str, int]] = {
    "TEST01": {"accuracy_log_rng_seed": 720381539243781796, "accuracy_log_sampling_target": 4096},
    "TEST04": {
        "performance_issue_unique": 0,
        "performance_issue_same": 1,
        "performance_issue_same_index": 3,
    },
    "TEST05": {
        "qsl_rng_seed": 313588358309856706,
        "sample_index_rng_seed": 471397156132239067,
        "schedule_rng_seed": 413914573387865862,
    },
}
MEANING = {
    "TEST01": "answers of a performance run are those of the accuracy run",
    "TEST04": "the same sample again and again is not faster: nothing is cached",
    "TEST05": "other random seeds give the same performance",
}
#: How far the audit run's figure may be from the measured one (TEST04: to the faster side only).
TOLERANCE = {"TEST01": 0.10, "TEST04": 0.10, "TEST05": 0.05}
#: ... and where a query takes at most so many nanoseconds, because there the machine's noise is larger.
SHORT_TOLERANCE, SHORT_NS = 0.20, {"SingleStream": 200_000, "MultiStream": 1_600_000}
#: TEST01, where answers differ: how far the two accuracies may be apart, relative to the audit run's.
ACCURACY_TOLERANCE = 0.01


def settled(run: Path, result: Mapping[str, Any], test: str) -> dict[str, Any] | None:
    """The verdict on a cell as its result has it now, None where there is none; ResultError if damaged."""
    path = run / "audit" / result["id"] / test / "verdict.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        about = (found["schema"], found["key"], found["started"])
        return found if about == (SCHEMA, result["key"], result["rounds"][0]["started"]) else None
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ResultError(f"damaged verdict: {error!r}", where=str(path), remedy="delete the file") from None


def config(test: str) -> str:
    """The test's audit.config."""
    lines = [f"*.*.{name} = {value}" for name, value in {"mode": 2, **TESTS[test]}.items()]
    return "\n".join([f"# {test}: {MEANING[test]}", *lines, ""])


def ignored(test: str, used: Mapping[str, Any]) -> list[str]:
    """The settings of the test that LoadGen did not use; `used` are its effective ones, by name."""
    return [
        f"{name} = {used.get(name)!r}, not {value}"
        for name, value in TESTS[test].items()
        if used.get(name) is None or int(used[name]) != value
    ]


def performance(
    test: str, scenario: str, measured: Mapping[str, Any], audit: Mapping[str, Any]
) -> dict[str, Any]:
    """Compare two rounds, as results have them: {"metric", "unit", "measured", "audit", "ratio", ...}.

    `ratio` is the audit run's figure over the measured one, in TEST04 its speed over the measured one's.
    "allowed" is between what it must lie, "passed" whether it does, "reasons" why not.
    """
    offline = scenario == "Offline"
    reference, figure = _figure(measured, offline), _figure(audit, offline)
    found: dict[str, Any] = {
        "metric": "throughput" if offline else "early-stopping estimate of the latency",
        "unit": "samples/s" if offline else "ns",
        "measured": reference,
        "audit": figure,
    }
    reasons = []
    for name, row in (("measured", measured), ("audit", audit)):
        if row["result"] != "VALID":
            reasons.append(f"LoadGen called the {name} run {row['result']}: {'; '.join(row['reasons'])}")
        if not found[name]:
            reasons.append(f"the {name} run has no {found['metric']}")
    if reasons or not reference or not figure:
        return {**found, "ratio": None, "allowed": None, "passed": False, "reasons": reasons}
    ratio = reference / figure if test == "TEST04" and not offline else figure / reference
    short = not offline and reference <= SHORT_NS[scenario]
    tolerance = SHORT_TOLERANCE if short else TOLERANCE[test]
    low, high = (0.0 if test == "TEST04" else 1 - tolerance), 1 + tolerance
    passed = low < ratio < high
    if not passed:
        reasons.append(f"the ratio {ratio:.3f} is not between {low:.2f} and {high:.2f}")
    return {**found, "ratio": ratio, "allowed": [low, high], "passed": passed, "reasons": reasons}


def _figure(row: Mapping[str, Any], offline: bool) -> float | None:
    if offline:
        rate: float = row["samples_per_second"]
        return rate
    estimate: float | None = row["early_stopping"]["estimate_ns"]
    return estimate


def accuracy(answers: int, different: int, unknown: int, measured: float, audit: float) -> dict[str, Any]:
    """Judge TEST01's sampled answers: `different` first classes of `answers`, `unknown` samples.

    Where answers differ, the accuracies over these samples (0 to 1) of both runs decide; an unknown sample is
    one that the accuracy run did not answer.
    """
    found: dict[str, Any] = {"answers": answers, "different": different, "unknown": unknown}
    found |= {"top1_measured": measured, "top1_audit": audit}
    reasons = []
    if not answers:
        reasons.append("LoadGen sampled no answer")
    if unknown:
        reasons.append(f"{unknown} sampled answers are to images that the accuracy run did not see")
    if different and abs(audit - measured) > ACCURACY_TOLERANCE * audit:
        reasons.append(
            f"{different} of {answers} answers differ, and the accuracies ({measured:.4f} measured, "
            f"{audit:.4f} in the audit run) by more than {ACCURACY_TOLERANCE:.0%}"
        )
    return {**found, "passed": not reasons, "reasons": reasons}
