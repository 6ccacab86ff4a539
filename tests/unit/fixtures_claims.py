"""Planted runs and how they are judged, FOR TESTS ONLY."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import fixtures_results as fixtures

from bench.plan.cells import Cell, Filters
from reports.claims import catalogue
from reports.claims.judge import DeviceUnderTest, JudgedClaim, judge_claim
from reports.claims.measure import Results
from reports.run.reading import read
from reports.run.results import Run

MATRIX = fixtures.matrix()
FILE = catalogue.load(MATRIX)
ROUNDS = (1, 2, 3)
# Samples a second of a cell in a round.
Speed = Callable[[Cell, int], float]


def device(**changes: Any) -> DeviceUnderTest:
    """A machine with VNNI that is none of the paper's."""
    usual: dict[str, Any] = {
        "platform": "host",
        "arch": "amd64",
        "cpu": "Invented CPU 9000",
        "flags": frozenset(fixtures.FLAGS),
        "own": False,
        "untimed": "",
        "weights": "probe",
    }
    return DeviceUnderTest(**{**usual, **changes})


def cells_of(*claim_ids: str, platform: str = "host") -> list[Cell]:
    """The cells that these claims need, of the profile or of the sweep that each asks for."""
    found = []
    for name in claim_ids:
        claim = FILE.claims[name]
        planned = fixtures.cells_of("quick", Filters(sweep=claim.sweep))
        wanted = {
            (want.framework, want.model, want.method, want.scenario, want.batch, want.isa)
            for group in catalogue.comparisons(claim, MATRIX)
            for want in catalogue.cells(claim, group)
        }
        for cell in planned:
            names = (cell.framework, cell.model, cell.method, cell.scenario)
            isa = "" if cell.isa == "native" else cell.isa
            if {(*names, cell.batch, isa), (*names, 0, isa)} & wanted:
                found.append(replace(cell, platform=platform))
    return list(dict.fromkeys(found))


def plant(folder: Path, cells: Sequence[Cell], speed: Speed, **changes: Any) -> Path:
    """Write a run in which these cells have these speeds; `changes` replaces keys of run.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for cell in cells:
        rounds = []
        for number in ROUNDS:
            rate = speed(cell, number)
            one = fixtures.round_of(cell, number, noise=0)
            one["samples_per_second"] = rate
            if one["latency_ns"]:
                one["latency_ns"] = dict.fromkeys(one["latency_ns"], 1e9 / rate)
            rounds.append(one)
        document = {**fixtures.result_of(cell, MATRIX, "quick", 3), "rounds": rounds}
        fixtures.save(folder, cell.id, document)
    facts = {**fixtures.run_json(list(cells), [], "quick", run=folder.name), **changes}
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def factor(steady: float, **by_method: float) -> Speed:
    """Speeds that do not vary: `steady` for every method but those given (INT8_SQ=2.0)."""
    return lambda cell, _: 100 * by_method.get(cell.method.replace("-", "_"), steady)


def judge(claim_id: str, folders: Iterable[Path], of: DeviceUnderTest | None = None) -> JudgedClaim:
    """Judge one claim by the runs in `folders`."""
    runs = [read(folder) for folder in folders]
    return judge_runs(claim_id, runs, of or device())


def judge_runs(claim_id: str, runs: Sequence[Run], of: DeviceUnderTest) -> JudgedClaim:
    weights = dict.fromkeys(MATRIX.models, "probe" if of.weights == "probe" else of.weights)
    results = Results(runs, MATRIX, of.platform, weights, "fashion-mnist")
    claim = FILE.claims[claim_id]
    return judge_claim(claim_id, claim, FILE.tolerances[claim.tolerance], results, of, "quick")
