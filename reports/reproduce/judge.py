"""Verdicts on a published set: what must be equal, what may differ, and how much.

Where the same bytes ran through the same code path, answers and logits must be equal to the bit. Elsewhere
that alone is left out, and said: accuracy is judged by a paired test, FP32 by its distance from the weights'
own outputs. Milliseconds do not travel, so speed is judged by the paper's speedup over FP32, everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bench.plan.cells import Cell
from bench.plan.matrix import Matrix
from reports.compare.judge import HIGHER, INCOMPARABLE, LOWER
from reports.compare.pairs import Comparison, Pair, compare
from reports.reproduce.pairs import Repeated, repeated
from reports.run.results import BASELINE, Measured, Run
from reports.run.wording import counted, joined, points

AGREES, DIFFERS = "agrees", "differs"
VERDICTS = (AGREES, DIFFERS, INCOMPARABLE)
# Interleaved repetitions of one cell scattered by about 10 % on the project's machines; a speedup is a
# quotient of two figures, so 1.1 squared, and a little for another CPU of the same instruction sets.
TOLERANCE = 0.25
#: Logits of FP32 that another kernel may be off, as in preparing (bench/convert/convert.py).
FP32_TOLERANCE = 1e-3


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


def judge(
    published: Run, here: Run, matrix: Matrix, left_out: Mapping[str, str], images: Mapping[str, str]
) -> Reproduction:
    """Judge every cell of `published`; `left_out` says, by cell id, why a cell was not tried here."""
    found = compare(published, here, matrix)
    return Reproduction(found, tuple(_judged(one) for one in repeated(found, matrix, left_out)), images)


def _judged(one: Repeated) -> JudgedCell:
    if one.pair is None:
        half = Half(DIFFERS if one.failed else INCOMPARABLE, one.reason)
        return JudgedCell(one.cell, one.name, half, half)
    outputs = _close(one.pair, one.others) if one.others else _equal(one.pair)
    return JudgedCell(one.cell, one.name, outputs, _speedup(one.pair, one.others), one.pair)


def _close(pair: Pair, others: tuple[str, ...]) -> Half:
    """Whether outputs that need not be equal to the bit, for the reasons in `others`, are as good."""
    told = f"not held to the bit: {joined(others)}"
    answers = pair.answers
    if answers.change:
        one = answers.change
        count = counted(one.samples, "sample")
        words = (
            f"top-1 {points(one.change)} points on {count}, p {one.adjusted:.2g} ({answers.reason}); {told}"
        )
        return Half(DIFFERS if answers.verdict in (LOWER, HIGHER) else AGREES, words)
    there, here = pair.a.agreement, pair.b.agreement
    if pair.a.cell.method == BASELINE and pair.a.dataset == pair.b.dataset and there and here:
        off = max(there.max_abs_diff, here.max_abs_diff)
        near = off <= FP32_TOLERANCE
        words = f"{'within' if near else 'over'} {FP32_TOLERANCE:g}; {told}"
        return Half(
            AGREES if near else DIFFERS, f"FP32 outputs {off:.2g} from the reference at most, {words}"
        )
    return Half(INCOMPARABLE, f"accuracy was not measured in both; {told}")


def _equal(pair: Pair) -> Half:
    """Whether answers and logits are equal to the bit, where they must be."""
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
    if a.classes != b.classes and not (a.logits_sha256 and b.logits_sha256):
        return  # an older kit measured agreement otherwise
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
    emulated = pair.a.environment["emulated"] or pair.b.environment["emulated"]
    doubts = (
        (pair.speed.ratio is None, pair.speed.reason),
        (emulated, "emulated: its times are no performance"),
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
    told += f"; {joined(others)}" if others else ""
    near = gain.test.low <= 1 + TOLERANCE and gain.test.high >= 1 / (1 + TOLERANCE)
    return Half(AGREES if near else DIFFERS, told)
