"""The Pareto front of time and accuracy, and its chart."""

from __future__ import annotations

import re
from pathlib import Path

import fixtures_results as fixtures
import pytest
from fixtures_report import MATRIX, Page, cell, page, parts
from hypothesis import given
from hypothesis import strategies as st

from bench.plan.cells import Filters
from reports.chapter.front import Front, fronts
from reports.drawing import scatter


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return fixtures.write_run(tmp_path)


def found(run: Path) -> dict[str, Front]:
    chapter, blocks, quality = parts(run)
    return {one.block.scenario: one for one in fronts(chapter, blocks, quality, MATRIX)}


def test_the_front_is_what_none_beats(run: Path) -> None:
    # OpenVINO INT8-OM is the fastest and loses five images net; its FP32 is the fastest that loses none.
    for front in found(run).values():
        assert [one.name for one in front.members] == ["OpenVINO INT8-OM", "OpenVINO FP32"]
        for one in front.points:
            assert one.on_front or one.beaten
    assert set(found(run)) == {"SingleStream", "Offline"}


def test_a_slower_member_says_what_its_accuracy_gains(run: Path) -> None:
    first, second = found(run)["SingleStream"].members
    assert first.gain is None
    assert second.gain
    assert (second.gain.won, second.gain.lost) == (8, 3)
    assert second.gain.p > 0.05
    text = Page(page(run)).text
    assert "against the next faster, within noise" in text


def test_no_loss_leaves_the_fastest_alone(run: Path) -> None:
    of = cell("openvino", "INT8-OM", "Offline")
    fixtures.change(run, of, accuracy=fixtures.accuracy_of(of, fixtures.answers_of(32)))
    front = found(run)["Offline"]
    assert [one.name for one in front.members] == ["OpenVINO INT8-OM"]
    assert front.told.endswith("alone: no other is faster or closer to its FP32")
    assert "front-line" not in front.chart


def test_invalid_times_and_unknown_accuracies_have_no_place(run: Path) -> None:
    of = cell("openvino", "INT8-OM", "SingleStream")
    rounds = [fixtures.round_of(of, number) | {"result": "INVALID"} for number in (1, 2, 3)]
    fixtures.change(run, of, rounds=rounds)
    base = cell("tflite", "FP32", "Offline")
    fixtures.change(run, base, accuracy=None, accuracy_reason="no time")
    without = dict(found(run)["SingleStream"].without)
    assert without["OpenVINO INT8-OM"] == "its time is INVALID"
    assert without["TFLite INT8-SQ"] == "no accuracy against its FP32"
    assert "TFLite INT16x8 no place: no accuracy against its FP32" in Page(page(run)).text


def test_without_accuracy_there_is_no_front(tmp_path: Path) -> None:
    run = fixtures.write_run(tmp_path, filters=Filters(models=("mobilenet_v2",)))
    for one in fixtures.cells_of():
        fixtures.change(run, one, accuracy=None, accuracy_reason="other classes")
    assert found(run) == {}


dots = st.lists(st.tuples(st.floats(0.01, 1e5), st.floats(-60, 60), st.booleans()), min_size=1, max_size=14)


@given(dots)
def test_every_name_is_in_the_chart_and_inside_it(values: list[tuple[float, float, bool]]) -> None:
    made = [
        scatter.Dot(f"Framework INT8-{n}", n, x, (x * 0.9, x * 1.1), y, (y - 3, y + 3), front)
        for n, (x, y, front) in enumerate(values)
    ]
    drawn = scatter.draw(scatter.Scatter("id", "title", "description", "x", "y", made))
    Page(drawn)
    assert drawn.count("Framework INT8-") == len(made)
    for x, y in re.findall(r'<text class="method[^"]*" x="([\d.-]+)" y="([\d.-]+)"', drawn):
        assert 0 <= float(x) <= scatter.WIDTH
        assert 0 <= float(y) <= scatter.HEIGHT


def test_crowded_names_do_not_cover_each_other() -> None:
    made = [
        scatter.Dot(f"ONNX Runtime INT8-{n}", n, 2 + 0.4 * n, (2, 6), 0.0, None, front=False)
        for n in range(8)
    ]
    drawn = scatter.draw(scatter.Scatter("id", "title", "description", "x", "y", made))
    boxes = [
        (float(x) - (130 if "end" in kind else 0), float(y))
        for kind, x, y in re.findall(r'<text class="(method[^"]*)" x="([\d.]+)" y="([\d.]+)"', drawn)
    ]
    clashes = [
        (a, b)
        for place, a in enumerate(boxes)
        for b in boxes[place + 1 :]
        if abs(a[1] - b[1]) < 9 and abs(a[0] - b[0]) < 115
    ]
    assert clashes == []
