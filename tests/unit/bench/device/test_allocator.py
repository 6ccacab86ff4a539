"""What a framework frees is there for its next call; where it is not, the result says so."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from bench.device import allocator

# As a framework without an arena: 40 MB, written to, in two threads, freed after each use.
PROGRAM = """
import ctypes, resource, sys, threading
from bench.device.allocator import keep_freed_memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
def call():
    for _ in range(3):
        block = libc.malloc(40 << 20)
        libc.memset(block, 1, 40 << 20)
        libc.free(block)
def calls(n):
    for _ in range(n):
        thread = threading.Thread(target=call); thread.start(); thread.join(); call()
if sys.argv[1] == "kept":
    assert keep_freed_memory()
calls(3)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
calls(5)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 5)
"""
ROOT = Path(__file__).parents[4]
GLIBC = hasattr(ctypes.CDLL(None), "mallopt")


def faults(way: str) -> float:
    command = [sys.executable, "-c", PROGRAM, way]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout)


@pytest.mark.skipif(not GLIBC, reason="this C library has no mallopt")
def test_what_is_freed_is_faulted_in_once() -> None:
    assert faults("given back") > 1000
    assert faults("kept") < allocator.FEW_FAULTS


@pytest.mark.parametrize(
    ("minor", "major", "told"),
    [(0, 0, ""), (64 * 10, 0, ""), (105_000 * 10, 0, "105,000 page faults a call"), (0, 10, "from disk")],
)
def test_many_faults_are_warned_of(minor: int, major: int, told: str) -> None:
    row = {"samples": 320, "usage": {"minor_faults": minor, "major_faults": major}}
    found = allocator.warning(row, 32)
    assert told in found
    assert bool(found) == bool(told)
