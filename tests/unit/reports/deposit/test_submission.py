"""The submission tree: the files of MLPerf Inference v2.1's open division, from the run's own logs."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import fixtures_deposit as deposit
import fixtures_results as fixtures
import pytest

from bench.common.errors import ResultError, UsageError
from bench.plan.cells import Filters
from bench.store import results
from images.desk.export import export
from reports.deposit import mlperf_tree, tabular
from reports.report.assemble import render
from reports.run import wording
from reports.run.reading import read

MATRIX = fixtures.matrix()
PROFILE = mlperf_tree.PROFILE
CELLS = fixtures.cells_of(PROFILE, deposit.FILTERS)
# What the round's checker wants of each folder (tools/submission/submission-checker.py, v2.1).
PERFORMANCE = {"mlperf_log_summary.txt", "mlperf_log_detail.txt"}
ACCURACY = {*PERFORMANCE, "accuracy.txt", "mlperf_log_accuracy.json"}
SYSTEM = [
    "division",
    "submitter",
    "status",
    "system_name",
    "number_of_nodes",
    "host_processor_model_name",
    "host_processors_per_node",
    "host_processor_core_count",
    "host_memory_capacity",
    "host_storage_capacity",
    "host_storage_type",
    "accelerators_per_node",
    "accelerator_model_name",
    "accelerator_memory_capacity",
    "framework",
    "operating_system",
    "system_type",
    "other_software_stack",
    "host_processor_frequency",
    "host_processor_caches",
    "host_memory_configuration",
    "host_processor_interconnect",
    "host_networking",
    "host_networking_topology",
    "accelerator_frequency",
    "accelerator_host_interconnect",
    "accelerator_interconnect",
    "accelerator_interconnect_topology",
    "accelerator_memory_configuration",
    "accelerator_on-chip_memories",
    "cooling",
    "hw_notes",
    "sw_notes",
]
IMPLEMENTATION = {
    "input_data_types",
    "retraining",
    "starting_weights_filename",
    "weight_data_types",
    "weight_transformations",
}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def export_of(folder: Path) -> mlperf_tree.Submission:
    return mlperf_tree.write(read(folder), MATRIX, "acme")


def test_the_tree_has_the_rounds_files_and_no_others(tmp_path: Path) -> None:
    made = export_of(deposit.write_run(tmp_path, PROFILE))
    tree = made.path / "open" / "acme"
    assert len(made.cells) == 2 * 3
    assert names(made.path) == {"README.md", "open"}
    assert names(tree) == {"systems", "code", "measurements", "results"}
    systems = {"host-openvino-fp32", "host-openvino-int8-om"}
    assert names(tree / "results") == names(tree / "measurements") == systems
    assert names(tree / "systems") == {f"{system}.json" for system in systems}
    assert names(tree / "code" / "mobilenet_v2") == {"openvino"}
    for system in systems:
        benchmark = tree / "results" / system / "mobilenet_v2"
        assert names(benchmark) == {"SingleStream", "MultiStream", "Offline"}
        for scenario in benchmark.iterdir():
            assert names(scenario) == {"performance", "accuracy"}
            assert names(scenario / "performance") == {"run_1"}
            assert names(scenario / "performance" / "run_1") == PERFORMANCE
            assert names(scenario / "accuracy") == ACCURACY
            measured = tree / "measurements" / system / "mobilenet_v2" / scenario.name
            own = f"{system}_openvino_{scenario.name}.json"
            assert names(measured) == {
                own,
                "README.md",
                "user.conf",
                "mlperf.conf",
                "calibration_process.adoc",
            }
            assert set(json.loads((measured / own).read_text())) == IMPLEMENTATION


def test_a_system_has_every_field_and_guesses_none(tmp_path: Path) -> None:
    made = export_of(deposit.write_run(tmp_path, PROFILE))
    system = json.loads((made.path / "open/acme/systems/host-openvino-fp32.json").read_text())
    assert set(system) == set(SYSTEM)
    assert (system["submitter"], system["division"], system["system_type"]) == ("acme", "open", "edge")
    assert system["host_processor_model_name"] == "Invented CPU 9000"
    assert system["host_processor_caches"] == "not recorded"
    assert wording.DISCLAIMER in system["sw_notes"]


def test_an_accuracy_log_is_cut_and_its_hash_is_that_of_the_whole(tmp_path: Path) -> None:
    made = export_of(deposit.write_run(tmp_path, PROFILE))
    cell = next(one for one in CELLS if (one.method, one.scenario) == ("FP32", "Offline"))
    whole = (tmp_path / "loadgen" / cell.id / "accuracy" / "mlperf_log_accuracy.json").read_bytes()
    folder = made.path / "open/acme/results/host-openvino-fp32/mobilenet_v2/Offline/accuracy"
    lines = (folder / "accuracy.txt").read_text().splitlines()
    assert lines == ["accuracy=83.333%, good=250, total=300", f"hash={hashlib.sha256(whole).hexdigest()}"]
    cut = (folder / "mlperf_log_accuracy.json").read_bytes()
    assert len(whole) > len(cut)
    assert len(cut) <= 10 * 1024, "the checker's limit"
    assert cut == whole[:4096] + b"\n\n...\n\n" + whole[-4096:]
    assert mlperf_tree.truncated(b"short") == b"short"


def test_the_logs_are_loadgens_own(tmp_path: Path) -> None:
    made = export_of(deposit.write_run(tmp_path, PROFILE))
    folder = made.path / "open/acme/results/host-openvino-fp32/mobilenet_v2/SingleStream/performance/run_1"
    cell = next(one for one in CELLS if (one.method, one.scenario) == ("FP32", "SingleStream"))
    assert (folder / "mlperf_log_detail.txt").read_text() == f"detail of {cell.id}, round-1\n"


def test_the_configuration_is_what_the_run_asked(tmp_path: Path) -> None:
    made = export_of(deposit.write_run(tmp_path, PROFILE))
    folder = made.path / "open/acme/measurements/host-openvino-int8-om/mobilenet_v2/MultiStream"
    text = (folder / "mlperf.conf").read_text()
    found = dict(line.split(" = ") for line in text.splitlines() if not line.startswith("#"))
    assert found["*.*.qsl_rng_seed"] == "14284205019438841327"
    assert found["*.*.sample_index_rng_seed"] == "4163916728725999944"
    assert found["*.*.schedule_rng_seed"] == "299063814864929621"
    assert found["*.MultiStream.min_duration"] == "600000"
    assert found["*.MultiStream.samples_per_query"] == "8"
    assert (folder / "user.conf").read_text().splitlines()[1] == "*.MultiStream.target_latency = 4"
    assert "500 images" in (folder / "calibration_process.adoc").read_text()


@pytest.mark.parametrize("profile", ["quick", "paper-table1", "smoke"])
def test_other_profiles_are_refused(tmp_path: Path, profile: str) -> None:
    with pytest.raises(UsageError, match=f"of profile {profile}, not mlperf-v2.1"):
        export_of(deposit.write_run(tmp_path, profile))
    assert not (tmp_path / "submission").exists()


def test_a_run_that_does_not_speak_of_its_device_is_refused(tmp_path: Path) -> None:
    deposit.write_run(tmp_path, PROFILE, device_note="these numbers do not speak of frontera")
    with pytest.raises(UsageError, match="do not speak of frontera"):
        export_of(tmp_path)


@pytest.mark.parametrize("submitter", ["", "..", "a/b", ".hidden", "a b"])
def test_a_submitter_is_a_folder_name(tmp_path: Path, submitter: str) -> None:
    run = read(deposit.write_run(tmp_path, PROFILE))
    with pytest.raises(UsageError, match=r"submit|folder name"):
        mlperf_tree.write(run, MATRIX, submitter)


def test_what_the_round_would_not_take_is_left_out_with_its_reason(tmp_path: Path) -> None:
    deposit.write_run(tmp_path, PROFILE)
    invalid, inaccurate = CELLS[:2]
    row = {**fixtures.round_of(invalid, 1), "result": "INVALID", "reasons": ["too few queries"]}
    fixtures.change(tmp_path, invalid, rounds=[row])
    fixtures.change(tmp_path, inaccurate, accuracy=None, accuracy_reason="no labels")
    made = export_of(tmp_path)
    assert made.left_out[invalid.id] == "INVALID: too few queries"
    assert made.left_out[inaccurate.id] == "no accuracy: no labels"
    assert len(made.cells) == len(CELLS) - 2
    assert "too few queries" in (made.path / "README.md").read_text()


def test_too_small_a_dataset_is_told_before_the_checker_does(tmp_path: Path) -> None:
    deposit.write_run(tmp_path, PROFILE)
    cell = CELLS[0]
    rows = results.load(results.path_of(tmp_path, cell.id))["rounds"]
    rows[0]["used"]["performance_sample_count"] = 512
    fixtures.change(tmp_path, cell, rounds=rows)
    made = export_of(tmp_path)
    assert len(made.shortfalls) == 1
    assert made.shortfalls[0].startswith("512 performance samples, the round wants 1024")


def test_two_cells_never_overwrite_each_other(tmp_path: Path) -> None:
    deposit.write_run(
        tmp_path, PROFILE, Filters(deposit.FILTERS.frameworks, ("mobilenet_v2",), sweep="batch")
    )
    with pytest.raises(UsageError, match="would stand in one place"):
        export_of(tmp_path)
    assert not list(tmp_path.glob("*submission*"))


def test_a_missing_log_leaves_the_older_tree(tmp_path: Path) -> None:
    deposit.write_run(tmp_path, PROFILE)
    older = export_of(tmp_path).path
    (tmp_path / "loadgen" / CELLS[0].id / "round-1" / "mlperf_log_detail.txt").unlink()
    with pytest.raises(ResultError, match="cannot be read"):
        export_of(tmp_path)
    assert (older / "README.md").is_file()
    assert not list(tmp_path.glob(".submission-*"))


def test_audits_are_in_the_form_of_the_compliance_folder(tmp_path: Path) -> None:
    deposit.write_run(tmp_path, PROFILE)
    same, other = CELLS[0].id, CELLS[1].id
    deposit.audited(tmp_path, same, "TEST01")
    deposit.audited(tmp_path, same, "TEST04")
    deposit.audited(tmp_path, same, "TEST05", passed=False)
    deposit.audited(tmp_path, other, "TEST01", different=2)
    made = export_of(tmp_path)
    assert made.failed_audits == (f"{same} TEST05",)
    tree = made.path / "open/acme/compliance/host-openvino-fp32/mobilenet_v2"
    first = tree / CELLS[0].scenario
    assert names(first) == {"TEST01", "TEST04", "TEST05"}
    assert names(first / "TEST01") == {
        "verify_performance.txt",
        "verify_accuracy.txt",
        "performance",
        "accuracy",
    }
    assert names(first / "TEST01" / "accuracy") == {"mlperf_log_accuracy.json", "accuracy.txt"}
    assert names(first / "TEST04") == {"verify_performance.txt", "performance"}
    assert names(first / "TEST04" / "performance" / "run_1") == PERFORMANCE
    assert "TEST PASS" in (first / "TEST04" / "verify_performance.txt").read_text()
    assert "TEST FAIL" in (first / "TEST05" / "verify_performance.txt").read_text()
    differing = tree / CELLS[1].scenario / "TEST01"
    assert "TEST FAIL" in (differing / "verify_accuracy.txt").read_text()
    assert (differing / "accuracy" / "baseline_accuracy.txt").read_text().startswith("accuracy=75.000%")
    assert (differing / "accuracy" / "compliance_accuracy.txt").is_file()


def test_nothing_calls_itself_an_official_figure(tmp_path: Path) -> None:
    """Every word the kit writes; LoadGen's own logs, which it only copies, are here made of paper."""
    deposit.write_run(tmp_path, PROFILE)
    deposit.audited(tmp_path, CELLS[0].id, "TEST01")
    render(tmp_path, MATRIX)
    export_of(tmp_path)
    export(read(tmp_path), MATRIX, deposit.ROOT)
    texts = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(texts) > 80
    for path, text in texts.items():
        assert not re.search(rb"mlperf[\s_-]+results?", text, re.IGNORECASE), path
    for name in ("submission/README.md", "report.html", f"export/{tabular.DICTIONARY}"):
        assert b"not verified by MLCommons" in texts[tmp_path / name], name
