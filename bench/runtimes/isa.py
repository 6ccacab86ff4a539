"""Instruction-set levels, as kernel names tell them: what a cap allows and what ran above it.

Names are oneDNN's ("brgconv_1x1:avx512_core_vnni", "brgconv_avx512_amx_1x1_I8"), levels those of its CPU
dispatcher control. A level is above a cap when it has an instruction that the cap has not: AVX2 with VNNI
is above AVX512_CORE, though its vectors are shorter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NATIVE = "native"

_AVX2 = frozenset({"sse41", "avx", "avx2"})
_AVX512 = _AVX2 | {"avx512"}
_VNNI = _AVX512 | {"vnni"}
_FP16 = _VNNI | {"bf16", "fp16"}
_DOT = frozenset({"asimd", "asimddp"})

#: Level -> what it has, ascending.
LEVELS: Mapping[str, frozenset[str]] = {
    "sse41": frozenset({"sse41"}),
    "avx": frozenset({"sse41", "avx"}),
    "avx2": _AVX2,
    "avx2_vnni": _AVX2 | {"vnni"},
    "avx512_core": _AVX512,
    "avx512_core_vnni": _VNNI,
    "avx512_core_bf16": _VNNI | {"bf16"},
    "avx512_core_fp16": _FP16,
    "avx512_core_amx": _FP16 | {"amx"},
    "asimd": frozenset({"asimd"}),
    "asimddp": _DOT,
    "i8mm": _DOT | {"i8mm"},
    "sve": frozenset({"asimd", "sve"}),
}

#: What in a kernel's name tells its level; the first match counts. oneDNN calls AMX and FP16
#: avx10_1_512_amx and avx10_1_512 since version 3.8.
_NAMES = (
    (re.compile(r"(?<![a-z])amx"), "avx512_core_amx"),
    (re.compile(r"avx512_core_fp16|avx10_"), "avx512_core_fp16"),
    (re.compile(r"avx512_core_bf16"), "avx512_core_bf16"),
    (re.compile(r"avx512_core_vnni"), "avx512_core_vnni"),
    (re.compile(r"avx512"), "avx512_core"),
    (re.compile(r"avx2_vnni"), "avx2_vnni"),
    (re.compile(r"avx2"), "avx2"),
    (re.compile(r"avx(?!\d)"), "avx"),
    (re.compile(r"sse4"), "sse41"),
    (re.compile(r"(?<![a-z])sve"), "sve"),
    (re.compile(r"i8mm|(?<![a-z])a64_\w*_mmla"), "i8mm"),  # XNNPACK's word, Arm Compute Library's
    (re.compile(r"asimddp|neondot|(?<![a-z])a64_\w*_dot"), "asimddp"),
    (re.compile(r"asimd|neon|(?<![a-z])a64_"), "asimd"),
)


def level(kernel: str) -> str | None:
    """The level that a kernel's name tells; None where it tells none ("gemm:jit", "jit:uni", "ref")."""
    name = kernel.lower()
    return next((found for pattern, found in _NAMES if pattern.search(name)), None)


def highest(levels: Mapping[str, int]) -> str:
    """The last of these levels in LEVELS' order, "" for none."""
    return next((name for name in reversed(tuple(LEVELS)) if levels.get(name)), "")


def above(found: str, cap: str) -> bool:
    """Whether a level has an instruction that the cap (a level, in any case) has not."""
    return not LEVELS[found] <= LEVELS[cap.lower()]


@dataclass(frozen=True)
class Seen:
    """What kernels ran under the cap `asked` ("native": none), as the framework names them.

    `layers` counts convolutions and dense layers by level, `others` every other layer by level, and
    `unnamed` the convolutions and dense layers whose kernel's name tells no level, by that name.
    """

    asked: str = NATIVE
    layers: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    unnamed: Mapping[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The evidence's facts["isa"]."""
        seen = {name: self.layers[name] for name in LEVELS if self.layers.get(name)}
        found: dict[str, Any] = {"asked": self.asked, "seen": seen, "highest": highest(seen)}
        if any(self.others.values()):
            found["other_layers"] = {name: self.others[name] for name in LEVELS if self.others.get(name)}
        if any(self.unnamed.values()):
            found["unnamed"] = {name: n for name, n in sorted(self.unnamed.items()) if n}
        return found

    def warnings(self) -> tuple[str, ...]:
        """Where the cap did not hold, or is not shown to hold."""
        if self.asked == NATIVE:
            return ()
        if self.asked.lower() not in LEVELS:
            return (f"the cap {self.asked} is no instruction-set level that kernel names tell: not proven",)
        known, unnamed = sum(self.layers.values()), sum(self.unnamed.values())
        if not known and not unnamed:
            return (f"the cap {self.asked} is not proven: the framework names no kernel",)
        kinds = (
            (self.layers, known + unnamed, "convolutions and dense layers"),
            (self.others, sum(self.others.values()), "other layers with a level in their name"),
        )
        found = [
            f"asked for {self.asked}, but {counts[name]} of {total} {what} ran in {name}"
            for counts, total, what in kinds
            for name in LEVELS
            if counts.get(name) and above(name, self.asked)
        ]
        if unnamed:
            names = ", ".join(name for name, n in sorted(self.unnamed.items()) if n)
            found.append(
                f"the cap {self.asked} is not shown to hold for {unnamed} of {known + unnamed} "
                f"convolutions and dense layers ({names})"
            )
        return tuple(found)
