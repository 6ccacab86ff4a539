"""What a comparison of two runs says, on synthetic runs with planted differences."""

from __future__ import annotations

import json
import random
from pathlib import Path

import fixtures_results as fixtures
import pytest
from fixtures_compare import ONE_FRAMEWORK, Document, alter, compared, pair, rename, runs, slow_down
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.plan.cells import Cell, Filters
from reports.compare import judge
from reports.compare.judge import FASTER, INCOMPARABLE, LOWER, NO_CHANGE, NOT_JUDGED, SAME, SLOWER, UNDECIDED

INVERSE = {FASTER: SLOWER, SLOWER: FASTER, judge.HIGHER: LOWER, LOWER: judge.HIGHER}
FACTORS = st.lists(st.floats(0.5, 2.0), min_size=1, max_size=6)


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return runs(tmp_path)


def is_int8(cell: Cell) -> bool:
    return cell.method == "INT8-OM"


# --------------------------------------------------------------------------------- verdicts


def test_a_run_is_the_same_as_itself(two: tuple[Path, Path]) -> None:
    found = compared(*two)
    assert len(found.pairs) == 6
    assert {one.speed.verdict for one in found.pairs} == {SAME}
    assert {one.speed.ratio for one in found.pairs} == {1}
    assert {one.answers.verdict for one in found.pairs} == {NO_CHANGE, judge.NOT_MEASURED}
    assert not found.failures(strict=True)
    assert not found.only
    assert not found.differences


def test_a_planted_regression_is_found_and_nothing_else(two: tuple[Path, Path]) -> None:
    a, b = two
    alter(a, slow_down(1.0, 1.01, 0.99), is_int8)
    alter(b, slow_down(1.5, 1.51, 1.49), is_int8)
    found = compared(a, b)
    for scenario in ("SingleStream", "MultiStream", "Offline"):
        one = pair(found, "INT8-OM", scenario)
        assert one.speed.verdict == SLOWER, scenario
        assert one.speed.ratio == pytest.approx(1 / 1.5)
        assert one.speed.test is not None
        assert one.speed.test.u == 0
        assert one.speed.test.p == pytest.approx(0.1)
        assert one.speed.reason == "rounds lie clearly apart; too few of them for p < 0.05 over 6 cells"
        assert one.gain is not None
        assert one.gain.change == pytest.approx(1 / 1.5, rel=0.01)
        assert pair(found, "FP32", scenario).speed.verdict == SAME
    assert len(found.failures()) == 3
    assert compared(b, a).failures() == ()


def test_with_enough_rounds_the_verdict_rests_on_p(two: tuple[Path, Path]) -> None:
    a, b = two
    alter(a, slow_down(1.0, 1.01, 0.99, 1.02, 0.98, 1.0, 1.01, 0.99))
    alter(b, slow_down(1.2, 1.21, 1.19, 1.22, 1.18, 1.2, 1.21, 1.015))
    found = compared(a, b)
    assert found.tested == 6
    for one in found.pairs:
        assert one.speed.test is not None
        assert not one.speed.test.separated
        assert one.speed.adjusted == pytest.approx(one.speed.test.p * 6)
        assert (one.speed.verdict, one.speed.reason) == (SLOWER, "p after Holm's correction")


def test_noise_beyond_the_threshold_is_neither_same_nor_slower(two: tuple[Path, Path]) -> None:
    a, b = two
    alter(a, slow_down(1.0, 1.2, 0.9))
    alter(b, slow_down(1.1, 1.3, 1.15))
    found = compared(a, b)
    assert {one.speed.verdict for one in found.pairs} == {UNDECIDED}
    assert found.failures() == ()
    assert len(found.failures(strict=True)) == 6


def test_a_difference_within_the_threshold_does_not_fail(two: tuple[Path, Path]) -> None:
    a, b = two
    alter(a, slow_down(1.0, 1.001, 0.999))
    alter(b, slow_down(1.04, 1.041, 1.039))
    assert {one.speed.verdict for one in compared(a, b).pairs} == {SAME}
    assert {one.speed.verdict for one in compared(a, b, threshold=0.03).pairs} == {SLOWER}
    # The interval passes 4 %, the ratio does not.
    assert {one.speed.verdict for one in compared(a, b, threshold=0.0405).pairs} == {UNDECIDED}


@pytest.mark.parametrize(("rounds", "reason"), [((3.0,), "one round in B"), ((3.0, 3.0), "two rounds in B")])
def test_too_few_rounds_decide_nothing(
    two: tuple[Path, Path], rounds: tuple[float, ...], reason: str
) -> None:
    alter(two[1], slow_down(*rounds))
    found = compared(*two)
    assert {(one.speed.verdict, one.speed.reason) for one in found.pairs} == {(UNDECIDED, reason)}
    assert all(one.speed.ratio for one in found.pairs)
    assert found.failures() == ()


def test_invalid_and_throttled_cells_are_told_but_not_decided(two: tuple[Path, Path]) -> None:
    a, b = two
    alter(b, slow_down(2, 2, 2))
    alter(b, lambda document: document["rounds"][1].update(result="INVALID", reasons=["too short"]), is_int8)
    alter(
        a,
        lambda document: document["rounds"][0]["after"].update(throttled=True),
        lambda cell: cell.scenario == "Offline",
    )
    found = compared(a, b)
    assert pair(found, "INT8-OM", "Offline").speed.reason == "throttled in A, INVALID in B"
    assert pair(found, "INT8-OM", "SingleStream").speed.reason == "INVALID in B"
    assert pair(found, "INT8-OM", "SingleStream").speed.ratio == pytest.approx(0.5, rel=0.05)
    assert pair(found, "INT8-OM", "SingleStream").gain == judge.Gain("INVALID in B")
    assert pair(found, "FP32", "SingleStream").speed.verdict == SLOWER
    assert found.tested == 2


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FACTORS, FACTORS, st.integers(0, 60), st.integers(0, 60))
def test_swapping_the_runs_inverts_every_ratio_and_verdict(
    tmp_path: Path, ours: list[float], theirs: list[float], lost: int, won: int
) -> None:
    a, b = runs(tmp_path, Filters(frameworks=("openvino",), models=("mobilenet_v2",), scenarios=("Offline",)))
    alter(a, slow_down(*ours))
    alter(b, slow_down(*theirs), is_int8)
    right = [lost <= index < 226 or index >= 256 - won for index in range(256)]
    alter(b, lambda document: document.update(accuracy=fixtures.accuracy_of(Cell(**document["cell"]), right)))
    there, back = compared(a, b), compared(b, a)
    for one, other in zip(there.pairs, back.pairs, strict=True):
        assert one.speed.ratio
        assert other.speed.ratio == pytest.approx(1 / one.speed.ratio)
        assert other.speed.verdict == INVERSE.get(one.speed.verdict, one.speed.verdict)
        assert other.speed.adjusted == one.speed.adjusted
        assert other.answers.verdict == INVERSE.get(one.answers.verdict, one.answers.verdict)
        assert (other.a, other.b) == (one.b, one.a)


def test_chance_alone_seldom_makes_a_verdict(tmp_path: Path) -> None:
    """10 % of noise in 3 rounds and no difference: 10 % of the cells are separated, few are called."""
    draw = random.Random(11)

    def shake(document: Document) -> None:
        slow_down(*(draw.lognormvariate(0, 0.1) for _ in range(3)))(document)

    alarms = cells = 0
    for _ in range(25):
        a, b = runs(tmp_path)
        for run in (a, b):
            alter(run, shake)
        found = compared(a, b)
        cells += found.tested
        alarms += found.count(FASTER) + found.count(SLOWER)
    assert cells == 150
    assert alarms <= 0.02 * cells


# ------------------------------------------------------------------------ what is not compared


def test_timings_of_a_smoke_run_are_not_compared_but_its_answers_are(tmp_path: Path) -> None:
    a = fixtures.write_run(tmp_path / "a", "smoke", ONE_FRAMEWORK)
    b = fixtures.write_run(tmp_path / "b", "smoke", ONE_FRAMEWORK)
    wrong = [False] * 200 + [True] * 56
    alter(
        b,
        lambda document: document.update(accuracy=fixtures.accuracy_of(Cell(**document["cell"]), wrong)),
        lambda cell: cell.scenario == "Offline" and cell.method == "FP32",
    )
    found = compared(a, b)
    assert {one.speed.verdict for one in found.pairs} == {INCOMPARABLE}
    assert {one.speed.reason for one in found.pairs} == {
        "A measured no performance (profile smoke) and B measured no performance (profile smoke)"
    }
    assert all(one.speed.ratio is None and not one.speed.a and one.gain is None for one in found.pairs)
    one = pair(found, "FP32", "Offline")
    assert one.answers.verdict == LOWER
    assert found.failures() == (
        "MobileNetV2, probe weights: OpenVINO FP32, Offline (batch 32): accuracy "
        "\N{MINUS SIGN}66.4 points (p after Holm's correction)",
    )


def test_emulated_timings_are_not_compared(two: tuple[Path, Path]) -> None:
    alter(two[1], lambda document: document["environment"].update(emulated=True))
    found = compared(*two)
    assert {(one.speed.verdict, one.speed.reason) for one in found.pairs} == {(INCOMPARABLE, "B is emulated")}
    assert found.failures() == ()
    assert len(found.failures(strict=True)) == 6


def test_a_percentile_that_the_log_lacks_is_not_comparable(two: tuple[Path, Path]) -> None:
    def forget(document: Document) -> None:
        for one in document["rounds"]:
            one["latency_ns"] = None

    alter(two[1], forget, lambda cell: cell.scenario == "SingleStream")
    one = pair(compared(*two), "FP32", "SingleStream")
    assert (one.speed.verdict, one.speed.reason) == (INCOMPARABLE, "LoadGen's log lacks it in B")


def test_profiles_with_other_percentiles_meet_at_the_scenarios_own(two: tuple[Path, Path]) -> None:
    facts = json.loads((two[1] / "run.json").read_text())
    (two[1] / "run.json").write_text(json.dumps({**facts, "profile": "paper-table1"}))
    found = compared(*two)
    assert pair(found, "FP32", "MultiStream").speed.label == "p99 latency"
    assert pair(found, "FP32", "SingleStream").speed.label == "p90 latency"
    assert ("Profile", "quick", "paper-table1") in {(d.name, d.a, d.b) for d in found.differences}


def test_a_cell_of_one_run_is_listed_with_the_reason(two: tuple[Path, Path]) -> None:
    a, b = two
    lost = next((b / "cells").glob("*INT8-OM.Offline*"))
    facts = json.loads((b / "run.json").read_text())
    facts["failures"] = [{"id": lost.stem, "round": 1, "reason": "the engine died"}]
    (b / "run.json").write_text(json.dumps(facts))
    lost.unlink()
    (one,) = compared(a, b).only
    assert (one.run, one.reason) == ("A", "failed: the engine died")
    assert one.name == "MobileNetV2, probe weights: OpenVINO INT8-OM, Offline (batch 32)"
    assert [only.run for only in compared(b, a).only] == ["B"]
    assert compared(a, b).failures() == ()
    assert len(compared(a, b).failures(strict=True)) == 1


def test_what_the_other_run_did_not_plan_or_cannot_have_says_so(tmp_path: Path) -> None:
    a = fixtures.write_run(
        tmp_path / "a", filters=Filters(frameworks=("openvino",), methods=("FP32",), models=("mobilenet_v2",))
    )
    b = fixtures.write_run(
        tmp_path / "b",
        filters=Filters(frameworks=("tflite",), methods=("INT8-DQ",), models=("mobilenet_v2",)),
    )
    facts = json.loads((b / "run.json").read_text())
    facts["absent"] = [
        {"framework": "openvino", "model": "mobilenet_v2", "method": "FP32", "reason": "no arm64 image"}
    ]
    (b / "run.json").write_text(json.dumps(facts))
    found = compared(a, b)
    assert found.pairs == ()
    assert {(one.run, one.reason) for one in found.only} == {
        ("A", "no arm64 image"),
        ("B", "it was not planned"),
    }
    assert found.failures() == ()
    assert found.failures(strict=True)[-1] == "no cell is in both runs"


# ----------------------------------------------------------------------------- what differs


def test_another_stack_is_compared_and_named(two: tuple[Path, Path]) -> None:
    rename(two[1], stack="paper", platform="frontera")
    alter(two[1], lambda document: document["versions"].update(openvino="2022.2.0"))
    found = compared(*two)
    assert len(found.pairs) == 6
    told = {(one.name, one.a, one.b) for one in found.differences}
    assert told >= {
        ("Platform", "host", "frontera"),
        ("Stack", "current", "paper"),
        ("OpenVINO: openvino", "1.2.3", "2022.2.0"),
    }


def test_a_slower_machine_is_no_regression(two: tuple[Path, Path]) -> None:
    alter(two[1], slow_down(2, 2, 2))
    alter(two[1], lambda document: document["environment"].update(cpu_model="Slow CPU 1", threads=1))
    found = compared(*two)
    assert {one.speed.verdict for one in found.pairs} == {NOT_JUDGED}
    assert {one.speed.reason for one in found.pairs} == {"another machine: other CPU and threads"}
    assert {one.elsewhere for one in found.pairs} == {("CPU", "threads")}
    assert found.failures() == ()
    assert len(found.failures(strict=True)) == 6


def test_two_stacks_in_one_run_are_paired_by_stack(tmp_path: Path) -> None:
    a, b = runs(tmp_path)
    other = fixtures.write_run(tmp_path / "other", filters=ONE_FRAMEWORK)
    rename(other, stack="paper")
    for path in (other / "cells").glob("*.json"):
        (a / "cells" / path.name).write_bytes(path.read_bytes())
    found = compared(a, b)
    assert len(found.pairs) == 6
    assert {one.a.cell.stack for one in found.pairs} == {"current"}
    assert {(one.run, one.cell.stack) for one in found.only} == {("A", "paper")}


# --------------------------------------------------------------------------------- accuracy


def answers_of(two: tuple[Path, Path], right: list[bool], **changes: object) -> judge.Answers:
    alter(
        two[1],
        lambda document: document.update(
            accuracy=fixtures.accuracy_of(Cell(**document["cell"]), right), **changes
        ),
        lambda cell: cell.scenario == "Offline" and cell.method == "FP32",
    )
    return pair(compared(*two), "FP32", "Offline").answers


def test_an_accuracy_lost_beyond_noise_fails(two: tuple[Path, Path]) -> None:
    found = answers_of(two, [20 <= index < 226 for index in range(256)])
    assert found.change is not None
    assert (found.verdict, found.change.lost, found.change.won) == (LOWER, 20, 0)
    assert len(compared(*two).failures()) == 1
    assert compared(two[1], two[0]).failures() == ()


def test_an_accuracy_within_noise_does_not(two: tuple[Path, Path]) -> None:
    found = answers_of(two, [3 <= index < 227 for index in range(256)])
    assert (found.verdict, found.reason) == (NO_CHANGE, "within noise")


def test_other_images_are_not_compared(two: tuple[Path, Path]) -> None:
    found = answers_of(two, [False] * 256, dataset="imagenet-0123")
    assert (found.verdict, found.change) == (INCOMPARABLE, None)
    assert found.reason == "other images: fashion-mnist in A, imagenet-0123 in B"


def test_an_accuracy_that_only_one_has_is_not_comparable(two: tuple[Path, Path]) -> None:
    alter(two[1], lambda document: document.update(accuracy=None, accuracy_reason="over the limit"))
    found = pair(compared(*two), "FP32", "Offline").answers
    assert (found.verdict, found.reason) == (INCOMPARABLE, "B: over the limit")


def test_accuracies_are_told_over_the_images_that_both_answered(two: tuple[Path, Path]) -> None:
    found = answers_of(two, [True] * 64)
    assert found.change is not None
    assert (found.change.samples, found.right) == (64, (64, 64))
    assert (found.a and found.a.samples, found.b and found.b.samples) == (256, 64)
