"""Memory that a framework frees stays with the process: asking the kernel for it again is no inference.

glibc gives large blocks back as they are freed, so that a framework without an arena of its own faults every
page of every activation in again, in every call: PyTorch FP32 of MobileNetV2 at batch 32 took 105,000 minor
faults a call, ONNX Runtime, OpenVINO and TFLite 0. Set for every framework alike (mallopt(3)).
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping
from typing import Any

# malloc.h: parameter -> value. One arena, since a thread's own is unmapped whenever all of it is free.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_SETTINGS = {_M_ARENA_MAX: 1, _M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: 1 << 30}
#: Minor faults a call of a timed run without a warning; frameworks with an arena have 0 to 16.
FEW_FAULTS = 64


def keep_freed_memory() -> bool:
    """Have malloc keep what is freed from now on; False where the C library has no such switch.

    To be called when the model is loaded: what loading freed goes back first, so that no peak grows by it.
    """
    if not give_back():
        return False
    libc = ctypes.CDLL(None)
    return {libc.mallopt(name, value) for name, value in _SETTINGS.items()} == {1}


def give_back() -> bool:
    """Return what is free to the kernel, so that it is not counted with the next cell; False if it cannot."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return False
    return True


def warning(row: Mapping[str, Any], batch: int) -> str:
    """What a round's page faults say of its timing, "" where they are few."""
    calls = math.ceil(row["samples"] / batch)
    faults, major = (row["usage"][name] / max(calls, 1) for name in ("minor_faults", "major_faults"))
    if faults <= FEW_FAULTS and major < 1:
        return ""
    return (
        f"{faults:,.0f} page faults a call in the timed run, {major:.2g} of them from disk: "
        "the time is partly the kernel's"
    )
