"""Kernel evidence: which code path ran, and a warning where a method did not run as its name says.

Each backend counts what its framework reports (see bench/frameworks); this module turns the counts
into one line, the facts behind it and the warnings. Nothing here is called inside a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Precisions in which a method's convolutions are expected to compute, by the method's name.
EXPECTED: Mapping[str, frozenset[str]] = {
    "FP32": frozenset({"f32"}),
    "FP16": frozenset({"f16"}),
    "INT8-DQ": frozenset({"i8", "u8"}),
    "INT8-SQ": frozenset({"i8", "u8"}),
    "INT8-OM": frozenset({"i8", "u8"}),
    "INT16x8": frozenset({"i16"}),
}


@dataclass(frozen=True)
class Evidence:
    """One line, the framework's facts (JSON values) and where the method ran otherwise."""

    summary: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The result file's `evidence`."""
        return {"summary": self.summary, "facts": dict(self.facts), "warnings": list(self.warnings)}

    def plus(self, *warnings: str) -> Evidence:
        """The same evidence with more warnings."""
        return Evidence(self.summary, self.facts, (*self.warnings, *warnings))


def judge(
    method: str, convolutions: Mapping[str, int], *, detail: str = "", facts: Mapping[str, Any] = {}
) -> Evidence:
    """Judge the convolutions of a model by the precision they computed in ("f32", "i8", ...).

    The summary reads "52 of 52 convolutions in u8; `detail`". A precision the method does not name
    is a warning; so is a model in which no convolution was found, which proves nothing.
    """
    total = sum(convolutions.values())
    ordered = sorted(convolutions.items(), key=lambda item: (-item[1], item[0]))
    counted = ", ".join(f"{n} of {total} convolutions in {precision}" for precision, n in ordered)
    summary = "; ".join(part for part in (counted or "no convolution seen", detail) if part)
    warnings = []
    if not total:
        warnings.append("the framework shows no convolution: the precision is not proven")
    for precision, count in ordered:
        if precision not in EXPECTED[method]:
            warnings.append(f"method says {method} but {count} of {total} convolutions ran in {precision}")
    return Evidence(summary, {"convolutions": dict(ordered), **facts}, tuple(warnings))
