"""Audit runs with the real LoadGen and a real model, and the tree and the archive made of such a run."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkout import Kit

from bench.measure import audit_rules
from bench.measure.loadgen import detail_log

PROFILE = ("--profile", "mlperf-v2.1")
CELLS = ("--framework", "openvino", "--method", "INT8-OM", "--model", "mobilenet_v2", "--engine", "native")


@pytest.fixture
def short(copy: Callable[[str, str], Kit]) -> Kit:
    """A checkout whose mlperf-v2.1 profile takes a second a cell."""
    kit = copy("min_duration = 600", "min_duration = 1")
    path = kit.root / "matrix.toml"
    head, begin, profile = path.read_text().partition('[profiles."mlperf-v2.1"]')
    path.write_text(head + begin + re.sub(r"min_queries = \d+", "min_queries = 128", profile))
    for name in ("CITATION.cff", "LICENSE"):
        (kit.root / name).write_bytes((Path(__file__).parents[2] / name).read_bytes())
    return kit


def do(kit: Kit, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    done = kit.do(*words)
    assert done.returncode in codes, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_measured_run_is_audited_exported_and_verified(short: Kit) -> None:
    words = (*PROFILE, *CELLS, "--name", short.name, "--scenario", "SingleStream,Offline")
    do(short, "run", *words)
    # Performance is the machine's: a verdict may go either way here. What was run and answered may not.
    told = do(short, "submission", "--compliance", "--submitter", "acme", *words, codes=(0, 1))
    assert "2 cells, 0 left out" in told
    for cell, test in itertools.product(short.results(), audit_rules.TESTS):
        folder = short.run_dir / "audit" / cell / test
        found: dict[str, Any] = json.loads((folder / "verdict.json").read_text())
        assert found["performance"]["measured"] > 0
        assert found["performance"]["audit"] > 0
        assert found["passed"] or f"{cell} {test}: not passed" in told
        if test == "TEST01":
            assert found["accuracy"]["answers"] >= 64
            assert (found["accuracy"]["different"], found["accuracy"]["unknown"]) == (0, 0)
        log = detail_log.read(folder / "mlperf_log_detail.txt")
        assert log["effective_test_mode"] == "PerformanceOnly"
        assert {name: int(log[f"effective_{name}"]) for name in audit_rules.TESTS[test]} == audit_rules.TESTS[
            test
        ]
    tree = short.run_dir / "submission" / "open" / "acme"
    assert {path.name for path in tree.glob("compliance/*/*/*/*")} == set(audit_rules.TESTS)

    again = do(short, "submission", "--compliance", "--submitter", "acme", *words, codes=(0, 1))
    assert "audit host" not in again, "what is settled is not run again"

    do(short, "export", *words)
    archive = short.run_dir / "export" / f"{short.name}.crate.zip"
    assert "all as promised" in do(short, "verify", str(archive))
    data = bytearray(archive.read_bytes())
    data[data.index(b"verdict.json") + 200] ^= 1
    archive.write_bytes(data)
    assert "error:" in do(short, "verify", str(archive), codes=(11,))


def test_another_profile_is_no_submission(kit: Kit) -> None:
    words = (*CELLS, "--scenario", "Offline")
    assert kit.run(*words).returncode == 0
    named = ("--name", kit.name, "--profile", "smoke", *words)
    told = do(kit, "submission", "--submitter", "acme", *named, codes=(3,))
    assert "of profile smoke, not mlperf-v2.1" in told
    do(kit, "export", *named)
    table = (kit.run_dir / "export" / "measurements.csv").read_text().splitlines()
    cells = dict(zip(table[0].split(","), table[1].split(",")))
    assert cells["samples_per_second"] == ""
    assert "correctness" in cells["timing_reason"]
