"""A program with an ARMv8.1 instruction, under QEMU's Cortex-A72, and what the kit says of its end."""

# ruff: noqa: F401 (fixtures come by import)

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fixtures_images import LEAKS, TINY, collect_sockets, forget, make_workspace

from bench.common.errors import EngineError
from images.engines.docker.engine import DockerEngine
from images.engines.engine import LaunchResult, Request

BINFMT = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64")

pytestmark = [
    pytest.mark.docker,
    LEAKS,
    pytest.mark.skipif(not BINFMT.exists(), reason="no QEMU binfmt handler for aarch64 is registered"),
]

#: mov w1, #1; then `operation` on the word at x0; ret. ldadd is LSE's, ldxr and stxr are ARMv8.0's.
PROGRAM = """
import ctypes, mmap, struct
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(struct.pack("<{count}I", 0x52800021, {operation}, 0xD65F03C0))
word = ctypes.c_int(41)
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)(ctypes.addressof(word))
print(word.value)
"""
LDADD = PROGRAM.format(count=3, operation="0xB8210000")  # ldadd w1, w0, [x0]
EXCLUSIVE = PROGRAM.format(  # ldxr w2, [x0]; add w2, w2, w1; stxr w3, w2, [x0]
    count=5, operation="0x885F7C02, 0x0B010042, 0x88037C02"
)

Run = Callable[[str, str], tuple[LaunchResult, list[str]]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run Python code in an arm64 container on one of QEMU's CPU models; the result and stdout's lines."""
    try:
        workspace = make_workspace(tmp_path_factory.mktemp("checkout") / "kit", "arm64")
        engine = DockerEngine(TINY, workspace, "test")
    except EngineError as error:
        pytest.skip(f"no Docker engine: {error.message}")
    engine.build("arm64", ["test"], print)

    def launch(code: str, cpu: str) -> tuple[LaunchResult, list[str]]:
        lines: list[str] = []
        request = Request("test", "arm64", [code], timeout_s=120, emulate_cpu=cpu)
        return engine.launch(request, lines.append), lines

    yield launch
    forget(engine.client, "arm64")
    engine.client.close()
    gc.collect()


def test_an_armv8_1_instruction_names_the_cpu_and_what_it_lacks(run: Run) -> None:
    result, lines = run(LDADD, "cortex-a72")
    assert lines == []
    assert result.exit_code == 132
    assert "illegal instruction (SIGILL)" in result.reason
    assert "the emulated cortex-a72, which lacks LSE atomics (ARMv8.1)" in result.reason


def test_the_same_program_runs_where_the_cpu_has_it(run: Run) -> None:
    result, lines = run(LDADD, "max")
    assert (result.reason, lines) == ("", ["42"]), result.stderr


def test_the_cortex_a72_runs_armv8_0s_way_to_do_it(run: Run) -> None:
    result, lines = run(EXCLUSIVE, "cortex-a72")
    assert (result.reason, lines) == ("", ["42"]), result.stderr
