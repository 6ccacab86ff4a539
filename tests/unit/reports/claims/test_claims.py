"""Verdicts on planted results, of each of which the verdict is known beforehand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import fixtures_claims as planted
import fixtures_results as fixtures
import pytest
from fixtures_claims import FILE, MATRIX, cells_of, device, factor, judge, plant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.plan.cells import Cell
from bench.store import results
from reports.claims.judge import NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED, UNDECIDED, JudgedClaim, judge_all
from reports.claims.measure import Results
from reports.run.reading import read
from reports.stats import by_round, paired_answers
from reports.stats.paired_answers import Accuracy

PI = device(platform="rpi4", arch="arm64", flags=frozenset(), own=True)


def steady(claim: str, folder: Path, **by_method: float) -> JudgedClaim:
    return judge(claim, [plant(folder, cells_of(claim), factor(1.0, **by_method))])


# ------------------------------------------------------------------------- above and below


def test_always_slower_holds_only_where_every_comparison_does(tmp_path: Path) -> None:
    found = steady("dynamic-slower-x86", tmp_path / "slow", INT8_DQ=0.5)
    assert (found.verdict, found.scope) == (REPRODUCED, "on this device")
    assert found.estimate
    assert found.estimate.value == pytest.approx(0.5)
    assert found.estimate.count == 3

    def one_is_faster(cell: Cell, _: int) -> float:
        faster = cell.framework == "tflite" and cell.scenario == "Offline"
        return 100 * (1.2 if faster else 0.5) if cell.method == "INT8-DQ" else 100

    found = judge("dynamic-slower-x86", [plant(tmp_path / "one", cells_of(found.id), one_is_faster)])
    assert found.verdict == NOT_REPRODUCED
    assert found.estimate
    assert found.estimate.value == pytest.approx(1.2)
    assert "5 of 6 comparisons hold; decided by: TFLite INT8-DQ against FP32" in found.explanation


def test_rounds_on_both_sides_of_one_decide_nothing(tmp_path: Path) -> None:
    def noisy(cell: Cell, number: int) -> float:
        return 100 * (0.9, 1.0, 1.2)[number - 1] if cell.method == "INT8-SQ" else 100

    found = judge("ort-static-gains-offline", [plant(tmp_path, cells_of("ort-static-gains-offline"), noisy)])
    assert found.verdict == UNDECIDED
    assert found.estimate
    assert found.estimate.low == pytest.approx(0.9)
    assert found.estimate.high == pytest.approx(1.2)


def test_no_gain_allows_what_cannot_be_seen_and_no_more(tmp_path: Path) -> None:
    assert steady("ort-static-no-gain-streams", tmp_path / "a", INT8_SQ=1.04).verdict == REPRODUCED
    assert steady("ort-static-no-gain-streams", tmp_path / "b", INT8_SQ=1.06).verdict == NOT_REPRODUCED


def test_a_single_round_has_no_interval_and_decides_nothing(tmp_path: Path) -> None:
    folder = plant(tmp_path, cells_of("ort-static-gains-offline"), factor(1.0, INT8_SQ=3.0))
    for path in (folder / "cells").glob("*.json"):
        document = results.load(path)
        fixtures.save(folder, path.stem, {**document, "rounds": document["rounds"][:1]})
    found = judge("ort-static-gains-offline", [folder])
    assert found.verdict == UNDECIDED
    assert "one round has no interval" in found.explanation


# ------------------------------------------------------------------------- values and scope


def test_a_value_speaks_of_the_papers_device_and_elsewhere_only_its_direction(tmp_path: Path) -> None:
    claim = "batch-openvino-2-5"
    found = steady(claim, tmp_path / "host", INT8_OM=1.4)
    assert (found.verdict, found.scope) == (REPRODUCED, "direction only, on this device")

    frontera = device(platform="frontera", own=True)
    for gain, verdict in ((1.4, NOT_REPRODUCED), (2.4, REPRODUCED), (3.4, NOT_REPRODUCED)):
        cells = cells_of(claim, platform="frontera")
        folder = plant(tmp_path / str(gain), cells, factor(1.0, INT8_OM=gain), platform="frontera")
        found = judge(claim, [folder], frontera)
        assert (found.verdict, found.scope) == (verdict, "on the paper's device")

    stranger = device(platform="frontera", own=False)
    folder = tmp_path / "1.4"
    assert judge(claim, [folder], stranger).scope == "direction only, on this device"


def test_the_largest_gain_of_all_decides_up_to(tmp_path: Path) -> None:
    claim = "openvino-offline-3-3"

    def by_model(cell: Cell, _: int) -> float:
        gains = {"mobilenet_v2": 2.5, "vgg19": 3.2, "densenet121": 1.1}
        return 100 * (gains[cell.model] if cell.method == "INT8-OM" else 1)

    frontera = device(platform="frontera", own=True)
    cells = cells_of(claim, platform="frontera")
    found = judge(claim, [plant(tmp_path / "a", cells, by_model, platform="frontera")], frontera)
    assert found.verdict == REPRODUCED
    assert found.estimate
    assert found.estimate.value == pytest.approx(3.2)
    assert "VGG-19" in found.explanation

    some = [cell for cell in cells if cell.model != "densenet121"]
    found = judge(claim, [plant(tmp_path / "b", some, by_model, platform="frontera")], frontera)
    assert found.verdict == UNDECIDED  # DenseNet-121 may have gained more


def test_without_vnni_a_claim_about_it_is_not_tested(tmp_path: Path) -> None:
    folder = plant(tmp_path, cells_of("batch-openvino-2-5"), factor(1.0, INT8_OM=2.5))
    found = judge("batch-openvino-2-5", [folder], device(flags=frozenset({"avx2"})))
    assert (found.verdict, found.scope, found.estimate) == (NOT_TESTABLE, "", None)
    assert found.explanation == "this CPU does not have AVX-512 with VNNI"


def test_a_claim_about_the_pi_says_nothing_of_an_x86_machine(tmp_path: Path) -> None:
    folder = plant(tmp_path, cells_of("tflite-fastest-pi"), factor(1.0, INT8_SQ=9.0))
    found = judge("tflite-fastest-pi", [folder])
    assert found.verdict == NOT_TESTABLE
    assert "speaks of rpi4 (arm64), this device is amd64" in found.explanation
    assert all(one.estimate is None for one in found.compared)


def test_emulated_timings_settle_nothing_but_sizes_do(tmp_path: Path) -> None:
    claim_ids = ("pytorch-static-faster-pi", "int8-quarter")
    cells = [cell for cell in cells_of(*claim_ids, platform="rpi4") if cell.framework != "openvino"]
    folder = plant(tmp_path, cells, factor(1.0), platform="rpi4", performance=False)
    emulated = replace(PI, own=False, untimed="rpi4 is emulated here")
    timed = judge("pytorch-static-faster-pi", [folder], emulated)
    assert timed.verdict == NOT_TESTABLE
    assert "emulated" in timed.explanation
    size = judge("int8-quarter", [folder], emulated)
    assert size.estimate
    assert size.scope == "on any device"


def test_kernels_capped_below_a_device_never_speak_as_the_papers_device(tmp_path: Path) -> None:
    claim = "vnni-raises-speedup"

    def by_isa(cell: Cell, _: int) -> float:
        gain = 2.5 if cell.isa == "AVX512_CORE_VNNI" else 1.5
        return 100 * (gain if cell.method == "INT8-OM" else 1)

    cells = cells_of(claim, platform="frontera")
    folder = plant(tmp_path, cells, by_isa, platform="frontera")
    found = judge(claim, [folder], device(platform="frontera", own=True))
    assert (found.verdict, found.scope) == (REPRODUCED, "on this device")
    assert found.estimate
    assert found.estimate.value == pytest.approx(2.5 / 1.5)


# ---------------------------------------------------------------------- trends, sizes, accuracy


def test_a_speedup_that_rises_with_the_batch_is_a_trend(tmp_path: Path) -> None:
    def gain(order: list[int]) -> Any:
        return lambda cell, _: 100 * (1 + order.index(cell.batch) / 5 if cell.method != "FP32" else 1)

    cells = cells_of("batch-trend")
    for name, order, verdict, share in (
        ("rising", [1, 2, 4, 8, 16, 32], REPRODUCED, 1.0),
        ("nearly", [2, 1, 4, 8, 32, 16], REPRODUCED, 13 / 15),
        ("falling", [32, 16, 8, 4, 2, 1], NOT_REPRODUCED, 0.0),
    ):
        found = judge("batch-trend", [plant(tmp_path / name, cells, gain(order))])
        assert found.verdict == verdict
        assert found.estimate
        assert found.estimate.value == pytest.approx(share)


def test_sizes_need_no_interval_and_hold_anywhere(tmp_path: Path) -> None:
    found = steady("int8-quarter", tmp_path)
    assert (found.verdict, found.scope) == (REPRODUCED, "on any device")
    half = steady("fp16-half", tmp_path / "half")
    assert half.verdict == REPRODUCED
    large = next(cell for cell in cells_of("fp16-half") if cell.method == "FP16")
    artifact = {"sha256": fixtures.sha("large"), "bytes": 12_000_000, "files": ["model.bin"]}
    fixtures.change(tmp_path / "half", large, artifact=artifact)
    assert judge("fp16-half", [tmp_path / "half"]).verdict == NOT_REPRODUCED


def accuracies(folder: Path, cells: list[Cell], lost: int, samples: int = 4096) -> Path:
    """Quantized methods have `lost` samples fewer right than FP32, which has all but 400."""
    for cell in cells:
        wrong = 400 + (lost if cell.method != "FP32" else 0)
        right = [index >= wrong for index in range(samples)]
        document = fixtures.accuracy_of(cell, right, top5=samples)
        fixtures.change(folder, cell, accuracy=document, accuracy_reason=None)
    return folder


def test_probe_weights_show_a_figure_but_decide_no_accuracy_claim(tmp_path: Path) -> None:
    cells = cells_of("no-accuracy-loss")
    folder = accuracies(plant(tmp_path, cells, factor(1.0)), cells, lost=1000)
    found = judge("no-accuracy-loss", [folder])
    assert found.verdict == NOT_TESTABLE
    assert "no ImageNet weights" in found.explanation
    assert found.estimate
    assert found.estimate.value == pytest.approx(-1000 / 4096)


@pytest.mark.parametrize(
    ("claim", "lost", "verdict"),
    [
        ("no-accuracy-loss", 0, REPRODUCED),
        ("no-accuracy-loss", 200, NOT_REPRODUCED),
        ("no-accuracy-loss", 40, UNDECIDED),
        ("static-loses-accuracy", 200, REPRODUCED),
        ("static-loses-accuracy", 0, UNDECIDED),
        ("static-slight-loss", 20, REPRODUCED),
        ("static-slight-loss", 400, NOT_REPRODUCED),
    ],
)
def test_real_weights_decide_accuracy_claims(tmp_path: Path, claim: str, lost: int, verdict: str) -> None:
    cells = [replace(cell, weights="imagenet") for cell in cells_of(claim)]
    folder = accuracies(plant(tmp_path, cells, factor(1.0)), cells, lost)
    assert judge(claim, [folder], device(weights="imagenet")).verdict == verdict


def test_the_largest_drop_is_told_from_the_others(tmp_path: Path) -> None:
    claim = "static-loss-densenet"
    cells = [replace(cell, weights="imagenet") for cell in cells_of(claim)]
    folder = accuracies(plant(tmp_path, cells, factor(1.0)), cells, lost=40)
    of = device(weights="imagenet")
    assert judge(claim, [folder], of).verdict == NOT_REPRODUCED  # all lose alike
    worst = [
        cell for cell in cells if cell.model == "densenet121" and cell.framework in ("pytorch", "tflite")
    ]
    accuracies(folder, [cell for cell in worst if cell.method == "INT8-SQ"], lost=400)
    found = judge(claim, [folder], of)
    assert found.verdict == REPRODUCED
    assert found.estimate
    assert found.estimate.value == pytest.approx(-360 / 4096)


@given(st.lists(st.tuples(*[st.booleans()] * 4), min_size=1, max_size=60))
def test_a_difference_of_changes_is_that_of_the_samples(rows: list[tuple[bool, ...]]) -> None:
    def accuracy(column: int) -> Accuracy:
        right = [row[column] for row in rows]
        bits = int("".join(str(int(one)) for one in right), 2)
        return Accuracy("Offline", len(rows), sum(right), sum(right), bits)

    found = paired_answers.changes([accuracy(column) for column in range(4)])
    assert found
    differences = [(a - b) - (c - d) for a, b, c, d in rows]
    mean = sum(differences) / len(rows)
    spread = sum((one - mean) ** 2 for one in differences) / len(rows)
    assert found[0] == pytest.approx(mean)
    assert (found[2] - found[0]) / by_round.Z95 == pytest.approx((spread / len(rows)) ** 0.5, abs=1e-7)


# ------------------------------------------------------------------------- nothing measured


def test_an_invalid_measurement_settles_nothing(tmp_path: Path) -> None:
    cells = cells_of("ort-static-gains-offline")
    folder = plant(tmp_path, cells, factor(1.0, INT8_SQ=3.0))
    of = next(cell for cell in cells if cell.method == "FP32")
    document = results.load(results.path_of(folder, of.id))
    document["rounds"][1] |= {"result": "INVALID", "reasons": ["Min queries not met"]}
    fixtures.change(folder, of, rounds=document["rounds"])
    found = judge("ort-static-gains-offline", [folder])
    assert found.verdict == NOT_TESTABLE
    assert found.explanation == f"INVALID: {of.id} (Min queries not met)"


def test_rounds_of_two_runs_are_never_paired(tmp_path: Path) -> None:
    cells = cells_of("ort-static-gains-offline")
    folders = [
        plant(tmp_path / cell.method, [cell], factor(1.0, INT8_SQ=3.0)) for cell in cells
    ]  # each side in its own run
    assert judge("ort-static-gains-offline", folders).verdict == NOT_TESTABLE


def test_a_cell_left_out_keeps_its_reason(tmp_path: Path) -> None:
    cells = cells_of("ort-static-gains-offline")
    excluded = [{"id": cells[0].id, "reason": "one round would take about 90 s"}]
    folder = plant(tmp_path, cells, factor(1.0), excluded=excluded)
    results.path_of(folder, cells[0].id).unlink()
    found = judge("ort-static-gains-offline", [folder])
    assert found.explanation == "left out: one round would take about 90 s"


def test_what_cannot_be_capped_is_not_the_reason_why_uncapped_cells_are_missing(tmp_path: Path) -> None:
    claim = "tflite-no-gain-x86"
    absent = [
        {"framework": "tflite", "model": "mobilenet_v2", "method": "FP32", "reason": "cannot be capped"}
    ]
    capped = plant(tmp_path / "isa", cells_of("skylake-1-5"), factor(1.0), absent=absent)
    assert judge(claim, [capped]).explanation == "not measured yet"
    usual = plant(tmp_path / "usual", cells_of("openvino-om-faster"), factor(1.0), absent=absent)
    assert judge(claim, [usual]).explanation == "cannot be capped"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Everything that any claim needs, with gains that satisfy many of them."""
    folder = tmp_path_factory.mktemp("whole")
    runs = []
    for sweep in ("", "batch", "isa"):
        names = [name for name, claim in FILE.claims.items() if claim.sweep == sweep]
        speed = factor(1.0, INT8_OM=2.5, INT8_SQ=1.8, INT8_DQ=0.5)
        runs.append(read(plant(folder / f"run{sweep}", cells_of(*names), speed)))
    return runs


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nothing_is_reproduced_without_the_cells_it_needs(whole: list[Any], data: st.DataObject) -> None:
    share = data.draw(st.floats(0, 1))
    chance = data.draw(st.randoms(use_true_random=False))
    runs = [
        replace(run, measured=tuple(one for one in run.measured if chance.random() < share)) for run in whole
    ]
    some = Results(runs, MATRIX, "host", dict.fromkeys(MATRIX.models, "probe"), "fashion-mnist")
    for found in judge_all(FILE, some, device(), "quick"):
        measured = [one for one in found.compared if one.estimate]
        if found.verdict in (REPRODUCED, NOT_REPRODUCED, UNDECIDED):
            assert measured, found.id
            assert found.estimate
        if found.verdict == REPRODUCED and found.claim.of == "every":
            assert len(measured) == len(found.compared)
        if not measured:
            assert found.verdict == NOT_TESTABLE
            assert found.explanation


def test_without_any_run_no_claim_has_a_verdict() -> None:
    empty = Results([], MATRIX, "host", {}, "fashion-mnist")
    found = judge_all(FILE, empty, device(), "quick")
    assert {one.verdict for one in found} == {NOT_TESTABLE}
    assert planted.FILE.claims.keys() == {one.id for one in found}
