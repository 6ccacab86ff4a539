"""Kernel evidence: what is counted, and where a method did not run as its name says."""

from __future__ import annotations

import json
from pathlib import Path

from bench.plan import reading
from bench.runtimes.evidence import (
    CONVOLUTION,
    DENSE,
    OTHER,
    Evidence,
    Layer,
    Quantization,
    in_reference_kernels,
    judge,
)
from bench.runtimes.isa import Seen

MATRIX = reading.load(Path(__file__).parents[4] / "matrix.toml")


def method(name: str) -> Quantization:
    """A method as a launch's spec carries it."""
    return Quantization.of(json.loads(json.dumps(MATRIX.method(name))))


def layers(**counts: int) -> list[Layer]:
    """Layers by "kind_precision"; the operator is named after both."""
    kinds = {"conv": CONVOLUTION, "dense": DENSE, "other": OTHER}
    found = []
    for name, count in counts.items():
        kind, precision = name.split("_")
        found += [Layer(kinds[kind], f"op-{kind}", precision)] * count
    return found


def judged(name: str, **counts: int) -> Evidence:
    return judge(method(name), layers(**counts), Seen())


def test_convolutions_in_another_precision_are_warned_of() -> None:
    found = judged("INT8-SQ", conv_f32=4, conv_u8=48)
    assert found.summary == "48 of 52 convolutions in u8, 4 of 52 convolutions in f32"
    assert found.warnings == ("method says INT8-SQ but 4 of 52 convolutions ran in f32",)


def test_dense_layers_count_too() -> None:
    found = judged("INT8-OM", conv_u8=16, dense_u8=2, dense_f32=1)
    assert "2 of 3 dense layers in u8" in found.summary
    assert found.warnings == ("method says INT8-OM but 1 of 3 dense layers ran in f32",)
    assert found.facts["dense_layers"] == {"u8": 2, "f32": 1}


def test_a_method_that_ran_as_its_name_says_has_no_warning() -> None:
    assert judged("FP32", conv_f32=52, dense_f32=1, other_f32=46).warnings == ()
    assert judged("INT8-SQ", conv_u8=52, dense_u8=1, other_u8=46).warnings == ()
    assert judged("INT16x8", conv_i16=52, dense_i16=1, other_i16=11).warnings == ()


def test_fp16_that_upcasts_is_warned_of() -> None:
    assert len(judged("FP16", conv_f32=52, dense_f32=1, other_f32=11).warnings) == 2


def test_layers_left_in_float_are_a_fallback_of_static_methods_only() -> None:
    (warning,) = judged("INT8-SQ", conv_u8=120, dense_u8=1, other_u8=60, other_f32=62).warnings
    assert "62 of 122 layers between" in warning
    assert "62 op-other f32" in warning
    assert judged("INT8-DQ", conv_u8=52, dense_u8=1, other_f32=202).warnings == ()


def test_no_convolution_proves_nothing() -> None:
    (warning,) = judged("FP32", dense_f32=1).warnings
    assert "not proven" in warning
    assert judged("FP32").summary == "no layer seen"


def test_the_instruction_set_is_in_the_summary_the_facts_and_the_warnings() -> None:
    seen = Seen("AVX512_CORE", {"avx512_core_vnni": 1, "avx512_core": 52})
    found = judge(
        method("FP32"), layers(conv_f32=52, dense_f32=1), seen, detail="52 Conv", facts={"threads": 2}
    )
    assert found.summary.endswith("; up to avx512_core_vnni; 52 Conv")
    assert found.facts["isa"]["seen"] == {"avx512_core": 52, "avx512_core_vnni": 1}
    assert len(found.warnings) == 1
    document = json.loads(json.dumps(found.plus("and this").document()))
    assert document["warnings"] == [*found.warnings, "and this"]
    assert document["facts"]["threads"] == 2


def test_reference_kernels_are_warned_of() -> None:
    kernels = {"gemm_acl_i8": 23, "ref_any_f16": 12, "jit_asimd_f32": 17}
    (warning,) = in_reference_kernels(CONVOLUTION, kernels)
    assert warning.startswith("12 of 52 convolutions ran in slow reference kernels")
    assert "12 ref_any_f16" in warning
    assert in_reference_kernels(CONVOLUTION, {"brgconv_avx512_1x1_I8": 52}) == ()
