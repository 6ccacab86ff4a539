"""Which cells a run has, what cannot exist and why, and when an old result is stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.common.errors import UsageError
from bench.plan import reading
from bench.plan.cells import Cell, Filters, key, plan

MATRIX = reading.load(Path(__file__).parents[4] / "matrix.toml")


def test_quick_on_amd64_is_table_three_and_16x8_in_three_scenarios() -> None:
    found = plan(MATRIX, "host", "quick", "amd64", Filters(models=("mobilenet_v2",)))
    combinations = {(cell.framework, cell.method) for cell in found.cells}
    assert combinations == {
        ("pytorch", "FP32"),
        ("pytorch", "INT8-SQ"),
        ("tflite", "FP32"),
        ("tflite", "INT8-DQ"),
        ("tflite", "INT8-SQ"),
        ("tflite", "FP16"),
        ("tflite", "INT16x8"),
        ("onnxruntime", "FP32"),
        ("onnxruntime", "INT8-DQ"),
        ("onnxruntime", "INT8-SQ"),
        ("openvino", "FP32"),
        ("openvino", "INT8-OM"),
    }
    assert len(found.cells) == 3 * len(combinations)
    assert len({cell.id for cell in found.cells}) == len(found.cells)
    assert {c.batch for c in found.cells if c.scenario == "Offline"} == {32}
    assert {c.batch for c in found.cells if c.scenario == "MultiStream"} == {8}


def test_a_combination_without_cells_says_why() -> None:
    absent = {
        (row.framework, row.method): row.reason
        for row in plan(MATRIX, "host", "quick", "amd64", Filters()).absent
    }
    assert "convolutions" in absent["pytorch", "INT8-DQ"]
    assert "Table III" in absent["onnxruntime", "FP16"]


@pytest.mark.parametrize(
    ("platform", "flags", "there"),
    [
        ("rpi4", (), False),  # emulated: the device is known
        ("rpi4", ("asimd", "asimddp"), False),  # a Pi 5 that stands for it
        ("rpi5", (), True),
        ("host", ("asimd",), False),  # a Pi 4 is its own host
        ("host", ("asimd", "asimddp"), True),
        ("host", (), True),  # not told
    ],
)
def test_openvino_on_arm64_wants_dot_products(platform: str, flags: tuple[str, ...], there: bool) -> None:
    found = plan(MATRIX, platform, "quick", "arm64", Filters(), flags)
    assert ("openvino" in {cell.framework for cell in found.cells}) is there
    assert {cell.isa for cell in found.cells} == {"native"}, "no level of Arm is a cap"
    told = {row.reason for row in found.absent if (row.framework, row.method) == ("openvino", "FP32")}
    assert told == (set() if there else {MATRIX.frameworks["openvino"].needs["arm64"].reason})


def test_filters_narrow_and_ignore_case() -> None:
    filters = Filters(("openvino",), ("mobilenet_v2",), ("int8-om",), ("offline",))
    found = plan(MATRIX, "host", "quick", "amd64", filters)
    assert [(c.framework, c.method, c.scenario) for c in found.cells] == [("openvino", "INT8-OM", "Offline")]


def test_naming_a_model_adds_it_to_a_profile_that_leaves_it_out() -> None:
    found = plan(MATRIX, "host", "quick", "amd64", Filters(models=("vgg19",)))
    assert {cell.model for cell in found.cells} == {"vgg19"}


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (Filters(frameworks=("openvno",)), "unknown framework 'openvno'. Did you mean 'openvino'? Known: "),
        (Filters(models=("mobilenet",)), "Did you mean 'mobilenet_v2'"),
        (Filters(methods=("int8",)), "unknown method 'int8'"),
        (Filters(scenarios=("server",)), "Known: MultiStream, Offline, SingleStream"),
        (Filters(frameworks=("pytorch",), methods=("FP16",)), "nothing to measure"),
    ],
)
def test_a_wrong_filter_names_the_near_match_and_the_list(filters: Filters, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(MATRIX, "host", "quick", "amd64", filters)
    assert message in str(caught.value)


def test_the_resume_key_changes_with_everything_that_makes_a_result_stale() -> None:
    cell = Cell("host", "current", "tflite", "mobilenet_v2", "probe", "FP32", "Offline", 32, "native")
    used = {"artifact": "a", "data": "b", "lock": "c", "engine": "docker", "threads": 2}
    base = key(cell, {"min_queries": 64}, used)
    others = [key(cell, {"min_queries": 65}, used)]
    others += [key(cell, {"min_queries": 64}, {**used, name: "other"}) for name in used]
    assert len({base, *others}) == 7
    assert base == key(cell, {"min_queries": 64}, dict(reversed(used.items())))


FLAGS = [flag for isa in MATRIX.isas.values() for flag in isa.flags]


def test_quick_measures_the_papers_three_models() -> None:
    found = plan(MATRIX, "host", "quick", "amd64", Filters())
    assert {cell.model for cell in found.cells} == {"mobilenet_v2", "vgg19", "densenet121"}
    assert len(found.cells) == 108


def test_the_batch_sweep_is_figure_6() -> None:
    found = plan(MATRIX, "host", "quick", "amd64", Filters(sweep="batch"))
    assert {cell.scenario for cell in found.cells} == {"Offline"}
    assert {cell.batch for cell in found.cells} == {1, 2, 4, 8, 16, 32}
    assert {(cell.framework, cell.method) for cell in found.cells} == {
        *(("tflite", method) for method in ("FP32", "INT8-SQ")),
        *(("onnxruntime", method) for method in ("FP32", "INT8-SQ")),
        *(("openvino", method) for method in ("FP32", "INT8-OM")),
    }


def test_a_filter_takes_the_place_of_a_sweeps_own_list() -> None:
    filters = Filters(("pytorch",), ("vgg19",), ("FP32",), sweep="batch")
    found = plan(MATRIX, "host", "quick", "amd64", filters)
    assert {(cell.framework, cell.model, cell.method) for cell in found.cells} == {
        ("pytorch", "vgg19", "FP32")
    }
    assert len(found.cells) == 6


def test_the_isa_sweep_caps_what_can_be_capped_and_says_why_the_rest_cannot() -> None:
    found = plan(MATRIX, "host", "quick", "amd64", Filters(sweep="isa"), FLAGS)
    assert {cell.framework for cell in found.cells} == {"pytorch", "openvino"}
    assert list(dict.fromkeys(cell.isa for cell in found.cells)) == list(MATRIX.sweeps["isa"].isas)
    reasons = {row.framework: row.reason for row in found.absent if "capped" in row.reason}
    assert set(reasons) == {"tflite", "onnxruntime"}


def test_a_cap_that_this_cpu_does_not_reach_is_absent_with_its_reason() -> None:
    found = plan(MATRIX, "host", "quick", "amd64", Filters(("openvino",), sweep="isa"), ["avx2"])
    assert {cell.isa for cell in found.cells} == {"AVX2", "native"}
    assert any("AVX-512 with VNNI" in row.reason for row in found.absent)


@pytest.mark.parametrize(("flags", "isa"), [(FLAGS, "AVX512_CORE"), (["avx2"], "native")])
def test_a_platforms_cap_holds_only_where_the_cpu_has_more(flags: list[str], isa: str) -> None:
    found = plan(MATRIX, "ri2", "quick", "amd64", Filters(("openvino",)), flags)
    assert {cell.isa for cell in found.cells} == {isa}


def test_weights_are_part_of_the_cell_and_of_its_name() -> None:
    filters = Filters(("openvino",), ("mobilenet_v2",), weights={"mobilenet_v2": "file-1a2b3c4d"})
    [cell, *_] = plan(MATRIX, "host", "quick", "amd64", filters).cells
    assert cell.weights == "file-1a2b3c4d"
    assert "mobilenet_v2-file-1a2b3c4d" in cell.id
