"""The report's file and what it says of what is missing, on synthetic runs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import fixtures_results as fixtures
import pytest
from fixtures_report import MATRIX, Page, cell, page

from bench.common.errors import ResultError
from bench.plan.cells import Filters
from bench.store import results
from reports.report import provenance
from reports.report.assemble import render
from reports.run.command import command
from reports.run.reading import read
from reports.run.results import FAILED, LEFT_OUT, NOT_REACHED

SVG = "data:image/svg+xml;base64,"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return fixtures.write_run(tmp_path)


# ------------------------------------------------------------------------------ the file


def test_page_is_self_contained_and_its_policy_admits_only_its_style(run: Path) -> None:
    source = page(run)
    found = Page(source)
    policy = next(a["content"] for _, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert not {tag for tag, _ in found.tags} & {"script", "link", "img", "iframe", "object"}
    for tag, attributes in found.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
        href = attributes.get("href", "#")
        assert href.startswith("#") or ("download" in attributes and href.startswith(("data:text/csv", SVG)))
    assert "http://" not in source
    assert "https://" not in source
    assert "@import" not in style[1]


def test_page_is_accessible(run: Path) -> None:
    found = Page(page(run))
    names = [tag for tag, _ in found.tags]
    ids = [a["id"] for _, a in found.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert names.count("h1") == names.count("main") == 1
    assert names.count("table") == names.count("caption")
    assert all("scope" in a for tag, a in found.tags if tag == "th")
    charts = [a for tag, a in found.tags if tag == "svg" and a.get("role") == "img"]
    assert len(charts) == 6  # three scenarios, the size, two fronts
    assert all(part in ids for a in charts for part in a["aria-labelledby"].split())
    assert all(a["href"][1:] in ids for tag, a in found.tags if tag == "a" and "download" not in a)


def test_rendering_twice_gives_the_same_bytes_and_leaves_no_scrap(run: Path) -> None:
    assert page(run) == page(run)
    assert sorted(path.name for path in run.iterdir() if path.is_file()) == ["report.html", "run.json"]


def test_a_failed_write_keeps_the_old_report(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = page(run)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        render(run, MATRIX)
    assert (run / "report.html").read_text(encoding="utf-8") == before
    assert not list(run.glob(".report-*"))


def test_what_the_files_say_is_escaped(tmp_path: Path) -> None:
    run = fixtures.write_run(tmp_path, device_note="<script>alert(1)</script>")
    of = cell("openvino", "FP32", "Offline")
    evidence = {"summary": "<img src=x>", "facts": {"a": "</pre><b>"}, "warnings": ["<i>w</i>"]}
    fixtures.change(run, of, evidence=evidence)
    source = page(run)
    assert "<script" not in source
    assert "<img" not in source
    assert "<i>w" not in source
    assert "</pre><b>" not in source
    Page(source)


def test_words_that_must_and_must_not_appear(run: Path) -> None:
    text = Page(page(run)).text
    assert "LoadGen-measured, not verified by MLCommons" in text
    assert "mlperf result" not in text.lower()


def test_five_hundred_cells_render_in_three_seconds(tmp_path: Path) -> None:
    everything = Filters(models=tuple(MATRIX.models), sweep="isa")
    cells = fixtures.cells_of("quick", Filters())
    cells += fixtures.cells_of("quick", everything)
    cells += fixtures.cells_of("quick", replace(everything, sweep="batch"))
    cells += [replace(one, weights="zoo") for one in cells]
    cells = list(dict.fromkeys(cells))[:510]
    assert len(cells) > 500
    for one in cells:
        fixtures.save(tmp_path, one.id, fixtures.result_of(one, MATRIX, "quick", 3))
    (tmp_path / "run.json").write_text(json.dumps(fixtures.run_json(cells, [], "quick")), encoding="utf-8")
    start = time.process_time()
    target = render(tmp_path, MATRIX)
    assert time.process_time() - start < 3
    Page(target.read_text(encoding="utf-8"))


# -------------------------------------------------------------------------- what is missing


def test_a_damaged_result_is_listed_and_the_rest_is_shown(run: Path) -> None:
    cut, other = cell("openvino", "FP32", "Offline"), cell("pytorch", "FP32", "Offline")
    path = results.path_of(run, cut.id)
    path.write_text(path.read_text(encoding="utf-8")[:500], encoding="utf-8")
    swapped = results.path_of(run, cell("tflite", "FP32", "Offline").id)
    shutil.copy(swapped, results.path_of(run, other.id))
    (run / "cells" / "stray.json").write_text("[]", encoding="utf-8")
    found = read(run)
    assert not found.complete
    reasons = {one.id: (one.state, one.reason) for one in found.not_measured}
    assert reasons[cut.id][0] == FAILED
    assert "damaged" in reasons[cut.id][1]
    assert "another cell" in reasons[other.id][1]
    assert "stray" in reasons
    text = Page(page(run)).text
    assert "3 cells failed" in text
    assert "not measured (failed: its result file is damaged" in text


def test_failed_and_not_reached_and_lost_rounds(tmp_path: Path) -> None:
    failed, later, lost = (cell("openvino", "FP32", s) for s in ("SingleStream", "MultiStream", "Offline"))
    run = fixtures.write_run(
        tmp_path,
        complete=False,
        failures=[
            {"id": failed.id, "round": 1, "reason": "killed for memory"},
            {"id": lost.id, "round": 3, "reason": "the engine died"},
        ],
    )
    results.path_of(run, failed.id).unlink()
    results.path_of(run, later.id).unlink()
    found = read(run)
    states = {one.id: (one.state, one.reason) for one in found.not_measured}
    assert states[failed.id] == (FAILED, "killed for memory")
    assert states[later.id][0] == NOT_REACHED
    assert [one.reason for one in provenance.lost_rounds(found)] == ["the engine died"]
    text = Page(page(run)).text
    assert "not complete" in text
    assert "34 of 36 planned cells measured" in text
    assert "killed for memory" in text
    assert "OpenVINO has no dynamic quantization" in text


def test_cells_left_out_say_why_and_do_not_make_a_run_incomplete(tmp_path: Path) -> None:
    slow = [cell("tflite", "INT16x8", scenario) for scenario in MATRIX.scenarios]
    rows = [{"id": one.id, "reason": "predicted 640 s a round, over the limit of 60 s"} for one in slow]
    run = fixtures.write_run(tmp_path, excluded=rows)
    for one in slow[:2]:
        results.path_of(run, one.id).unlink()
    found = read(run)
    assert found.complete
    assert not found.lost
    assert {one.state for one in found.left_out} == {LEFT_OUT}
    assert len(found.left_out) == 2  # the third has a result all the same
    text = Page(page(run)).text
    assert "complete All 34 planned cells were measured; 2 more were left out" in text
    assert "not measured (left out: predicted 640 s a round, over the limit of 60 s)" in text
    assert "failed;" not in text


def test_a_result_of_an_older_kit_is_not_damaged(run: Path) -> None:
    of = cell("openvino", "FP32", "Offline")
    results.path_of(run, of.id).write_text(json.dumps({"schema": 1, "id": of.id}), encoding="utf-8")
    found = read(run)
    assert [(one.id, one.state) for one in found.not_measured] == [(of.id, NOT_REACHED)]
    assert "an older kit" in found.not_measured[0].reason
    assert not found.complete


def test_a_run_with_no_result_yet_claims_nothing(tmp_path: Path) -> None:
    run = fixtures.write_run(tmp_path, complete=False)
    for path in (run / "cells").iterdir():
        path.unlink()
    text = Page(page(run)).text
    assert "0 of 36 planned cells measured" in text
    assert "Fastest of all methods not measured not measured not measured" in text
    (run / "run.json").write_text(json.dumps(fixtures.run_json([], [], "quick")), encoding="utf-8")
    assert "Nothing has been measured yet" in Page(page(run)).text


def test_names_the_matrix_no_longer_knows_do_not_stop_the_report(run: Path) -> None:
    of = replace(cell("openvino", "FP32", "Offline"), framework="gone", model="older", method="INT4")
    document = fixtures.result_of(cell("openvino", "FP32", "Offline"), MATRIX, "quick", 3)
    fixtures.save(run, of.id, {**document, "id": of.id, "cell": vars(of)})
    text = Page(page(run)).text
    assert "gone INT4" in text
    assert "1 result in this folder came from an earlier command" in text


@pytest.mark.parametrize(
    "content", [None, "{", "[]", '{"schema": 2}', '{"schema": 1}', '{"schema": 1, "planned": [{"id": "x"}]}']
)
def test_an_unusable_run_is_one_clear_error(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(ResultError) as caught:
        render(tmp_path, MATRIX)
    assert str(tmp_path / "run.json") in str(caught.value)
    assert caught.value.remedy


def test_the_command_repeats_the_filters(tmp_path: Path) -> None:
    everything = fixtures.write_run(tmp_path / "all", filters=Filters())
    usual = "./invoke build run --platform host --profile quick --engine docker"
    assert command(read(everything), MATRIX) == usual
    filters = Filters(("tflite",), ("mobilenet_v2",), ("FP32",))
    few = fixtures.write_run(tmp_path / "few", filters=filters)
    assert command(read(few), MATRIX).endswith("--framework tflite --model mobilenet_v2 --method FP32")
    for sweep in MATRIX.sweeps:
        name = f"host-quick-{sweep}"
        one = fixtures.write_run(tmp_path / sweep, filters=Filters(sweep=sweep), run=name)
        assert command(read(one), MATRIX) == f"{usual} --sweep {sweep}"


def test_the_command_names_weights_and_data_that_are_the_users_own(tmp_path: Path) -> None:
    filters = Filters(models=("vgg19",), weights={"vgg19": "file-1a2b3c4d"})
    run = fixtures.write_run(tmp_path, filters=filters, run="host-quick-mine")
    for one in fixtures.cells_of("quick", filters):
        fixtures.change(run, one, dataset="imagenet-99887766")
    told = command(read(run), MATRIX)
    assert "--weights file:PATH --dataset imagenet:PATH --name host-quick-mine --model vgg19" in told
    text = Page(page(run)).text
    assert "the weights file has SHA-256 1a2b3c4d… and the images are imagenet-99887766" in text
    assert "weights of a user's file (SHA-256 1a2b3c4d…) on ImageNet validation images (99887766)" in text
    assert "not ImageNet accuracy" not in text


def test_mixed_environments_are_noticed(run: Path) -> None:
    of = cell("openvino", "FP32", "Offline")
    document = results.load(results.path_of(run, of.id))
    fixtures.change(run, of, environment={**document["environment"], "threads": 1})
    assert any("not all taken in one environment" in notice for notice in provenance.notices(read(run)))


def test_cells_of_one_framework_that_ran_in_two_images_are_noticed(run: Path) -> None:
    assert not any("one image" in notice for notice in provenance.notices(read(run)))
    of = cell("openvino", "FP32", "Offline")
    environment = results.load(results.path_of(run, of.id))["environment"]
    engine = {**environment["engine"], "digest": f"sha256:{fixtures.sha('another')}"}
    fixtures.change(run, of, environment={**environment, "engine": engine})
    assert any("Not all cells of openvino ran in one image" in one for one in provenance.notices(read(run)))
