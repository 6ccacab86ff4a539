"""What a run has left to do: rounds interleaved, measured ones skipped, changed ones stale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixtures_results import matrix, result_of

from bench import results
from bench.artifacts import Artifact
from bench.cell import Filters, key, plan
from images import launches

MATRIX = matrix()
PLAN = plan(
    MATRIX, "host", "quick", "amd64", Filters(("openvino", "onnxruntime"), (), ("FP32", "INT8-OM"), ())
)
GROUPS = launches.groups(PLAN)
ARTIFACTS = {group: Artifact("k", f"{n}" * 64, Path("x"), 1, ("f",), {}) for n, group in enumerate(GROUPS)}
USED: dict[str, dict[str, Any]] = {name: {"lock": "l", "data": "d"} for name in ("openvino", "onnxruntime")}


def todo(cells: Path) -> launches.Todo:
    return launches.todo(MATRIX, "quick", ARTIFACTS, USED, cells)


def measured(cells: Path, rounds: int, cell_key: str = "") -> str:
    """Write a result of the first cell with this many rounds; return its id."""
    group = GROUPS[0]
    cell = group.cells[0]
    asked = launches.asked(MATRIX, MATRIX.profiles["quick"], cell.scenario)
    right = key(cell, asked, {"artifact": ARTIFACTS[group].sha256, **USED[group.framework]})
    result = {**result_of(cell, MATRIX, "quick", rounds), "id": cell.id, "key": cell_key or right}
    results.save(cells / f"{cell.id}.json", result)
    return cell.id


def test_rounds_are_interleaved_over_frameworks_and_methods(tmp_path: Path) -> None:
    order = [(launch.round, launch.group) for launch in todo(tmp_path).launches]
    assert order == [(number, group) for number in (1, 2, 3) for group in GROUPS]
    assert len(GROUPS) == 3


def test_a_measured_round_is_not_measured_twice(tmp_path: Path) -> None:
    done = measured(tmp_path, rounds=2)
    work = todo(tmp_path)
    assert work.done == 2
    rounds = [launch.round for launch in work.launches if any(spec["id"] == done for spec in launch.cells)]
    assert rounds == [3]


def test_a_result_of_another_key_is_stale_and_set_aside(tmp_path: Path) -> None:
    done = measured(tmp_path / "cells", rounds=3, cell_key="f" * 64)
    work = todo(tmp_path / "cells")
    assert work.stale == [done]
    launches.set_aside(tmp_path, work.stale)
    assert not (tmp_path / "cells" / f"{done}.json").exists()
    [kept] = (tmp_path / "superseded").iterdir()
    assert results.load(kept)["key"] == "f" * 64


def test_a_damaged_result_is_named_and_its_cell_is_not_launched(tmp_path: Path) -> None:
    done = measured(tmp_path, rounds=1)
    (tmp_path / f"{done}.json").write_text('{"schema": 1,')
    work = todo(tmp_path)
    assert "damaged result" in work.damaged[done]
    assert not any(spec["id"] == done for launch in work.launches for spec in launch.cells)


@pytest.mark.parametrize("threads", [1, 4])
def test_predictions_shrink_with_threads_and_respect_the_cap(threads: int) -> None:
    profile = MATRIX.profiles["quick"]
    for cell in PLAN.cells:
        seconds = launches.predict_cell(MATRIX, profile, cell, threads)
        assert seconds >= launches.predict_cell(MATRIX, profile, cell, threads * 2)
    slow = replace(PLAN.cells[0], model="vgg19")
    cap = profile.scenarios[slow.scenario].max_duration
    assert (
        launches.predict_cell(MATRIX, profile, slow, 1)
        <= profile.rounds * (cap + launches.CELL_SECONDS) + 1000
    )
