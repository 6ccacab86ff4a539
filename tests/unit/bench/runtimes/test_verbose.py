"""Reading what C++ libraries print: capture of file descriptor 1 and oneDNN's verbose log."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.runtimes.verbose import Primitive, captured, primitives

V3 = (
    "onednn_verbose,v1,primitive,{event},cpu,convolution,brgconv_1x1:avx512_core_vnni,forward_inference,"
    "src:u8::blocked:acdb::f0 wei:s8:a:blocked:AcdB16a4b::f0 dst:u8::blocked:acdb::f0,"
    "attr-scratchpad:user,alg:convolution_direct,mb1_ic32oc16_ih112oh112kh1sh1dh0ph0,0.187012"
)
V2 = (
    "onednn_verbose,exec,cpu,convolution,jit_int8:avx512_core,forward_inference,"
    "src_u8::blocked:acdb:f0 wei_s8::blocked:AcdB16a4b:f0 dst_u8::blocked:acdb:f0,,"
    "alg:convolution_direct,mb1_ic32oc16_ih112oh112kh1sh1dh0ph0,0.19"
)
HEAD = "onednn_verbose,v1,info,cpu,isa:Intel AVX-512 with Intel DL Boost"


def test_primitives_of_both_forms_of_the_log() -> None:
    created, executed = V3.format(event="create:cache_miss"), V3.format(event="exec")
    log = [HEAD, created, executed, executed, V2, "XNNPACK is here"]
    kernel = Primitive("convolution", "brgconv_1x1:avx512_core_vnni", "u8")
    assert primitives(log, "create") == {kernel: 1}
    assert primitives(log, "exec") == {kernel: 2, Primitive("convolution", "jit_int8:avx512_core", "u8"): 1}


@settings(deadline=None)
@given(st.lists(st.one_of(st.text(), st.text().map(lambda text: f"onednn_verbose,v1,primitive,exec,{text}"))))
def test_a_damaged_log_is_no_error(lines: list[str]) -> None:
    assert sum(primitives(lines, "exec").values()) <= len(lines)


@settings(deadline=None)
@given(st.integers(0, len(V3)))
def test_a_line_cut_short_tells_a_kernel_or_nothing(length: int) -> None:
    for found in primitives([V3.format(event="exec")[:length]], "exec"):
        assert found.kind == "convolution"
        assert found.kernel == "brgconv_1x1:avx512_core_vnni"


def test_capture_takes_the_descriptor_and_gives_it_back(capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    os.write(1, b"before\n")
    with captured(lines):
        os.write(1, b"one\ntwo \xff\n")
    with pytest.raises(KeyError), captured([]):
        raise KeyError
    os.write(1, b"after\n")
    assert lines == ["one", "two \N{REPLACEMENT CHARACTER}"]
    assert capfd.readouterr().out == "before\nafter\n"
