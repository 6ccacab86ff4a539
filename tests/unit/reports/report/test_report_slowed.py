"""A machine that was slowed while it measured: the report marks it, and the answers say so."""

from __future__ import annotations

from pathlib import Path

import fixtures_results as fixtures
import pytest
from fixtures_report import Page, cell, page, parts, row_of

from bench.plan.cells import Cell, Filters
from bench.store import results
from reports.chapter import answers


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return fixtures.write_run(tmp_path)


def slow(run: Path, *cells: Cell, rounds: tuple[int, ...] = (1, 2, 3)) -> None:
    for of in cells:
        every = [fixtures.round_of(of, number) for number in (1, 2, 3)]
        fixtures.change(
            run, of, rounds=[fixtures.capped(one) if one["round"] in rounds else one for one in every]
        )


REASON = "throttled: firmware says frequency capped, 82.4 °C"


def test_a_throttled_cell_is_marked_with_sign_word_and_reason(run: Path) -> None:
    of = cell("onnxruntime", "FP32", "SingleStream")
    slow(run, of, rounds=(2,))
    assert [str(mark) for mark in row_of(run, of).marks] == [REASON]
    source = page(run)
    text = Page(source).text
    assert "▼ throttled 1 of 3" in text  # the table's remark
    assert f"ONNX Runtime FP32 : {REASON}" in text
    assert "▼ throttled: the machine was slowed during 1 cell, marked so" in text
    assert source.count('class="slowed"') == 1  # the chart's
    assert f"1 of 3 rounds {REASON}" in source  # the bar's tooltip
    assert "82.4" in text.split("Temperature (°C) during")[1][:40]
    assert "1,000 to 1,500" in text.split("Frequency (MHz) during")[1][:40]


def test_a_throttled_winner_is_named_so_in_headline_and_answers(run: Path) -> None:
    slow(run, cell("openvino", "INT8-OM", "SingleStream"))
    chapter, blocks, _ = parts(run)
    told = {one.text: one.answers[0] for one in answers.questions(chapter, blocks)}
    fastest = told["Fastest of all methods"]
    assert fastest.who == "OpenVINO INT8-OM"
    assert f"▼ {REASON}" in fastest.note
    assert f"▼ {REASON}" in told["Largest speedup over own FP32"].note
    assert REASON not in told["Fastest FP32"].note
    assert answers.headline(chapter, blocks).count("▼ throttled") == 1


def test_a_speedup_over_a_throttled_fp32_says_so(run: Path) -> None:
    slow(run, cell("openvino", "FP32", "Offline"))
    chapter, blocks, _ = parts(run)
    gain = next(one for one in answers.questions(chapter, blocks) if one.text.startswith("Largest speedup"))
    assert [f"its FP32 ▼ {REASON}" in one.note for one in gain.answers].count(True) == 1
    assert answers.headline(chapter, blocks).count("against an FP32 that was ▼ throttled") == 1


def test_a_sweep_marks_a_throttled_step(tmp_path: Path) -> None:
    fixtures.write_run(tmp_path, filters=Filters(models=("mobilenet_v2",), sweep="batch"))
    plain = page(tmp_path)
    assert "slowed machine:" not in Page(plain).text
    for path in sorted((tmp_path / "cells").glob("*.openvino.*INT8-OM.Offline.*")):
        document = results.load(path)
        fixtures.save(
            tmp_path, path.stem, {**document, "rounds": [fixtures.capped(one) for one in document["rounds"]]}
        )
    text = Page(page(tmp_path)).text
    assert "Measured on a slowed machine: ▼ throttled." in text
    assert "] ▼ throttled" in text  # beside the step's speedup


def test_a_governor_other_than_performance_is_told_once(run: Path) -> None:
    words = "The frequency governor was"
    assert words not in Page(page(run)).text
    slow(run, *(cell("openvino", "FP32", name) for name in ("SingleStream", "Offline")))
    text = Page(page(run)).text
    assert text.count(words) == 1
    assert "was ondemand and performance: figures vary less" in text


def test_what_a_machine_does_not_tell_is_said(run: Path) -> None:
    text = Page(page(run)).text
    for fact in ("Frequency (MHz) during", "Temperature (°C) before", "Throttling is told by"):
        assert text.split(fact)[1].strip().startswith("not told by this machine")
