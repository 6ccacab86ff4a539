"""Instruction-set levels read from kernel names, and whether a cap held."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.plan.reading import load
from bench.runtimes import isa

MATRIX = Path(__file__).resolve().parents[4] / "matrix.toml"
CAPS = ("AVX2", "AVX512_CORE", "AVX512_CORE_VNNI")


@pytest.mark.parametrize(
    ("kernel", "level"),
    [
        ("brgconv_1x1:avx10_1_512_amx", "avx512_core_amx"),  # PyTorch 2.13 and OpenVINO 2026.4
        ("brg_conv_fwd:avx512_core_amx", "avx512_core_amx"),  # oneDNN before 3.8
        ("brgconv_avx512_amx_1x1_I8", "avx512_core_amx"),  # OpenVINO's executed graph
        ("brdgmm_dw:avx512_core_vnni", "avx512_core_vnni"),
        ("jit_int8:avx512_core", "avx512_core"),
        ("jit_avx512_I8", "avx512_core"),
        ("brg_conv_fwd:avx512_core_bf16", "avx512_core_bf16"),
        ("eltwise:avx10_1_512", "avx512_core_fp16"),
        ("brgconv:avx2_vnni_2", "avx2_vnni"),
        ("jit_uni_int8_1x1:avx2", "avx2"),
        ("jit_avx_f32", "avx"),
        ("jit_sse42_f32", "sse41"),
        ("brgconv:sve_256", "sve"),
        ("sve_hybrid_s8qs_dot_6x4VL", "sve"),
        ("a64_interleaved_s8s32_mmla_8x12", "i8mm"),  # Arm Compute Library
        ("a64_hybrid_s8qa_dot_4x16", "asimddp"),
        ("a64_hybrid_fp32_mla_6x16", "asimd"),
        ("xnn_qs8_qc8w_gemm_4x16c4__neondot", "asimddp"),
        ("AVX512", "avx512_core"),  # ATen
        ("gemm_mlas_f32", None),
        ("x64:gemm_s8u8s32:jit", None),
        ("jit:uni", None),
        ("ref_any_softmax_max", None),
        ("unknown", None),
    ],
)
def test_a_kernels_name_tells_its_level(kernel: str, level: str | None) -> None:
    assert isa.level(kernel) == level


@settings(deadline=None)
@given(st.text())
def test_any_name_has_a_known_level_or_none(kernel: str) -> None:
    found = isa.level(kernel)
    assert found is None or found in isa.LEVELS


def test_every_level_of_the_matrix_is_one_that_kernel_names_tell() -> None:
    ranks = [list(isa.LEVELS).index(name.lower()) for name in load(MATRIX).isas]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("cap", CAPS)
def test_a_cap_allows_itself_and_what_it_contains(cap: str) -> None:
    assert not isa.above(cap.lower(), cap)
    for name in CAPS[: CAPS.index(cap)]:
        assert not isa.above(name.lower(), cap)
    for name in CAPS[CAPS.index(cap) + 1 :]:
        assert isa.above(name.lower(), cap)


def test_vnni_on_short_vectors_is_above_avx512_without_vnni() -> None:
    assert isa.above("avx2_vnni", "AVX512_CORE")
    assert not isa.above("avx2_vnni", "AVX512_CORE_VNNI")


def test_kernels_above_the_cap_are_counted() -> None:
    seen = isa.Seen("AVX512_CORE", {"avx512_core_amx": 3, "avx512_core": 49})
    assert seen.warnings() == (
        "asked for AVX512_CORE, but 3 of 52 convolutions and dense layers ran in avx512_core_amx",
    )
    assert seen.document() == {
        "asked": "AVX512_CORE",
        "seen": {"avx512_core": 49, "avx512_core_amx": 3},
        "highest": "avx512_core_amx",
    }


def test_other_layers_above_the_cap_are_told_apart() -> None:
    seen = isa.Seen("AVX2", {"avx2": 53}, others={"avx512_core": 1, "avx2": 2})
    (warning,) = seen.warnings()
    assert "1 of 3 other layers" in warning
    assert seen.document()["other_layers"] == {"avx2": 2, "avx512_core": 1}


def test_a_cap_that_held_needs_no_word() -> None:
    assert isa.Seen("AVX512_CORE_VNNI", {"avx512_core_vnni": 53}, {"avx512_core": 1}).warnings() == ()


def test_without_a_cap_nothing_is_above_it() -> None:
    seen = isa.Seen("native", {"avx512_core_amx": 35, "avx512_core_vnni": 18}, unnamed={"gemm_mlas_f32": 1})
    assert seen.warnings() == ()
    assert seen.document()["highest"] == "avx512_core_amx"


def test_a_kernel_without_a_level_leaves_the_cap_unproven_for_its_layers() -> None:
    (warning,) = isa.Seen("AVX2", {"avx2": 16}, unnamed={"gemm_mlas_f32": 3}).warnings()
    assert warning == (
        "the cap AVX2 is not shown to hold for 3 of 19 convolutions and dense layers (gemm_mlas_f32)"
    )


@pytest.mark.parametrize("seen", [isa.Seen("AVX2"), isa.Seen("AVX2", others={"avx2": 4})])
def test_a_framework_that_names_no_kernel_proves_no_cap(seen: isa.Seen) -> None:
    (warning,) = seen.warnings()
    assert "not proven" in warning


def test_a_cap_of_another_name_is_not_proven() -> None:
    (warning,) = isa.Seen("FANCY", {"avx2": 4}).warnings()
    assert "not proven" in warning
