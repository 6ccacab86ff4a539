"""A launch: what is timed is on disk before it is judged, and what then fails marks its own field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from fixtures_results import cells_of, matrix, result_of, round_of

from bench.common.errors import ArtifactError
from bench.common.hashing import directory_hash
from bench.measure import launch
from bench.measure.work import Work
from bench.store import results

CELL = next(one for one in cells_of() if one.scenario == "Offline" and one.method == "INT8-SQ")
WHOLE = result_of(CELL, matrix(), "quick", 0)
BROKEN = RuntimeError("the kernel's word is gone")


class Stand:
    """Stands for a cell under test; a part that is an exception is raised."""

    parts: Mapping[str, Any]
    usage: Mapping[str, int] = dict.fromkeys(
        ("minor_faults", "major_faults", "voluntary_switches", "involuntary_switches"), 0
    )

    def __init__(self, work: Any, cell: Mapping[str, Any]) -> None:
        self.number, self.runner = work.spec["round"], self

    def timed(self) -> dict[str, Any]:
        return {**round_of(CELL, self.number), "usage": self.usage}

    def evidence(self) -> Any:
        return SimpleNamespace(plus=self._told)

    def _told(self, *told: str) -> Any:
        found = self._part("evidence")
        return SimpleNamespace(document=lambda: {**found, "warnings": [*found["warnings"], *told]})

    def accuracy(self) -> dict[str, Any]:
        return {"accuracy": self._part("accuracy"), "accuracy_reason": None}

    def agreement(self) -> dict[str, Any]:
        return {"agreement": self._part("agreement"), "agreement_reason": None}

    def _part(self, name: str) -> Any:
        if isinstance(self.parts[name], Exception):
            raise self.parts[name]
        return self.parts[name]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Launch rounds of the one cell; the result on disk, and the reasons of events that failed."""
    spec: dict[str, Any] = {"results": str(tmp_path), "rounds": 3, "performance": True}
    spec["cells"] = [{"id": CELL.id, "key": WHOLE["key"], "batch": CELL.batch}]
    header = {name: value for name, value in WHOLE.items() if name not in ("agreement", "accuracy")}
    later = {"accuracy_reason": "later", "agreement_reason": "later", "judged": False, "rounds": []}
    blank = {"evidence": {"summary": "not recorded", "facts": {}, "warnings": []}}
    empty = {**header, "accuracy": None, "agreement": None, **later, **blank}
    monkeypatch.setattr(launch, "_header", lambda *_: empty)
    monkeypatch.setattr(launch, "CellRun", Stand)

    def go(number: int, *, shown: bool = True, **parts: Any) -> tuple[dict[str, Any], list[str]]:
        whole = {name: WHOLE[name] for name in ("evidence", "accuracy", "agreement")}
        Stand.parts = {**whole, **parts}
        asked = {**spec, "round": number, "performance": shown}
        work = SimpleNamespace(run=tmp_path, spec=asked, emulated=False)
        monkeypatch.setattr(launch, "Work", lambda _: work)
        events: list[Mapping[str, Any]] = []
        launch.launch(asked, events.append)
        failed = [str(event["reason"]) for event in events if event["status"] != "ok"]
        return results.load(results.path_of(tmp_path, CELL.id)), failed

    return go


def test_a_timed_round_is_not_judged_and_round_0_judges_it(run: Any) -> None:
    found, failed = run(1)
    assert (len(found["rounds"]), found["judged"], found["accuracy"], failed) == (1, False, None, [])
    assert found["evidence"] == WHOLE["evidence"]
    found, failed = run(0)
    assert (found["judged"], found["accuracy"], found["agreement"]) == (
        True, WHOLE["accuracy"], WHOLE["agreement"],
    )  # fmt: skip


def test_where_no_timing_is_shown_a_cell_is_judged_at_once(run: Any) -> None:
    found, _ = run(1, shown=False)
    assert found["judged"]


def test_evidence_that_cannot_be_read_costs_no_round_and_is_a_warning(run: Any) -> None:
    found, failed = run(1, evidence=BROKEN)
    assert (len(found["rounds"]), failed) == (1, [])
    assert "the kernel's word is gone" in found["evidence"]["warnings"][0]
    found, _ = run(2)
    assert found["evidence"] == WHOLE["evidence"], "the next round tries again"


@pytest.mark.parametrize(("broken", "kept"), [("accuracy", "agreement"), ("agreement", "accuracy")])
def test_what_fails_when_it_is_judged_marks_its_own_field_alone(run: Any, broken: str, kept: str) -> None:
    run(1)
    found, [why] = run(0, **{broken: BROKEN})
    assert len(found["rounds"]) == 1
    assert (found[kept], found[broken]) == (WHOLE[kept], None)
    assert "the kernel's word is gone" in found[f"{broken}_reason"]
    assert why.startswith(f"{broken}: ")
    assert not found["judged"]
    found, failed = run(0)
    assert (found["judged"], found[broken], failed) == (True, WHOLE[broken], [])


@pytest.mark.parametrize(("folder", "file"), [("data", "test-labels.npy"), ("reference", "logits.npy")])
def test_what_was_edited_since_it_was_prepared_is_not_judged_by(
    tmp_path: Path, folder: str, file: str
) -> None:
    for name, array in (("data", "test-labels.npy"), ("reference", "logits.npy")):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / array, np.arange(4))
    work = cast("Any", Work.__new__(Work))
    work._verified, work.spec = False, {}
    for name in ("data", "reference"):
        work.spec |= {name: str(tmp_path / name), f"{name}_sha256": directory_hash(tmp_path / name)}
    work.verify()
    work._verified = False
    np.save(tmp_path / folder / file, np.array([0, 1, 3, 2]))
    with pytest.raises(ArtifactError, match="content hash"):
        work.verify()


def test_page_faults_in_the_timed_run_are_warned_of(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stand, "usage", {**Stand.usage, "minor_faults": 1 << 30})
    found, _ = run(1)
    assert "page faults a call" in found["evidence"]["warnings"][-1]
    assert found["rounds"][0]["usage"]["minor_faults"] == 1 << 30
