"""Slow INT8: the cause that the kernel evidence shows, and nothing where it shows none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fixtures_results as fixtures
import pytest
from fixtures_report import MATRIX, Page, cell, page, parts

from bench.store import results
from reports.chapter.why_slow import Slow, slow

VNNI = {"asked": "native", "seen": {"avx512_core_vnni": 53}, "highest": "avx512_core_vnni"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return fixtures.write_run(tmp_path)


def found(run: Path) -> dict[str, Slow]:
    chapter, blocks, _ = parts(run)
    return {one.variant.name: one for one in slow(chapter, blocks, MATRIX)}


def shows(run: Path, framework: str, method: str, facts: dict[str, Any]) -> None:
    """Give every cell of a variant these facts."""
    for scenario in MATRIX.scenarios:
        evidence = {"summary": "as staged", "facts": facts, "warnings": []}
        fixtures.change(run, cell(framework, method, scenario), evidence=evidence)


def test_only_what_is_not_faster_is_explained(run: Path) -> None:
    names = ["TFLite INT8-DQ", "TFLite FP16", "TFLite INT16x8", "ONNX Runtime INT8-DQ"]
    assert list(found(run)) == names
    assert all("slower" in line for line in found(run)["ONNX Runtime INT8-DQ"].where)


def test_no_cause_is_made_up(run: Path) -> None:
    told = found(run)["TFLite INT8-DQ"]
    assert told.findings == ()
    assert "The evidence does not tell: 52 of 52 convolutions in u8" in Page(page(run)).text


def test_dynamic_quantization_converts(run: Path) -> None:
    shows(
        run, "onnxruntime", "FP32", {"operators": {"Conv f32": 52, "Reshape f32": 1}, "isa": {"highest": ""}}
    )
    operators = {"ConvInteger u8": 52, "DynamicQuantizeLinear f32": 52, "Cast i32": 52, "Mul f32": 104}
    shows(run, "onnxruntime", "INT8-DQ", {"operators": operators, "isa": {"highest": ""}})
    assert found(run)["ONNX Runtime INT8-DQ"].findings == (
        "Quantize and dequantize overhead: 104 of 260 operators only convert values, which FP32 does not do "
        "(52 DynamicQuantizeLinear and 52 Cast).",
    )


def test_nodes_that_xnnpack_left_and_hybrid_kernels(run: Path) -> None:
    shows(run, "tflite", "FP32", {"nodes": 66, "nodes_delegated": 66, "left_to_builtin_kernels": {}})
    facts = {
        "nodes": 66,
        "nodes_delegated": 13,
        "left_to_builtin_kernels": {"CONV_2D": 36, "DEPTHWISE_CONV_2D": 17},
        "hybrid": {"CONV_2D": 36},
        "convolutions": {"i8": 36, "f32": 17},
        "other_layers": {"f32": 12},
        "isa": {"highest": ""},
    }
    shows(run, "tflite", "INT8-DQ", facts)
    assert found(run)["TFLite INT8-DQ"].findings == (
        "Fallback, convolutions: 17 of 53 ran in f32.",
        "12 of 12 layers between them ran in float.",
        "XNNPACK took 13 of 66 nodes; TFLite's own kernels ran 53 (36 CONV_2D and 17 DEPTHWISE_CONV_2D), "
        "under FP32 0.",
        "36 hybrid kernels quantize their input while they run and give floats back.",
    )


@pytest.mark.parametrize(
    ("highest", "flags", "told"),
    [
        ("avx512_core_vnni", ["avx512f"], ()),  # the kernels say so, whatever the flags
        ("avx512_core", ["avx512_vnni"], ("No VNNI: its kernels reach AVX-512 without VNNI, not further.",)),
        ("", ["avx2"], ("This CPU has no VNNI.",)),
        ("", ["avx512_vnni"], ()),
        ("", [], ()),  # emulated: nothing is known of the CPU
    ],
)
def test_no_vnni(run: Path, highest: str, flags: list[str], told: tuple[str, ...]) -> None:
    for method in ("FP32", "INT8-DQ"):
        shows(run, "onnxruntime", method, {"isa": {"highest": highest}})
    for scenario in MATRIX.scenarios:
        of = cell("onnxruntime", "INT8-DQ", scenario)
        environment = results.load(results.path_of(run, of.id))["environment"]
        fixtures.change(run, of, environment={**environment, "cpu_flags": flags})
    assert found(run)["ONNX Runtime INT8-DQ"].findings == told


def test_fp32_with_better_kernels(run: Path) -> None:
    shows(run, "onnxruntime", "FP32", {"isa": {"highest": "avx512_core_amx"}})
    shows(run, "onnxruntime", "INT8-DQ", {"isa": VNNI})
    assert found(run)["ONNX Runtime INT8-DQ"].findings == ("FP32's kernels reach AMX, these do not.",)
