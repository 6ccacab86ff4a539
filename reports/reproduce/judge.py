"""A published set against the same cells measured here: what must be equal, what may differ, and how much.

A is the set, B is this machine. Where the same bytes ran through the same code path, answers and logits
must be equal to the bit. Milliseconds do not travel, so speed is judged by the paper's speedup over FP32.
Nothing is judged across code paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.plan.cells import Cell
from bench.plan.matrix import Matrix
from reports.compare.judge import INCOMPARABLE
from reports.compare.pairs import Comparison, Pair, compare, name_of
from reports.run.kernels import highest
from reports.run.results import BASELINE, FAILED, Measured, Run
from reports.run.wording import counted, joined

AGREES, DIFFERS = "agrees", "differs"
VERDICTS = (AGREES, DIFFERS, INCOMPARABLE)
# Interleaved repetitions of one cell scattered by about 10 % on the project's machines; a speedup is a
# quotient of two figures, so 1.1 squared, and a little for another CPU of the same instruction sets.
TOLERANCE = 0.25


@dataclass(frozen=True)
class Half:
    """A verdict on the outputs or on the speedup of a cell, and what it rests on."""

    verdict: str
    reason: str


@dataclass(frozen=True)
class JudgedCell:
    """One published cell; `pair` is None where there is no result of it here."""

    cell: Cell
    name: str
    outputs: Half
    speedup: Half
    pair: Pair | None = None

    @property
    def verdict(self) -> str:
        """DIFFERS where either half does, else AGREES where either half does."""
        halves = (self.outputs.verdict, self.speedup.verdict)
        return next((word for word in (DIFFERS, AGREES) if word in halves), INCOMPARABLE)

    @property
    def reason(self) -> str:
        """Why the verdict is what it is."""
        halves = [half for half in (self.outputs, self.speedup) if half.verdict == self.verdict]
        return "; ".join(dict.fromkeys(half.reason for half in halves))


@dataclass(frozen=True)
class Reproduction:
    """The cells of the set that were asked for; `images` says what an image is that is not the published."""

    comparison: Comparison
    cells: tuple[JudgedCell, ...]
    images: Mapping[str, str]

    def count(self, verdict: str) -> int:
        """Return how many cells have this verdict."""
        return sum(one.verdict == verdict for one in self.cells)


def reproduction(
    published: Run, here: Run, matrix: Matrix, left_out: Mapping[str, str], images: Mapping[str, str]
) -> Reproduction:
    """Judge every cell of `published`; `left_out` says, by cell id, why a cell was not tried here."""
    found = compare(published, here, matrix)
    pairs = {pair.a.cell: pair for pair in found.pairs}
    lost = {one.id: (one.state, one.reason) for one in here.not_measured}
    judged = []
    for one in published.measured:
        name = name_of(one.cell, matrix)
        if pair := pairs.get(one.cell):
            others = other_path(pair.a, pair.b, matrix)
            judged.append(JudgedCell(one.cell, name, _outputs(pair, others), _speedup(pair, others), pair))
        elif one.cell.id in left_out:
            half = Half(INCOMPARABLE, left_out[one.cell.id])
            judged.append(JudgedCell(one.cell, name, half, half))
        else:
            state, reason = lost.get(one.cell.id, (FAILED, "it has no result"))
            half = Half(
                DIFFERS if state == FAILED else INCOMPARABLE, f"{state} here: {reason.splitlines()[0]}"
            )
            judged.append(JudgedCell(one.cell, name, half, half))
    return Reproduction(found, tuple(judged), images)


def only(run: Run, ids: set[str]) -> Run:
    """Return a run without the cells that were not asked for."""
    return replace(
        run,
        measured=tuple(one for one in run.measured if one.cell.id in ids),
        not_measured=tuple(one for one in run.not_measured if one.id in ids),
    )


def other_path(one: Measured, other: Measured, matrix: Matrix) -> tuple[str, ...]:
    """Return why two measurements did not run the same bytes through the same code path; empty: they did."""
    return tuple(_others(one, other, matrix))


def _others(one: Measured, other: Measured, matrix: Matrix) -> Iterator[str]:
    a, b = one.environment, other.environment
    if one.artifact["sha256"] != other.artifact["sha256"]:
        yield "another artifact"
    if one.dataset != other.dataset:
        yield f"other images ({other.dataset})"
    if a["lock"] != b["lock"]:
        names = [name for name in one.versions if one.versions[name] != other.versions.get(name)]
        yield f"other packages ({joined(names) or 'their wheels'})"
    if a["emulated"] != b["emulated"]:
        yield f"emulated {'there' if a['emulated'] else 'here'}"
    if a["threads"] != b["threads"]:
        yield f"{a['threads']} threads there, {b['threads']} here"
    if _path(one) != _path(other):
        ours, theirs = (
            highest(other.evidence["facts"]) or "unnamed",
            highest(one.evidence["facts"]) or "unnamed",
        )
        told = f"up to {theirs} there, {ours} here" if ours != theirs else "see the evidence"
        yield f"another code path ({told})"
    elif not _tells_all(one) and _levels(one, matrix) != _levels(other, matrix):
        at_first, at_last = (joined(_levels(side, matrix)) or "none" for side in (one, other))
        yield f"kernels that are not named, on other instruction sets ({at_first} there, {at_last} here)"


def _path(one: Measured) -> dict[str, Any]:
    """The kernel evidence that is the same whenever the same code ran.

    Of oneDNN's log that is which kernels it names: how often depends on what it had cached.
    """
    facts = dict(one.evidence["facts"])
    return {**facts, "onednn_kernels": sorted(facts.get("onednn_kernels", {}))}


def _tells_all(one: Measured) -> bool:
    """Whether the evidence tells the instruction set of every convolution and dense layer."""
    isa = one.evidence["facts"].get("isa") or {}
    return bool(isa.get("highest")) and not isa.get("unnamed")


def _levels(one: Measured, matrix: Matrix) -> list[str]:
    """The instruction-set levels of the CPU that measured."""
    flags = set(one.environment["cpu_flags"])
    return [isa.title for isa in matrix.isas.values() if set(isa.flags) <= flags]


def _outputs(pair: Pair, others: tuple[str, ...]) -> Half:
    """Whether answers and logits are equal, where they must be."""
    if others:
        return Half(INCOMPARABLE, joined(others))
    same: list[str] = []
    apart: list[str] = []
    for told, equal in (*_logits(pair.a, pair.b), *_answers(pair.a, pair.b)):
        (same if equal else apart).append(told)
    if apart:
        return Half(DIFFERS, f"on the same code path, {joined(apart)}")
    if not same:
        return Half(INCOMPARABLE, "no sample's outputs are known of both")
    return Half(AGREES, joined(same))


def _logits(one: Measured, other: Measured) -> Iterator[tuple[str, bool]]:
    a, b = one.agreement, other.agreement
    if a is None or b is None or a.samples != b.samples:
        return  # a slow device compares fewer samples
    what = counted(a.samples, "sample")
    if a.logits_sha256 and b.logits_sha256:
        equal = a.logits_sha256 == b.logits_sha256
        yield f"{'the same' if equal else 'other'} logits of {what}{', bit for bit' if equal else ''}", equal
    else:
        equal = replace(a, logits_sha256="") == replace(b, logits_sha256="")
        told = "equally far from FP32" if equal else "not equally far from FP32"
        yield f"outputs of {what} {told} ({a.max_abs_diff:g} there, {b.max_abs_diff:g} here)", equal


def _answers(one: Measured, other: Measured) -> Iterator[tuple[str, bool]]:
    a, b = one.accuracy, other.accuracy
    if a is None or b is None:
        return
    count = min(a.samples, b.samples)
    changed = ((a.bits >> (a.samples - count)) ^ (b.bits >> (b.samples - count))).bit_count()
    equal = not changed and (a.samples != b.samples or a.top5 == b.top5)
    if equal:
        yield f"the same top-1 answers right of {counted(count, 'sample')}", True
    else:
        yield f"top-1 right or wrong differs in {changed} of {counted(count, 'sample')}", False


def _speedup(pair: Pair, others: tuple[str, ...]) -> Half:
    """Whether the speedup over FP32 is that of the set, within TOLERANCE."""
    gain = pair.gain
    throttled = any(timing.mark for one in (pair.a, pair.b) for timing in one.timings)
    doubts = (
        (pair.speed.ratio is None, pair.speed.reason),
        (bool(others), joined(others)),
        (pair.a.cell.method == BASELINE, "FP32 is the baseline: its speed is shown, not judged"),
        (throttled, "the machine was slowed"),
        (gain is None or gain.change is None, gain.reason if gain else "no speedup"),
    )
    for holds, reason in doubts:
        if holds:
            return Half(INCOMPARABLE, reason)
    assert gain and gain.change  # noqa: PT018 - the last doubt
    if gain.test is None:
        return Half(INCOMPARABLE, "one round has no interval")
    told = f"speedup {gain.change:.2f} times the published [{gain.test.low:.2f}, {gain.test.high:.2f}]"
    near = gain.test.low <= 1 + TOLERANCE and gain.test.high >= 1 / (1 + TOLERANCE)
    return Half(AGREES if near else DIFFERS, told)
