"""What the report says of time, accuracy and kernels, and what it must never say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import fixtures_results as fixtures
import pytest
from fixtures_report import Page, cell, downloads, page, parts, row_of

from bench.plan.cells import Filters
from bench.store import results
from reports.chapter import answers
from reports.run import metrics
from reports.run.reading import read
from reports.run.wording import weights_label


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return fixtures.write_run(tmp_path)


# --------------------------------------------------------------------------- performance


def test_speedup_is_the_papers(run: Path) -> None:
    offline = row_of(run, cell("openvino", "INT8-OM", "Offline"))
    base = row_of(run, cell("openvino", "FP32", "Offline"))
    assert offline.metric
    assert base.metric
    assert offline.speedup
    assert offline.speedup.value == pytest.approx(offline.metric.median / base.metric.median, rel=0.05)
    assert offline.speedup.value > 2
    stream = row_of(run, cell("tflite", "INT8-DQ", "SingleStream"))
    base = row_of(run, cell("tflite", "FP32", "SingleStream"))
    assert stream.metric
    assert base.metric
    assert stream.speedup
    assert stream.speedup.value == pytest.approx(base.metric.median / stream.metric.median, rel=0.05)
    assert stream.speedup.value < 1
    assert base.speedup is None
    assert base.speedup_reason == "baseline"


def test_no_speedup_without_its_fp32(run: Path) -> None:
    results.path_of(run, cell("openvino", "FP32", "Offline").id).unlink()
    row = row_of(run, cell("openvino", "INT8-OM", "Offline"))
    assert row.speedup is None
    assert row.speedup_reason == "OpenVINO FP32 not measured"


def test_metric_percentile_is_the_profiles() -> None:
    assert metrics.metric_percentile(fixtures.matrix(), "quick", "MultiStream") == 90
    assert metrics.metric_percentile(fixtures.matrix(), "paper-table1", "MultiStream") == 99
    assert metrics.metric_percentile(fixtures.matrix(), "gone", "MultiStream") == 99


def test_invalid_and_unstable_are_told_and_cannot_win(run: Path) -> None:
    of = cell("openvino", "INT8-OM", "SingleStream")
    rounds = [fixtures.round_of(of, number, noise=0.4) for number in (1, 2, 3)]
    rounds[1] |= {"result": "INVALID", "reasons": ["Min queries not met"]}
    fixtures.change(run, of, rounds=rounds)
    row = row_of(run, of)
    assert not row.valid
    assert row.valid_rounds == 2
    assert row.metric
    assert row.metric.unstable
    chapter, blocks, _ = parts(run)
    told = {one.text: one.answers[0] for one in answers.questions(chapter, blocks)}
    assert told["Fastest of all methods"].who == "ONNX Runtime INT8-SQ"
    text = Page(page(run)).text
    assert "OpenVINO INT8-OM : Min queries not met" in text
    assert "unstable" in text


def test_the_headline_gives_no_speedup_over_an_invalid_fp32(run: Path) -> None:
    base = cell("openvino", "FP32", "Offline")
    rounds = [
        fixtures.round_of(base, number) | {"result": "INVALID", "reasons": ["Min queries not met"]}
        for number in (1, 2, 3)
    ]
    chapter, blocks, _ = parts(run)
    assert answers.headline(chapter, blocks).count("its FP32") == 3
    fixtures.change(run, base, rounds=rounds)
    chapter, blocks, _ = parts(run)
    assert answers.headline(chapter, blocks).count("its FP32") == 2


def test_answers_are_computed(run: Path) -> None:
    chapter, blocks, _ = parts(run)
    told = {one.text: one.answers for one in answers.questions(chapter, blocks)}
    assert [one.who for one in told["Fastest FP32"]] == ["OpenVINO FP32"] * 3
    assert [one.who for one in told["Fastest of all methods"]] == ["OpenVINO INT8-OM"] * 3
    assert {one.who for one in told["Largest speedup over own FP32"]} == {"OpenVINO INT8-OM"}
    assert "OpenVINO INT8-OM is the fastest wherever" in answers.headline(chapter, blocks)


def test_a_method_that_loses_accuracy_does_not_win_at_equal_accuracy(run: Path) -> None:
    of = cell("openvino", "INT8-OM", "Offline")
    fixtures.change(run, of, accuracy=fixtures.accuracy_of(of, [index < 150 for index in range(256)]))
    _, blocks, found = parts(run)
    equal = answers.at_equal_accuracy(blocks, found)
    assert {one.who for one in equal.values()} == {"ONNX Runtime INT8-SQ"}
    assert all("\N{MULTIPLICATION SIGN} its FP32" in one.figure for one in equal.values())
    row = found.find("openvino", "INT8-OM")
    assert row
    assert row.against
    assert (row.against.lost, row.against.won, row.against.below) == (76, 0, True)
    text = Page(page(run)).text
    assert text.count("loses accuracy") == 1
    assert "1 of 8 variants loses more than noise (OpenVINO INT8-OM" in text


def test_a_loss_that_one_of_many_comparisons_may_show_by_chance_is_noise(run: Path) -> None:
    # 9 lost and 1 won: p = 0.021 alone, 8 times that among the eight variants of the chapter.
    of = cell("openvino", "INT8-OM", "Offline")
    right = [index < 226 - 9 or index == 250 for index in range(256)]
    fixtures.change(run, of, accuracy=fixtures.accuracy_of(of, right))
    row = parts(run)[2].find("openvino", "INT8-OM")
    assert row
    assert row.against
    assert row.against.p == pytest.approx(22 / 1024)
    assert row.against.adjusted == pytest.approx(8 * 22 / 1024)
    assert row.within_noise


def test_fewer_samples_than_fp32_are_compared_on_those_both_have(run: Path) -> None:
    of = cell("tflite", "FP32", "Offline")
    fixtures.change(run, of, accuracy=fixtures.accuracy_of(of, fixtures.answers_of(32)[:120], 0))
    row = parts(run)[2].find("tflite", "INT8-DQ")
    assert row
    assert row.against
    assert (row.against.samples, row.against.lost, row.against.won) == (120, 8, 0)
    assert "on the 120 samples FP32 has too" in Page(page(run)).text


def test_the_scenario_that_answered_most_samples_is_told(run: Path) -> None:
    slow = cell("tflite", "INT8-DQ", "SingleStream")
    fixtures.change(run, slow, accuracy=fixtures.accuracy_of(slow, [False] * 8, 0), accuracy_reason=None)
    row = parts(run)[2].find("tflite", "INT8-DQ")
    assert row
    assert row.accuracy
    assert (row.accuracy.samples, row.scenarios) == (256, "Offline")


def test_bits_that_contradict_the_count_are_no_result(run: Path) -> None:
    of = cell("openvino", "FP32", "Offline")
    accuracy = fixtures.accuracy_of(of, fixtures.answers_of(32))
    fixtures.change(run, of, accuracy={**accuracy, "top1_correct": 225})
    (lost,) = read(run).not_measured
    assert "top-1 bits" in lost.reason


def test_no_accuracy_says_why(run: Path) -> None:
    why = "imagenet weights do not know the classes of fashion-mnist"
    for one in fixtures.cells_of():
        fixtures.change(run, one, accuracy=None, accuracy_reason=why)
    text = Page(page(run)).text
    assert f"not measured ({why})" in text
    assert all(row.against is None for row in parts(run)[2].accuracy)


def test_peak_memory_is_that_of_the_single_stream_against_fp32(run: Path) -> None:
    row = next(row for row in parts(run)[2].sizes if row.variant.name == "OpenVINO INT8-OM")
    assert (row.memory, row.where) == (160_000_000, "SingleStream, batch 1")
    assert row.memory_ratio == pytest.approx(160 / 180)
    assert row.size_ratio == pytest.approx(3.72 / 13.98)
    for scenario in ("SingleStream", "MultiStream"):
        results.path_of(run, cell("openvino", "FP32", scenario).id).unlink()
    row = next(row for row in parts(run)[2].sizes if row.variant.name == "OpenVINO INT8-OM")
    assert row.memory_ratio is None  # FP32 has it in another scenario only
    assert "160.0" in Page(page(run)).text


def test_an_offline_round_of_few_calls_is_told_as_calls_and_not_as_throughput(run: Path) -> None:
    told = {}
    for framework, samples in (("openvino", 32), ("onnxruntime", 128), ("pytorch", 160)):
        of = cell(framework, "FP32", "Offline")
        rounds = [{**fixtures.round_of(of, number), "samples": samples} for number in (1, 2, 3)]
        fixtures.change(run, of, rounds=rounds)
        told[framework] = row_of(run, of).calls_told
    assert told == {"openvino": "one call", "onnxruntime": "4 calls", "pytorch": ""}
    text = Page(page(run)).text
    assert "one call" in text
    assert "4 calls" in text
    assert row_of(run, cell("openvino", "FP32", "SingleStream")).calls_told == ""


def test_load_first_call_and_own_memory_are_told_and_older_results_do_without(run: Path) -> None:
    of = cell("openvino", "INT8-OM", "Offline")
    row = row_of(run, of)
    assert row.memory
    assert (row.load_seconds, row.memory.loaded, row.memory.ran) == (0.3, 65_000_000, 90_000_000)
    assert row.first_ms
    assert "own memory" in Page(page(run)).text
    newer = ("first_inference_seconds", "memory", "machine")
    rounds = [
        {name: value for name, value in fixtures.round_of(of, number).items() if name not in newer}
        for number in (1, 2, 3)
    ]
    whole = fixtures.agreement_of(of, 8)
    older = {name: whole[name] for name in whole if name not in ("classes", "mean_kl", "worst_kl")}
    fixtures.change(run, of, schema=2, rounds=rounds, agreement={**older, "max_abs_diff": 9.0})
    row = row_of(run, of)
    assert (row.memory, row.first_ms, row.load_seconds) == (None, None, 0.3)
    assert "older measure: all logits" in Page(page(run)).text


def test_zoo_weights_are_compared_within_their_framework_only(tmp_path: Path) -> None:
    filters = Filters(models=("mobilenet_v2",), weights={"mobilenet_v2": "zoo"})
    text = Page(page(fixtures.write_run(tmp_path, filters=filters))).text
    assert "each framework's own zoo weights on Fashion-MNIST" in text
    assert "agreement with each framework's own FP32" in text
    assert "not compared: their zoo weights differ" in text
    assert "differ from the canonical model by" not in text


@pytest.mark.parametrize(
    ("weights", "dataset", "label"),
    [
        ("probe", "fashion-mnist", "probe weights on Fashion-MNIST: not ImageNet accuracy"),
        (
            "probe",
            "imagenet-01234567",
            "probe weights on ImageNet validation images (01234567): not ImageNet accuracy",
        ),
        (
            "imagenet",
            "imagenet-01234567",
            "ImageNet weights (torchvision IMAGENET1K_V1) on ImageNet validation images (01234567)",
        ),
        ("zoo", "folder-01234567", "each framework's own zoo weights on a folder of images (01234567)"),
        ("file-1a2b3c4d", "new", "weights of a user's file (SHA-256 1a2b3c4d…) on new"),
    ],
)
def test_a_label_names_weights_and_images(weights: str, dataset: str, label: str) -> None:
    assert weights_label(weights, dataset) == label


def test_rivals_within_the_rounds_are_named(run: Path) -> None:
    for framework in ("openvino", "onnxruntime"):
        of = cell(framework, "FP32", "SingleStream")
        same = replace(of, framework="openvino")
        fixtures.change(run, of, rounds=[fixtures.round_of(same, number) for number in (1, 2, 3)])
    chapter, blocks, _ = parts(run)
    answer = answers.questions(chapter, blocks)[0].answers[0]
    assert answer.note.startswith("rounds overlap with")


# --------------------------------------------------------------------------- correctness


def test_probe_weights_are_labelled_and_fp32_differences_flagged(run: Path) -> None:
    of = cell("tflite", "FP32", "Offline")
    fixtures.change(run, of, agreement={**fixtures.agreement_of(of, 32), "max_abs_diff": 0.02})
    text = Page(page(run)).text
    assert text.count("probe weights on Fashion-MNIST: not ImageNet accuracy") >= 5
    assert "above 0.001" in text
    flagged = [row.variant.name for row in parts(run)[2].agreement if row.flagged]
    assert flagged == ["TFLite FP32"]


def test_warnings_of_the_kernels_are_told(run: Path) -> None:
    assert "warning method says FP16 but 52 of 52 convolutions ran in f32" in Page(page(run)).text


@pytest.mark.parametrize("emulated", [False, True])
def test_a_run_without_performance_shows_no_timing(tmp_path: Path, emulated: bool) -> None:
    profile = "quick" if emulated else "smoke"
    run = fixtures.write_run(tmp_path, profile, performance=False)
    for one in fixtures.cells_of(profile):
        document = results.load(results.path_of(run, one.id))
        for measured in document["rounds"]:
            measured["latency_ns"] = dict.fromkeys(
                ("min", "mean", "p50", "p90", "p95", "p99", "p999", "max"), 777_123_456.0
            )
            measured |= {
                "samples_per_second": 555.321,
                "seconds": 444.321,
                "load_seconds": 333.321,
                "calibration": {"calls": 3, "seconds_per_call": 222.321},
            }
            measured["used"]["offline_expected_qps"] = 666.321
        environment = {**document["environment"], "emulated": emulated}
        fixtures.change(run, one, rounds=document["rounds"], environment=environment)
    # What the paper says of its own timings is quoted in every report.
    source = re.sub(r'<details class="against-itself">.*?</details>', "", page(run), flags=re.DOTALL)
    taken = " ".join(downloads(source))
    shown = re.sub(r'href="data:[^"]*"|[0-9a-f]{32,}|<style>.*?</style>', "", source + taken, flags=re.DOTALL)
    for figure in ("777", "555.", "444.", "333.", "222.", "666.", "1.90", "1900"):
        assert figure not in shown, figure
    text = Page(source).text.lower()
    for word in ("latency", "throughput", "speedup", "samples/s", "valid"):
        assert word not in text, word
        assert word not in taken.lower(), word
    assert "correctness only" in text
    assert "top-1" in text


def test_an_emulated_cell_among_others_has_no_timing(run: Path) -> None:
    of = cell("openvino", "FP32", "Offline")
    document = results.load(results.path_of(run, of.id))
    fixtures.change(run, of, environment={**document["environment"], "emulated": True})
    row = row_of(run, of)
    assert row.metric is None
    assert "not performance" in row.reason
