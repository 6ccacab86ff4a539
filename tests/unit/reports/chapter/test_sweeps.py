"""Figures 6 and 7 of the report: batches and instruction sets, on synthetic runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import fixtures_results as fixtures
import pytest
from fixtures_report import MATRIX, Page, page

from bench.plan.cells import Cell, Filters
from bench.store import results
from reports.chapter.by_batch import Arranged, arrange
from reports.chapter.by_isa import IsaView, isa_view
from reports.chapter.timings import blocks
from reports.run.chapters import Chapter, chapters
from reports.run.reading import read
from reports.run.wording import TIMES, speedup

BATCH, ISA = Filters(sweep="batch"), Filters(sweep="isa")


@pytest.fixture
def batches(tmp_path: Path) -> Path:
    return fixtures.write_run(tmp_path, filters=BATCH)


@pytest.fixture
def isas(tmp_path: Path) -> Path:
    return fixtures.write_run(tmp_path, filters=ISA)


def mixed(folder: Path) -> Path:
    """The usual cells and both sweeps in one folder."""
    cells = [*fixtures.cells_of(), *fixtures.cells_of("quick", BATCH), *fixtures.cells_of("quick", ISA)]
    cells = list(dict.fromkeys(cells))
    for one in cells:
        fixtures.save(folder, one.id, fixtures.result_of(one, MATRIX, "quick", 3))
    (folder / "run.json").write_text(json.dumps(fixtures.run_json(cells, [], "quick")), encoding="utf-8")
    return folder


def arranged(folder: Path) -> list[tuple[Chapter, Arranged]]:
    found = chapters(read(folder), MATRIX)
    return [(one, arrange(one, blocks(one, MATRIX, "quick"), MATRIX)) for one in found]


def compared(folder: Path) -> IsaView:
    view = isa_view([(chapter, parts.answers) for chapter, parts in arranged(folder)], MATRIX)
    assert view
    return view


def find(framework: str, method: str, filters: Filters, **wanted: object) -> Cell:
    return next(
        one
        for one in fixtures.cells_of("quick", filters)
        if (one.framework, one.method) == (framework, method)
        and all(getattr(one, name) == value for name, value in wanted.items())
    )


# -------------------------------------------------------------------------------- batches


def test_a_batch_sweep_is_one_figure_and_its_blocks_are_not_told_again(batches: Path) -> None:
    ((_, parts),) = arranged(batches)
    (sweep,) = parts.sweeps
    assert sweep.batches == (1, 2, 4, 8, 16, 32)
    assert [one.name for one in sweep.series] == [
        "TFLite INT8-SQ",
        "ONNX Runtime INT8-SQ",
        "OpenVINO INT8-OM",
    ]
    assert [name for name, _ in sweep.charts] == ["TFLite", "ONNX Runtime", "OpenVINO"]
    assert [block.batch for block in parts.answers] == [32]
    assert parts.body == ()
    assert [block.batch for block in parts.folded] == [1, 2, 4, 8, 16, 32]
    source = page(batches)
    assert len(re.findall('role="img"', source)) == 5  # three frameworks, the size and the front
    Page(source)


def test_the_largest_speedup_is_told_with_its_batch(batches: Path) -> None:
    ((_, parts),) = arranged(batches)
    openvino = parts.sweeps[0].series[-1]
    assert openvino.best
    assert openvino.best.block.batch == 32
    assert openvino.best.row.speedup
    told = parts.sweeps[0].told[-1]
    assert told == f"OpenVINO INT8-OM gains most at batch 32: {speedup(openvino.best.row.speedup)} its FP32."
    assert told in Page(page(batches)).text


def test_an_invalid_batch_cannot_be_the_best(batches: Path) -> None:
    of = find("openvino", "INT8-OM", BATCH, batch=32)
    rounds = [fixtures.round_of(of, number) for number in (1, 2, 3)]
    rounds[1]["result"] = "INVALID"
    fixtures.change(batches, of, rounds=rounds)
    results.path_of(batches, find("openvino", "FP32", BATCH, batch=16).id).unlink()
    ((_, parts),) = arranged(batches)
    told = parts.sweeps[0].told[-1]
    assert "gains most at batch 8:" in told
    assert "Without a VALID speedup: batch 16 and batch 32." in told


def test_a_method_that_is_never_faster_says_so(batches: Path) -> None:
    for batch in (1, 2, 4, 8, 16, 32):
        of = find("tflite", "INT8-SQ", BATCH, batch=batch)
        rounds = [fixtures.round_of(of, number) for number in (1, 2, 3)]
        for one in rounds:
            one["samples_per_second"] = 20.0
        fixtures.change(batches, of, rounds=rounds)
    ((_, parts),) = arranged(batches)
    assert (
        parts.sweeps[0].told[0].startswith("TFLite INT8-SQ is faster than its FP32 at no batch: at most 0.0")
    )


def test_among_all_methods_the_usual_batch_stays_in_the_body(tmp_path: Path) -> None:
    leader, parts = arranged(mixed(tmp_path))[0]
    assert leader.setting.isa == "native"
    assert [(block.scenario, block.batch) for block in parts.body] == [
        ("SingleStream", 1),
        ("MultiStream", 8),
        ("Offline", 32),
    ]
    assert [block.batch for block in parts.folded] == [1, 2, 4, 8, 16]
    assert [block.batch for block in parts.answers] == [1, 8, 32]


# ------------------------------------------------------------------------ instruction sets


def test_caps_are_compared_ascending_with_no_cap_last(isas: Path) -> None:
    view = compared(isas)
    caps = ["AVX2", "AVX-512 without VNNI", "AVX-512 with VNNI", "no cap"]
    assert [(row.name, row.cap) for row in view.rows] == [
        (name, cap) for name in ("PyTorch INT8-SQ", "OpenVINO INT8-OM") for cap in caps
    ]
    assert [label for label, _ in view.charts[:3]] == [
        "PyTorch, Single-stream",
        "PyTorch, Multi-stream",
        "PyTorch, Offline",
    ]
    assert re.fullmatch(
        "OpenVINO INT8-OM over FP32, Offline: 1...x capped to AVX2, 1...x capped to AVX-512 without VNNI, "
        "[23]...x capped to AVX-512 with VNNI and [23]...x without a cap.",
        view.told[1].replace(TIMES, "x"),
    )


def test_the_chapter_without_a_cap_leads_and_the_others_make_no_headline(isas: Path) -> None:
    found = chapters(read(isas), MATRIX)
    assert [one.setting.isa for one in found] == ["native", "AVX512_CORE_VNNI", "AVX512_CORE", "AVX2"]
    assert [one.leads for one in found] == [True, False, False, False]
    source = page(isas)
    text = Page(source).text
    assert text.count("is the fastest wherever") == 1
    assert (
        len(re.findall('role="img"', source)) == 9
    )  # two frameworks x three scenarios, the size, two fronts
    assert "TFLite (XNNPACK chooses its kernels" in text


def test_without_an_uncapped_chapter_the_highest_leads(isas: Path) -> None:
    for one in fixtures.cells_of("quick", ISA):
        if one.isa == "native":
            results.path_of(isas, one.id).unlink()
    document = fixtures.run_json(
        [one for one in fixtures.cells_of("quick", ISA) if one.isa != "native"], [], "quick"
    )
    (isas / "run.json").write_text(json.dumps(document), encoding="utf-8")
    leader = chapters(read(isas), MATRIX)[0]
    assert (leader.setting.isa, leader.leads) == ("AVX512_CORE_VNNI", True)


def test_the_highest_set_that_kernels_show_stands_beside_the_cap(isas: Path) -> None:
    of = find("openvino", "INT8-OM", ISA, isa="AVX2", scenario="Offline")
    evidence = {
        "summary": "52 of 52 convolutions in u8; up to avx512_core_bf16",
        "facts": {"isa": {"asked": "AVX2", "seen": {"avx512_core_bf16": 52}, "highest": "avx512_core_bf16"}},
        "warnings": ["asked for AVX2, but 52 of 52 convolutions ran in avx512_core_bf16"],
    }
    fixtures.change(isas, of, evidence=evidence)
    row = next(row for row in compared(isas).rows if (row.name, row.cap) == ("OpenVINO INT8-OM", "AVX2"))
    assert row.seen == "AVX2 and avx512_core_bf16"
    assert row.seen_fp32 == "AVX2"
    text = Page(page(isas)).text
    assert "warning asked for AVX2, but 52 of 52 convolutions ran in avx512_core_bf16" in text
    for one in fixtures.cells_of("quick", ISA):
        fixtures.change(isas, one, evidence={"summary": "", "facts": {}, "warnings": []})
    assert {row.seen for row in compared(isas).rows} == {"not recorded"}


def test_a_run_without_performance_compares_no_speed(tmp_path: Path) -> None:
    run = fixtures.write_run(tmp_path, "smoke", ISA)
    text = Page(page(run)).text
    assert "by instruction set" not in text
    assert "peak memory" not in text.lower()
    assert "AVX-512 without VNNI" in text  # the evidence is there


def test_one_cap_alone_is_an_ordinary_chapter(tmp_path: Path) -> None:
    assert isa_view([(c, p.answers) for c, p in arranged(fixtures.write_run(tmp_path))], MATRIX) is None
