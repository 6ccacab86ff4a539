"""What an illegal instruction's message says of the CPU."""

from __future__ import annotations

from images.engines.endings import explain, lacking


def test_the_pis_model_under_qemu_lacks_what_newer_arm_has() -> None:
    said = explain(132, lacking("arm64", "cortex-a72", "AMD EPYC", ["avx2"]))
    assert "the emulated cortex-a72, which lacks LSE atomics (ARMv8.1)" in said
    assert "dot products" in said
    assert "AVX" not in said


def test_a_real_cpu_is_asked_for_its_flags() -> None:
    said = explain(-4, lacking("amd64", None, "Old Xeon", ["avx", "fma", "avx2"]))
    assert "this CPU (Old Xeon), which lacks AVX-512, VNNI, AMX" in said
    assert lacking("arm64", None, "Cortex-A76", ["atomics", "asimdhp", "asimddp", "i8mm", "sve"]).endswith(
        "(Cortex-A76)"
    )


def test_nothing_is_claimed_of_what_is_not_known() -> None:
    assert lacking("arm64", "max", "", []) == "the emulated max"
    assert lacking("amd64", None, "unknown", []) == "this CPU (unknown)"
