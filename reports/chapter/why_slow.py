"""Why a quantized method is not faster than its FP32, as far as the kernel evidence tells.

Every finding is a count that the framework itself reported (bench/runtimes/evidence.py), or a flag of the
CPU. A finding says what ran, not how much of the time it took; where nothing unusual ran, none is made up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.plan.matrix import Matrix
from bench.runtimes.isa import LEVELS
from reports.chapter.timings import Block, Row
from reports.run.chapters import Chapter, Variant
from reports.run.kernels import highest, highest_isa
from reports.run.results import BASELINE, Measured
from reports.run.wording import counted, joined, speedup
from reports.stats.by_round import Ratio

#: Operators that only convert or rescale values on behalf of quantization, by any framework's name.
CONVERTS = (
    "DynamicQuantizeLinear", "QuantizeLinear", "DequantizeLinear", "Cast", "FakeQuantize", "Convert",
    "Reorder", "QUANTIZE", "DEQUANTIZE",
)  # fmt: skip
#: CPU flags that tell of an 8-bit dot product, by machine, and what to call it.
DOT_PRODUCTS: Mapping[str, tuple[frozenset[str], str]] = {
    "x86_64": (frozenset({"avx512_vnni", "avx_vnni"}), "VNNI"),
    "aarch64": (frozenset({"asimddp"}), "dot-product instructions (asimddp)"),
}


@dataclass(frozen=True)
class Slow:
    """A quantized variant that is not faster than its FP32 in the scenarios of `where`, each with its
    speedup and verdict. `findings` is empty where the evidence does not tell; `summary` is what it says."""

    variant: Variant
    where: tuple[str, ...]
    findings: tuple[str, ...]
    summary: str


def slow(chapter: Chapter, blocks: tuple[Block, ...], matrix: Matrix) -> tuple[Slow, ...]:
    """Return every quantized variant that is slower than its FP32, or not told apart from it."""
    found: dict[str, tuple[Variant, list[str], list[Measured]]] = {}
    for block in blocks:
        for row in block.rows:
            verdict = _verdict(row)
            cell = _cell(row.variant, block)
            if verdict and cell and row.speedup:
                entry = found.setdefault(row.variant.name, (row.variant, [], []))
                entry[1].append(f"{block.title} {speedup(row.speedup)}: {verdict}")
                entry[2].append(cell)
    return tuple(
        Slow(
            variant,
            tuple(where),
            tuple(
                dict.fromkeys(told for one in cells for told in findings(one, _base(chapter, one), matrix))
            ),
            joined(dict.fromkeys(str(one.evidence["summary"]) for one in cells)),
        )
        for variant, where, cells in found.values()
    )


def _verdict(row: Row) -> str:
    """Return "" for what is faster than its FP32."""
    gain: Ratio | None = row.speedup
    if gain is None or row.variant.method == BASELINE or (gain.value > 1 and (gain.differs or not gain.low)):
        return ""
    return "slower" if gain.value < 1 and (gain.differs or gain.low is None) else "not told apart"


def _cell(variant: Variant, block: Block) -> Measured | None:
    wanted = (block.scenario, block.batch)
    return next((one for one in variant.measured if (one.cell.scenario, one.cell.batch) == wanted), None)


def _base(chapter: Chapter, one: Measured) -> Measured | None:
    base = chapter.baseline(one.cell.framework)
    wanted = (one.cell.scenario, one.cell.batch)
    cells = base.measured if base else ()
    return next((cell for cell in cells if (cell.cell.scenario, cell.cell.batch) == wanted), None)


def findings(one: Measured, base: Measured | None, matrix: Matrix) -> tuple[str, ...]:
    """Return what the evidence of `one` shows that can make it slow, beside that of its FP32."""
    facts = one.evidence["facts"]
    against = base.evidence["facts"] if base else {}
    return (
        *_precisions(one.cell.method, facts, matrix),
        *_left(facts, against),
        *_conversions(facts, against),
        *_engine(one, facts),
        *_instructions(one, base, matrix),
    )


def _counts(facts: Mapping[str, Any], name: str) -> Counter[str]:
    found = facts.get(name)
    return Counter(found) if isinstance(found, Mapping) else Counter()


def _precisions(method: str, facts: Mapping[str, Any], matrix: Matrix) -> Iterator[str]:
    """Fallback: layers in another precision than the method's, and float layers between them."""
    expected = matrix.methods[method].precisions if method in matrix.methods else ()
    for name in ("convolutions", "dense_layers"):
        counts = _counts(facts, name)
        other = {p: n for p, n in counts.items() if p not in expected}
        if other:
            told = joined(f"{n} of {counts.total()} ran in {p}" for p, n in other.items())
            yield f"Fallback, {name.replace('_', ' ')}: {told}."
    between = _counts(facts, "other_layers")
    floats = sum(between[p] for p in ("f32", "f16", "bf16"))
    if floats and "i8" in expected:
        yield f"{floats} of {counted(between.total(), 'layer')} between them ran in float."


def _left(facts: Mapping[str, Any], against: Mapping[str, Any]) -> Iterator[str]:
    """TFLite: nodes that XNNPACK did not take, and its hybrid kernels."""
    left = _counts(facts, "left_to_builtin_kernels")
    if left:
        names = joined(f"{n} {name}" for name, n in left.most_common(4))
        than = _counts(against, "left_to_builtin_kernels").total()
        yield (
            f"XNNPACK took {facts.get('nodes_delegated', 0)} of {facts.get('nodes', left.total())} nodes; "
            f"TFLite's own kernels ran {left.total()} ({names}), under FP32 {than}."
        )
    hybrid = _counts(facts, "hybrid").total()
    if hybrid:
        yield f"{hybrid} hybrid kernels quantize their input while they run and give floats back."


def _conversions(facts: Mapping[str, Any], against: Mapping[str, Any]) -> Iterator[str]:
    """Operators that quantize, dequantize or convert, beyond those that FP32 has as well."""
    for name in ("operators", "layers"):
        ours, theirs = _operators(facts, name), _operators(against, name)
        more = {op: ours[op] - theirs[op] for op in CONVERTS if ours[op] > theirs[op]}
        if more:
            told = joined(f"{count} {op}" for op, count in more.items())
            yield (
                f"Quantize and dequantize overhead: {sum(more.values())} of {ours.total()} operators only "
                f"convert values, which FP32 does not do ({told})."
            )


def _operators(facts: Mapping[str, Any], name: str) -> Counter[str]:
    """Return operators by name; their keys are "QLinearConv u8"."""
    found: Counter[str] = Counter()
    for key, count in _counts(facts, name).items():
        found[key.split()[0]] += count
    return found


def _engine(one: Measured, facts: Mapping[str, Any]) -> Iterator[str]:
    if facts.get("engine") == "qnnpack" and one.environment["machine"] == "x86_64":
        yield "PyTorch's engine is QNNPACK, whose kernels are written for ARM."


def _instructions(one: Measured, base: Measured | None, matrix: Matrix) -> Iterator[str]:
    """No 8-bit dot product: in the kernels' own names, else in the CPU's flags."""
    reached = highest(one.evidence["facts"])
    flags, name = DOT_PRODUCTS.get(one.environment["machine"], (frozenset(), ""))
    has = LEVELS.get(reached)
    if has is not None and not has & {"vnni", "asimd"}:
        yield f"No VNNI: its kernels reach {highest_isa(one.evidence['facts'], matrix)}, not further."
    elif (
        has is None
        and one.environment["cpu_flags"]
        and name
        and not flags & set(one.environment["cpu_flags"])
    ):
        yield f"This CPU has no {name}."
    order = list(LEVELS)
    above = highest(base.evidence["facts"]) if base else ""
    if base and has is not None and above in LEVELS and order.index(above) > order.index(reached):
        yield f"FP32's kernels reach {highest_isa(base.evidence['facts'], matrix)}, these do not."
