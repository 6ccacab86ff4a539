"""Kernel evidence: which code path ran, and a warning where a method did not run as its name says.

Each backend lists the layers that its framework reports (see bench/runtimes); this module turns them
into one line, the facts behind it and the warnings. Nothing here is called inside a clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bench.runtimes.isa import Seen

_FLOATS = frozenset({"f32", "f16", "bf16"})

CONVOLUTION, DENSE, OTHER = "convolutions", "dense layers", "other layers"


@dataclass(frozen=True)
class Quantization:
    """A method as far as the bench must know it: matrix.toml's name, kind and expected precisions."""

    name: str
    kind: str
    precisions: tuple[str, ...]

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Quantization:
        """The method of a spec, which has "name" and the facts of its table in the matrix."""
        return cls(facts["name"], facts["kind"], tuple(facts["precisions"]))

    @property
    def quantized(self) -> bool:
        """Whether there is anything quantized at all."""
        return self.kind != "none"

    @property
    def integers_between(self) -> bool:
        """Whether layers between the convolutions (additions, pooling, concatenation) should be in integers.

        They should where activations are quantized ahead of time; dynamic methods leave them in float by
        design.
        """
        return self.kind == "static" and not _FLOATS & set(self.precisions)


class Layer(NamedTuple):
    """One layer that computed: its kind, the framework's name for the operator, its precision.

    What only converts or moves values (quantize, reorder, reshape) is no layer.
    """

    kind: str
    operator: str
    precision: str


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
    method: Quantization,
    layers: Iterable[Layer],
    seen: Seen,
    *,
    detail: str = "",
    facts: Mapping[str, Any] = {},
) -> Evidence:
    """Judge the layers of a model by the precision they computed in ("f32", "i8", ...), and the cap.

    The summary reads "52 of 52 convolutions in u8, 1 of 1 dense layers in u8; up to avx512_core_vnni;
    `detail`". Warned of: a convolution or dense layer in a precision the method does not name; a float
    layer between those of a statically quantized model; a model without convolutions, which proves
    nothing; a kernel above the cap.
    """
    kinds: dict[str, Counter[str]] = {kind: Counter() for kind in (CONVOLUTION, DENSE, OTHER)}
    left: Counter[str] = Counter()
    for layer in layers:
        kinds[layer.kind][layer.precision] += 1
        if layer.kind == OTHER and layer.precision in _FLOATS:
            left[f"{layer.operator} {layer.precision}"] += 1
    told = [
        f"{count} of {sum(kinds[kind].values())} {kind} in {precision}"
        for kind in (CONVOLUTION, DENSE)
        for precision, count in kinds[kind].most_common()
    ]
    reached = seen.document()["highest"]
    parts = (", ".join(told) or "no layer seen", f"up to {reached}" if reached else "", detail)
    found = {kind.replace(" ", "_"): dict(counts.most_common()) for kind, counts in kinds.items()}
    return Evidence(
        "; ".join(part for part in parts if part),
        {**found, **facts, "isa": seen.document()},
        (*_otherwise(method, kinds), *_left_in_float(method, kinds[OTHER], left), *seen.warnings()),
    )


def in_reference_kernels(kind: str, kernels: Mapping[str, int]) -> tuple[str, ...]:
    """A warning where layers of a kind ran in kernels that only define what is right ("ref_any_f16").

    `kernels` are the kind's layers by the name of their kernel, as oneDNN and OpenVINO's plugin name them.
    """
    slow = {name: count for name, count in kernels.items() if name.startswith("ref")}
    if not slow:
        return ()
    names = ", ".join(f"{count} {name}" for name, count in slow.items())
    return (
        f"{sum(slow.values())} of {sum(kernels.values())} {kind} ran in slow reference kernels ({names})",
    )


def _otherwise(method: Quantization, kinds: Mapping[str, Counter[str]]) -> Iterable[str]:
    if not kinds[CONVOLUTION]:
        yield "the framework shows no convolution: the precision is not proven"
    for kind in (CONVOLUTION, DENSE):
        total = sum(kinds[kind].values())
        for precision, count in kinds[kind].most_common():
            if precision not in method.precisions:
                yield f"method says {method.name} but {count} of {total} {kind} ran in {precision}"


def _left_in_float(method: Quantization, others: Counter[str], left: Counter[str]) -> Iterable[str]:
    if method.integers_between and left:
        names = ", ".join(f"{count} {name}" for name, count in left.most_common())
        yield (
            f"method says {method.name} but {sum(left.values())} of {sum(others.values())} layers between "
            f"the convolutions and dense layers ran in float ({names})"
        )
