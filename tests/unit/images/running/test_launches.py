"""What a run has left to do: rounds interleaved, measured ones skipped, changed ones stale."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from fixtures_results import matrix, result_of

from bench.plan import asking
from bench.plan.cells import Cell, Filters, key, plan
from bench.store import results
from bench.store.artifacts import Artifact
from images.choosing import groups
from images.running import launches, specs

MATRIX = matrix()
PLAN = plan(
    MATRIX,
    "host",
    "quick",
    "amd64",
    Filters(("openvino", "onnxruntime"), ("mobilenet_v2",), ("FP32", "INT8-OM"), ()),
)
GROUPS = groups.groups(PLAN)
ARTIFACTS = {group: Artifact("k", f"{n}" * 64, Path("x"), 1, ("f",), {}) for n, group in enumerate(GROUPS)}
ASKING = asking.Asking(MATRIX, MATRIX.profiles["quick"], 512)
USED: dict[str, dict[str, Any]] = {name: {"lock": "l", "data": "d"} for name in ("openvino", "onnxruntime")}


def todo(cells: Path) -> launches.Todo:
    return launches.todo(ASKING, ARTIFACTS, USED, cells, apart=True)


def measured(cells: Path, rounds: int, cell_key: str = "") -> str:
    """Write a result of the first cell with this many rounds; return its id."""
    group = GROUPS[0]
    cell = group.cells[0]
    made_with = {"artifact": ARTIFACTS[group].sha256, **USED[group.framework]}
    right = key(cell, ASKING.of(cell.scenario).document(), made_with)
    result = {**result_of(cell, MATRIX, "quick", rounds), "id": cell.id, "key": cell_key or right}
    results.save(cells / f"{cell.id}.json", result)
    return cell.id


def test_rounds_are_interleaved_over_frameworks_and_methods(tmp_path: Path) -> None:
    order = [(launch.round, launch.group) for launch in todo(tmp_path).launches]
    assert [number for number, _ in order] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 0, 0, 0]
    for number in (1, 2, 3, 0):
        assert {group for when, group in order if when == number} == set(GROUPS)


def test_no_method_is_always_first_and_both_sides_of_a_ratio_stay_together() -> None:
    """On a machine that warms up FP32 would always be measured cold, INT8 hot."""
    whole = groups.groups(plan(MATRIX, "host", "quick", "amd64", Filters()))
    first = []
    for number in range(1, 101):
        order = launches.drawn(whole, 20230101, number)
        assert set(order) == set(whole)
        families = [(group.model, group.framework) for group in order]
        assert len(list(itertools.groupby(families))) == len(set(families))
        methods = [group.method for group in order if group.framework == "openvino"]
        first.append(methods[0] == "FP32")
    assert 30 < sum(first) < 70
    assert launches.drawn(whole, 1, 1) == launches.drawn(whole, 1, 1) != launches.drawn(whole, 2, 1)


def test_accuracy_comes_after_all_timing_and_is_tried_again_until_it_is_there(tmp_path: Path) -> None:
    done = measured(tmp_path, rounds=3)
    assert not any(one.id == done for launch in todo(tmp_path).launches for one in launch.cells)
    path = tmp_path / f"{done}.json"
    results.save(path, {**results.load(path), "judged": False})
    rounds = [launch.round for launch in todo(tmp_path).launches if any(o.id == done for o in launch.cells)]
    assert rounds == [0]


def test_where_no_timing_is_shown_accuracy_is_no_launch_of_its_own(tmp_path: Path) -> None:
    work = launches.todo(ASKING, ARTIFACTS, USED, tmp_path, apart=False)
    assert {launch.round for launch in work.launches} == {1, 2, 3}


def test_a_measured_round_is_not_measured_twice(tmp_path: Path) -> None:
    done = measured(tmp_path, rounds=2)
    work = todo(tmp_path)
    assert work.done == 2
    rounds = [launch.round for launch in work.launches if any(one.id == done for one in launch.cells)]
    assert rounds == [3]


def test_a_result_of_another_key_is_stale_and_set_aside(tmp_path: Path) -> None:
    done = measured(tmp_path / "cells", rounds=3, cell_key="f" * 64)
    work = todo(tmp_path / "cells")
    assert work.stale == [done]
    launches.set_aside(tmp_path, work.stale)
    assert not (tmp_path / "cells" / f"{done}.json").exists()
    [kept] = (tmp_path / "superseded").iterdir()
    assert results.load(kept)["key"] == "f" * 64


def test_a_result_of_an_older_kit_is_stale_not_damaged(tmp_path: Path) -> None:
    done = measured(tmp_path, rounds=1)
    (tmp_path / f"{done}.json").write_text('{"schema": 1, "id": "x"}')
    work = todo(tmp_path)
    assert (work.stale, work.damaged) == ([done], {})


def test_a_damaged_result_is_named_and_its_cell_is_not_launched(tmp_path: Path) -> None:
    done = measured(tmp_path, rounds=1)
    (tmp_path / f"{done}.json").write_text('{"schema": 2,')
    work = todo(tmp_path)
    assert "damaged result" in work.damaged[done]
    assert not any(one.id == done for launch in work.launches for one in launch.cells)


def test_what_is_asked_ends_where_the_data_ends() -> None:
    few = asking.Asking(MATRIX, MATRIX.profiles["paper-table1"], 150)
    assert few.of("Offline").performance_samples == 150
    assert few.of("Offline").accuracy_samples == 150


def test_accuracy_is_not_asked_for_without_a_reason_in_its_place() -> None:
    quick = asking.Asking(MATRIX, MATRIX.profiles["quick"], 512)
    assert quick.of("SingleStream").accuracy_samples == 0
    assert "this scenario" in str(quick.of("SingleStream").accuracy_reason)
    assert quick.of("Offline").accuracy_reason is None
    blind = asking.Asking(MATRIX, MATRIX.profiles["quick"], 512, "other classes")
    assert blind.of("Offline").accuracy_samples == 0
    assert blind.of("Offline").accuracy_reason == "other classes"


def test_a_profile_asks_for_its_own_seeds() -> None:
    asked = asking.Asking(MATRIX, MATRIX.profiles["mlperf-v2.1"], 512).of("Offline").document()
    assert asked["qsl_rng_seed"] == 0xC63BB0C8C280FDEF
    assert asked["sample_index_rng_seed"] == 0x39C9343412051148
    assert asked["schedule_rng_seed"] == 0x04267CF482328355
    quick = asking.Asking(MATRIX, MATRIX.profiles["quick"], 512).of("Offline").document()
    assert not any("seed" in name for name in quick), "its keys are those of results from before"


def test_each_cap_is_a_launch_of_its_own() -> None:
    flags = [flag for isa in MATRIX.isas.values() for flag in isa.flags]
    found = plan(MATRIX, "host", "quick", "amd64", Filters(("openvino",), sweep="isa"), flags)
    gathered = groups.groups(found)
    assert [(group.method, group.isa) for group in gathered] == [
        (method, isa) for method in ("FP32", "INT8-OM") for isa in MATRIX.sweeps["isa"].isas
    ]
    assert all({cell.isa for cell in group.cells} == {group.isa} for group in gathered)


def test_the_bench_is_told_what_it_was_always_told() -> None:
    """A cell of a spec byte for byte, and its key: results of another key would be measured again."""
    cell = Cell("host", "current", "openvino", "vgg19", "probe", "INT8-OM", "Offline", 32, "native")
    asked = asking.Asked(24576, 0.5, 20, 90, 0, 64, 512, None, 30.0, {"qsl_rng_seed": 7})
    known_by = key(cell, asked.document(), {"artifact": "a" * 64, "lock": "l", "data": "d"})
    assert json.dumps(specs.document(launches.Wanted(cell, known_by, asked))) == (
        '{"platform": "host", "stack": "current", "framework": "openvino", "model": "vgg19", '
        '"weights": "probe", "method": "INT8-OM", "scenario": "Offline", "batch": 32, "isa": "native", '
        '"id": "host.current.openvino.vgg19-probe.INT8-OM.Offline.b32.native", '
        '"key": "8179a95ba07eef563f2b95d09ae98861ea9469f069dd250238a7185ffc4b11d3", '
        '"settings": {"min_queries": 24576, "min_duration": 0.5, "max_duration": 20, "percentile": 90, '
        '"samples_per_query": 0, "performance_samples": 64, "accuracy_samples": 512, '
        '"accuracy_reason": null, "accuracy_limit": 30.0, "qsl_rng_seed": 7}}'
    )
