"""What a reproduction says of a published set: equal where it must be, judged only where it can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fixtures_results as fixtures
import pytest

from bench.common.errors import DisagreesError
from bench.plan.cells import Cell, Filters
from reports.compare.judge import INCOMPARABLE
from reports.reproduce import task
from reports.reproduce.judge import AGREES, DIFFERS, JudgedCell, Reproduction, judge
from reports.run import reading

ONE = Filters(frameworks=("openvino",), models=("mobilenet_v2",))
MATRIX = fixtures.matrix()
Change = Callable[[dict[str, Any]], Mapping[str, Any]]
Made = Callable[..., Reproduction]


def told(change: Change, folder: Path, method: str = "INT8-OM") -> None:
    """Change the results of a method in a run."""
    for cell in fixtures.cells_of("quick", ONE):
        if cell.method == method:
            path = folder / "cells" / f"{cell.id}.json"
            fixtures.change(folder, cell, **change(json.loads(path.read_text())))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Publish a run, measure it again with changes here (or there), and judge."""

    def make(here: Change | None = None, there: Change | None = None, **more: Any) -> Reproduction:
        folders = [fixtures.write_run(tmp_path / name, "quick", ONE) for name in ("there", "here")]
        for change, folder in zip((there, here), folders, strict=True):
            if change:
                told(change, folder)
        ids = {cell.id for cell in fixtures.cells_of("quick", ONE)}
        try:
            published, own = folders
            return task.report(published, own, MATRIX, ids, more.get("left_out", {}), more.get("images", {}))
        except DisagreesError:
            runs = [reading.read(folder) for folder in folders]
            return judge(runs[0], runs[1], MATRIX, more.get("left_out", {}), {})

    return make


def of(found: Reproduction, method: str, scenario: str = "Offline") -> JudgedCell:
    [one] = [row for row in found.cells if (row.cell.method, row.cell.scenario) == (method, scenario)]
    return one


def with_logits(sha: str) -> Change:
    return lambda one: {"agreement": {**one["agreement"], "logits_sha256": sha}}


def with_facts(**facts: Any) -> Change:
    return lambda one: {"evidence": {**one["evidence"], "facts": {**one["evidence"]["facts"], **facts}}}


def in_environment(**facts: Any) -> Change:
    return lambda one: {"environment": {**one["environment"], **facts}}


def slower(factor: float) -> Change:
    def change(one: dict[str, Any]) -> Mapping[str, Any]:
        rows = [
            {
                **row,
                "latency_ns": row["latency_ns"] and {k: v * factor for k, v in row["latency_ns"].items()},
                "samples_per_second": row["samples_per_second"] / factor,
            }
            for row in one["rounds"]
        ]
        return {"rounds": rows}

    return change


def test_a_set_agrees_with_itself(made: Made, tmp_path: Path) -> None:
    found = made()
    assert {one.verdict for one in found.cells} == {AGREES}
    assert of(found, "INT8-OM").speedup.verdict == AGREES
    assert "baseline" in of(found, "FP32").speedup.reason
    document = json.loads((tmp_path / "here" / "reproduction.json").read_text())
    assert document["counts"] == {AGREES: len(found.cells), DIFFERS: 0, INCOMPARABLE: 0}
    page = (tmp_path / "here" / "reproduction.html").read_text()
    assert ">reproduced<" in page
    assert "the same logits of 256 samples, bit for bit" in page


def older(one: dict[str, Any]) -> Mapping[str, Any]:
    newer = ("classes", "mean_kl", "worst_kl", "logits_sha256")
    return {"schema": 2, "agreement": {k: v for k, v in one["agreement"].items() if k not in newer}}


def test_a_set_of_an_older_kit_is_still_read_and_its_measure_not_taken_for_this_one(made: Made) -> None:
    assert "equally far from FP32" in of(made(older, older), "INT8-OM").outputs.reason
    outputs = of(made(older, lambda one: {}), "INT8-OM", "SingleStream").outputs
    assert outputs.verdict == INCOMPARABLE


def test_one_bit_of_the_logits_is_a_disagreement(made: Made) -> None:
    same = made(with_logits("1" * 64), with_logits("1" * 64))
    assert "bit for bit" in of(same, "INT8-OM").outputs.reason
    other = made(with_logits("1" * 64), with_logits("2" * 64))
    assert of(other, "INT8-OM").verdict == DIFFERS
    assert "other logits of 256 samples" in of(other, "INT8-OM").reason
    assert of(other, "FP32").verdict == AGREES


def test_one_sample_is_a_disagreement(made: Made) -> None:
    def flip(one: dict[str, Any]) -> Mapping[str, Any]:
        answers = fixtures.answers_of(8)
        answers[7] = not answers[7]
        cell = Cell(**one["cell"])
        return {"accuracy": one["accuracy"] and fixtures.accuracy_of(cell, answers)}

    found = of(made(flip), "INT8-OM")
    assert found.verdict == DIFFERS
    assert "of 256 samples" in found.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            with_facts(isa={"asked": "native", "seen": {"avx2": 52}, "highest": "avx2"}),
            "another code path (up to avx512_core_vnni there, avx2 here)",
        ),
        (lambda one: {"artifact": {**one["artifact"], "sha256": "3" * 64}}, "another artifact"),
        (lambda one: {"dataset": "folder-1234"}, "other images (folder-1234)"),
        (in_environment(threads=8), "2 threads there, 8 here"),
        (in_environment(emulated=True), "emulated here"),
        (
            lambda one: {
                **in_environment(lock="4" * 64)(one),
                "versions": {**one["versions"], "openvino": "9"},
            },
            "other packages (openvino)",
        ),
    ],
)
def test_what_ran_otherwise_is_not_held_to_the_bit(made: Made, change: Change, reason: str) -> None:
    def altered(one: dict[str, Any]) -> Mapping[str, Any]:
        return {**change(one), **with_logits("5" * 64)({**one, **change(one)})}

    found = of(made(altered, with_logits("6" * 64)), "INT8-OM")
    assert found.verdict == AGREES, found
    assert f"not held to the bit: {reason}" in found.outputs.reason
    assert DIFFERS not in (found.outputs.verdict, found.speedup.verdict)


def test_another_artifact_is_judged_by_its_speedup_and_its_answers(made: Made) -> None:
    other: Change = lambda one: {"artifact": {**one["artifact"], "sha256": "3" * 64}}  # noqa: E731

    lost = of(made(lambda one: {**other(one), **slower(3)(one)}), "INT8-OM")
    assert lost.speedup.verdict == DIFFERS
    assert "; another artifact" in lost.speedup.reason

    def wrong(one: dict[str, Any]) -> Mapping[str, Any]:
        cell = Cell(**one["cell"])
        answers = [False] * 256
        return {**other(one), "accuracy": one["accuracy"] and fixtures.accuracy_of(cell, answers)}

    worse = of(made(wrong), "INT8-OM")
    assert worse.outputs.verdict == DIFFERS
    assert "p after Holm's correction" in worse.outputs.reason


def test_every_cell_of_another_cpu_is_judged(made: Made, tmp_path: Path) -> None:
    flags = ["avx", "avx2", "fma"]
    avx2 = {"asked": "native", "seen": {"avx2": 52}, "highest": "avx2"}

    def elsewhere(one: dict[str, Any]) -> Mapping[str, Any]:
        return {**with_facts(isa=avx2)(one), **in_environment(cpu_flags=flags)(one)}

    there = fixtures.write_run(tmp_path / "set", "quick", ONE)
    here = fixtures.write_run(tmp_path / "other", "quick", ONE)
    for method in ("FP32", "INT8-OM"):
        told(elsewhere, here, method)
    found = judge(reading.read(there), reading.read(here), MATRIX, {}, {})
    assert len(found.cells) == 6
    assert {one.verdict for one in found.cells} == {AGREES}
    assert "FP32 outputs" in of(found, "FP32", "SingleStream").outputs.reason


def test_unnamed_kernels_are_the_same_only_on_the_same_instruction_sets(made: Made) -> None:
    silent = with_facts(isa={"asked": "native", "seen": {}, "highest": ""})

    def on_an_older_cpu(one: dict[str, Any]) -> Mapping[str, Any]:
        flags = [flag for flag in one["environment"]["cpu_flags"] if flag != "avx512_vnni"]
        return {**silent(one), **in_environment(cpu_flags=flags)(one)}

    assert of(made(silent, silent), "INT8-OM").verdict == AGREES
    found = of(made(on_an_older_cpu, silent), "INT8-OM")
    assert found.verdict == AGREES
    assert "not held to the bit: kernels that are not named, on other instruction sets" in found.reason


def test_how_often_onednn_logs_a_kernel_is_no_other_path(made: Made) -> None:
    found = made(with_facts(onednn_kernels={"reorder": 28}), with_facts(onednn_kernels={"reorder": 25}))
    assert of(found, "INT8-OM").verdict == AGREES
    found = made(with_facts(onednn_kernels={"gemm": 1}), with_facts(onednn_kernels={"reorder": 1}))
    assert "not held to the bit: another code path" in of(found, "INT8-OM").outputs.reason


def test_a_lost_speedup_differs_and_a_slower_machine_does_not(made: Made) -> None:
    lost = of(made(slower(2)), "INT8-OM", "SingleStream")
    assert lost.verdict == DIFFERS
    assert lost.reason.startswith("speedup 0.50 times the published")
    assert of(made(slower(1.15)), "INT8-OM", "SingleStream").speedup.verdict == AGREES


def test_an_invalid_round_judges_no_speed_but_the_outputs(made: Made) -> None:
    def invalid(one: dict[str, Any]) -> Mapping[str, Any]:
        return {"rounds": [{**row, "result": "INVALID", "reasons": ["short"]} for row in one["rounds"]]}

    found = of(made(invalid), "INT8-OM")
    assert found.verdict == AGREES
    assert found.speedup.verdict == INCOMPARABLE
    assert "INVALID" in found.speedup.reason


def test_a_cell_that_failed_here_differs_and_one_left_out_is_not_comparable(tmp_path: Path) -> None:
    there = fixtures.write_run(tmp_path / "there", "quick", ONE)
    cells = fixtures.cells_of("quick", ONE)
    failed, left_out = cells[0], cells[1]
    failure = {"id": failed.id, "round": 1, "reason": "killed: out of memory"}
    here = fixtures.write_run(tmp_path / "here", "quick", ONE, failures=[failure])
    for cell in (failed, left_out):
        (here / "cells" / f"{cell.id}.json").unlink()
    why = {left_out.id: "this CPU has no avx512_vnni"}
    with pytest.raises(DisagreesError, match="failed here: killed: out of memory") as caught:
        task.report(there, here, MATRIX, {cell.id for cell in cells}, why, {})
    assert caught.value.exit_code == 14
    rows = {row["id"]: row for row in json.loads((here / "reproduction.json").read_text())["cells"]}
    assert rows[failed.id]["verdict"] == DIFFERS
    assert rows[left_out.id]["verdict"] == INCOMPARABLE
    assert rows[left_out.id]["outputs"]["reason"] == "this CPU has no avx512_vnni"


def test_nothing_comparable_is_no_success(tmp_path: Path) -> None:
    there = fixtures.write_run(tmp_path / "there", "quick", ONE)
    ids = {cell.id for cell in fixtures.cells_of("quick", ONE)}
    with pytest.raises(DisagreesError, match="no cell of the published set is comparable here"):
        task.report(there, tmp_path / "here", MATRIX, ids, dict.fromkeys(ids, "published on arm64"), {})
    assert "nothing comparable" in (tmp_path / "here" / "reproduction.html").read_text()
