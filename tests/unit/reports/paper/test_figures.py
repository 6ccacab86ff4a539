"""The paper's figures and tables: drawn from results, and what has none says how to measure it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from xml.etree import ElementTree

import fixtures_results as fixtures
import pytest
from fixtures_report import MATRIX, Page, cell, downloads, page

from bench.plan.cells import Filters
from bench.plan.matrix import Matrix
from bench.store import results
from reports.chapter.chapter_view import views
from reports.drawing import downloads as files
from reports.paper.all_figures import figures
from reports.paper.one_figure import Figure
from reports.paper.printed import FIGURES, HARDWARE
from reports.paper.tables import tables
from reports.run.beside import beside
from reports.run.reading import read

ALL = Filters(models=tuple(MATRIX.models))


def drawn(folder: Path, matrix: Matrix = MATRIX) -> dict[int, Figure]:
    run = read(folder)
    return {
        one.paper.number: one for one in figures(run, views(run, matrix), beside(run, matrix.sweeps), matrix)
    }


def rows(url: str) -> list[dict[str, str]]:
    (text,) = downloads(f'href="{url}"')
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the three models, with both sweeps beside it as `invoke run --sweep` leaves them."""
    out = tmp_path_factory.mktemp("out")
    for sweep in ("batch", "isa"):
        name = f"host-quick-{sweep}"
        fixtures.write_run(out / name, filters=Filters(sweep=sweep), run=name)
    return fixtures.write_run(out / "host-quick", filters=ALL, run="host-quick")


def test_what_the_paper_prints_names_what_the_matrix_has() -> None:
    for one in FIGURES:
        assert set(one.models) <= set(MATRIX.models)
        assert set(one.frameworks) <= set(MATRIX.frameworks)
        assert one.sweep in {"", *MATRIX.sweeps}
    tabled = {name for name, platform in MATRIX.platforms.items() if "(Table IV)" in platform.description}
    assert set(HARDWARE) == tabled


def test_figures_have_the_papers_panels(whole: Path) -> None:
    found = drawn(whole)
    assert [one.label for one in found[1].panels] == ["VGG-19", "MobileNetV2", "DenseNet-121"]
    scenarios = ("Single-stream", "Multi-stream", "Offline")
    assert [one.label for one in found[2].panels] == [f"MobileNetV2, {one}" for one in scenarios]
    assert [one.label for one in found[4].panels] == [
        f"{model}, {one}" for model in ("VGG-19", "DenseNet-121") for one in scenarios
    ]
    assert [one.label for one in found[6].panels] == ["ONNX Runtime", "OpenVINO", "TFLite"]
    assert [one.label for one in found[7].panels] == [f"OpenVINO, {one}" for one in scenarios]
    assert {one.label.partition(",")[0] for one in found[7].more} == {"PyTorch"}
    names = [name for table in found[4].times for name, _ in table.lines]
    assert names == ["OpenVINO FP32", "OpenVINO INT8-OM", "PyTorch FP32", "PyTorch INT8-SQ"] * 2


def test_figures_of_another_device_say_how_to_measure_them(whole: Path) -> None:
    found = drawn(whole)
    for number, models in ((3, "mobilenet_v2"), (5, "vgg19,densenet121")):
        (lack,) = found[number].lacks
        assert not found[number].panels
        assert lack.command.startswith("./invoke build run --platform rpi4 --profile quick --framework ")
        assert lack.command.endswith(f"--model {models}")
    assert "Raspberry Pi" in found[6].lacks[0].what
    assert (
        found[6].lacks[0].command.endswith("--platform rpi4 --profile quick --sweep batch --framework tflite")
    )


def test_arm_results_are_figures_3_and_5(tmp_path: Path) -> None:
    run = fixtures.write_run(tmp_path, filters=Filters(frameworks=("pytorch", "tflite")))
    for path in (run / "cells").iterdir():
        document = results.load(path)
        fixtures.save(
            run,
            document["id"],
            {**document, "environment": {**document["environment"], "machine": "aarch64"}},
        )
    found = drawn(run)
    assert len(found[3].panels) == 3
    assert len(found[5].panels) == 6
    assert [one.command for one in found[2].lacks] == [
        "./invoke build run --platform host --profile quick --model mobilenet_v2"
    ]


def test_sweeps_beside_the_run_are_drawn_and_named(whole: Path) -> None:
    found = drawn(whole)
    assert found[6].origin == "run host-quick-batch, measured 2026-02-03 04:09 UTC"
    assert found[7].origin.startswith("run host-quick-isa")
    assert not found[2].origin
    assert {row["run"] for row in rows(found[6].csv)} == {"host-quick-batch"}
    assert "Drawn from run host-quick-batch" in Page(page(whole)).text


@pytest.mark.parametrize(
    ("changes", "why"), [({"profile": "paper-table1"}, "profile"), ({"platform": "ri2"}, "platform")]
)
def test_a_sweep_of_something_else_is_not_drawn(tmp_path: Path, changes: dict[str, str], why: str) -> None:
    run = fixtures.write_run(tmp_path / "host-quick", run="host-quick")
    fixtures.write_run(tmp_path / "host-quick-batch", filters=Filters(sweep="batch"), run="x", **changes)
    (lack,) = drawn(run)[6].lacks
    assert lack.why == f"run host-quick-batch differs in {why}"
    assert lack.command == "./invoke build run --platform host --profile quick --sweep batch"


def test_a_damaged_sweep_is_named(tmp_path: Path) -> None:
    run = fixtures.write_run(tmp_path / "host-quick", run="host-quick")
    (tmp_path / "host-quick-isa").mkdir()
    (tmp_path / "host-quick-isa" / "run.json").write_text("{")
    assert "cannot be read" in drawn(run)[7].lacks[0].why


def test_a_sweep_does_not_show_its_charts_twice(whole: Path) -> None:
    found = drawn(whole.with_name("host-quick-isa"))
    assert len(found[7].panels) == 3
    assert not found[7].origin
    assert not found[2].panels
    assert found[2].lacks[0].why == "what this run has of it is in Figure 7"


def test_a_model_without_results_is_named(tmp_path: Path) -> None:
    found = drawn(fixtures.write_run(tmp_path))
    assert [one.label for one in found[1].panels] == ["MobileNetV2"]
    (lack,) = found[1].lacks
    assert lack.what == "VGG-19 and DenseNet-121"
    assert lack.command == "./invoke build run --platform host --profile quick --model vgg19,densenet121"
    scenario = fixtures.write_run(
        tmp_path / "one", filters=Filters(models=("mobilenet_v2",), scenarios=("Offline",))
    )
    assert [one.what for one in drawn(scenario)[2].lacks] == ["MobileNetV2, Single-stream and Multi-stream"]


def test_the_csv_holds_what_the_bars_show(whole: Path) -> None:
    found = drawn(whole)
    (row,) = [
        row
        for row in rows(found[2].csv)
        if (row["framework"], row["method"], row["scenario"]) == ("openvino", "INT8-OM", "Offline")
    ]
    of = cell("openvino", "INT8-OM", "Offline")
    rates = sorted(one["samples_per_second"] for one in results.load(results.path_of(whole, of.id))["rounds"])
    assert (float(row["lowest_round"]), float(row["median"]), float(row["highest_round"])) == tuple(rates)
    assert (row["unit"], row["batch"], row["loadgen"], row["cpu"]) == (
        "samples/s",
        "32",
        "VALID",
        "Invented CPU 9000",
    )
    assert len(rows(found[1].csv)) == 36
    assert {row["top1_correct"] for row in rows(found[1].csv) if row["method"] == "FP32"} == {"226"}
    batches = [row for row in rows(found[6].csv) if row["framework"] == "openvino"]
    assert len(batches) == 12  # FP32 and INT8-OM at six batches, each once


def test_what_is_not_measured_is_an_empty_field_with_its_reason(tmp_path: Path) -> None:
    run = fixtures.write_run(tmp_path)
    results.path_of(run, cell("openvino", "FP32", "Offline").id).unlink()
    found = rows(drawn(run)[2].csv)
    (row,) = [row for row in found if row["note"]]
    assert (row["median"], row["loadgen"]) == ("", "")
    assert "not measured" in row["note"]


def test_the_svg_stands_alone(whole: Path) -> None:
    for number, one in drawn(whole).items():
        for text in downloads(f'href="{one.svg}"') if one.svg else ():
            root = ElementTree.fromstring(text)
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert "var(" not in text
            charts = [child for child in root if child.tag.endswith("}svg")]
            assert len(charts) == len(one.panels) + len(one.more), number
            width, height = float(root.get("width", 0)), float(root.get("height", 0))
            for chart in charts:
                assert float(chart.get("x", 0)) + float(chart.get("width", 0)) <= width
                assert float(chart.get("y", 0)) + float(chart.get("height", 0)) <= height
            ids = {node.get("id") for node in root.iter()}
            used = {
                node.get("fill", "")[5:-1] for node in root.iter() if node.get("fill", "").startswith("url(#")
            }
            assert used <= ids


def test_a_csv_keeps_commas_and_lines() -> None:
    url = files.csv_url(("a", "b"), [("x,y", None), ("two\nlines", 1.5)])
    (text,) = downloads(f'href="{url}"')
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["a", "b"], ["x,y", ""], ["two\nlines", "1.5"]]


def test_without_performance_only_figure_1_is_there(tmp_path: Path) -> None:
    run = fixtures.write_run(tmp_path, "smoke")
    assert list(drawn(run)) == [1]
    text = Page(page(run)).text
    assert "Figures 2 to 7 are about time. This run has none to show" in text
    assert "Table IV." in text


def test_tables_stand_beside_the_papers(tmp_path: Path) -> None:
    one, two, three, four = (one.table for one in tables(read(fixtures.write_run(tmp_path)), MATRIX))
    multi = next(row for row in one.rows if row[0] == "Multi-stream")
    assert multi[1:4] == ("8", "270,336 queries and 600 s; p99", "64 queries and 1 s; p90")
    assert [row[0].split()[0] for row in two.rows] == list(MATRIX.methods)
    ticks = {row[0]: [bool(cell.startswith("\N{CHECK MARK}")) for cell in row[1:]] for row in three.rows}
    assert ticks["INT8-SQ"] == [True, True, True, False]  # the paper's Table III
    assert ticks["INT8-OM"] == [False, False, False, True]
    assert four.columns[1:4] == ("Raspberry Pi 4B", "Frontera", "RI2")
    assert four.rows[1] == (
        "Processor model",
        "Broadcom BCM2711",
        "Platinum 8280",
        "Gold 6132",
        "Invented CPU 9000",
    )
