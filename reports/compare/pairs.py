"""Two runs, cell by cell: is B faster or slower than A, or less accurate, and can their rounds say so?

Cells are paired by what they are: framework, model, weights, method, scenario, batch and ISA cap;
platform and stack may be what differs. Nothing here prints: reports/compare/tell.py tells.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.plan.cells import Cell
from bench.plan.matrix import Matrix
from bench.runtimes.isa import NATIVE
from reports.compare import judge
from reports.compare.differences import Difference, differences, elsewhere
from reports.compare.judge import Answers, Gain, Limits, SpeedVerdict
from reports.run.chapters import chapters, isa_title, scenario_rank
from reports.run.results import BASELINE, Measured, Run
from reports.run.wording import points, title, weights_name


@dataclass(frozen=True)
class Pair:
    """One kind of cell measured by both runs; `elsewhere` names what differs between the machines."""

    a: Measured
    b: Measured
    name: str
    elsewhere: tuple[str, ...]
    speed: SpeedVerdict
    gain: Gain | None
    answers: Answers

    @property
    def regressed(self) -> bool:
        """Whether B is slower on the same kind of machine, or less accurate on any."""
        return self.slower or self.answers.verdict == judge.LOWER

    @property
    def slower(self) -> bool:
        """Whether B is slower; on another machine that is not judged."""
        return self.speed.verdict == judge.SLOWER

    @property
    def holds_up(self) -> bool:
        """Whether B is shown to be no slower, and not less accurate where that was measured."""
        alike = (judge.HIGHER, judge.NO_CHANGE, judge.NOT_MEASURED)
        return self.speed.verdict in judge.HELD and self.answers.verdict in alike


@dataclass(frozen=True)
class Only:
    """A kind of cell that only one run measured ("A" or "B"), and why the other has none."""

    run: str
    cell: Cell
    name: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Run B against run A."""

    a: Run
    b: Run
    limits: Limits
    pairs: tuple[Pair, ...]
    only: tuple[Only, ...]
    differences: tuple[Difference, ...]

    @property
    def tested(self) -> int:
        """How many cells have a p-value: all of them are in Holm's correction."""
        return sum(one.speed.adjusted is not None for one in self.pairs)

    @property
    def typical(self) -> float | None:
        """The median of the cells' ratios: far from 1, it is the machine or the stack that changed."""
        ratios = [one.speed.ratio for one in self.pairs if one.speed.ratio]
        return statistics.median(ratios) if ratios else None

    @property
    def decided(self) -> bool:
        """Whether any cell has a verdict on speed."""
        return any(self.count(verdict) for verdict in judge.DECIDED)

    def count(self, verdict: str) -> int:
        """Return how many cells have this verdict on speed."""
        return sum(one.speed.verdict == verdict for one in self.pairs)

    def failures(self, strict: bool = False) -> tuple[str, ...]:
        """Return what speaks against B, a line each; `strict` asks that every cell be shown to hold up."""
        lines = [_told(one, strict) for one in self.pairs if one.regressed or (strict and not one.holds_up)]
        if strict:
            lines += [f"{one.name}: only in {one.run} ({one.reason})" for one in self.only]
        if strict and not self.pairs:
            lines.append("no cell is in both runs")
        return tuple(lines)


def compare(a: Run, b: Run, matrix: Matrix, limits: Limits | None = None) -> Comparison:
    """Compare two runs. Every ratio is B over A in speed: above 1, B is faster."""
    limits = limits or Limits()
    matched, only = _match(a, b, matrix)
    machines = [elsewhere(one, other) for one, other in matched]
    speeds = judge.decided(
        [
            judge.apart(judge.speed(one, other, a, b, matrix), machine)
            for (one, other), machine in zip(matched, machines, strict=True)
        ],
        limits,
    )
    answers = judge.corrected([judge.answers(one, other) for one, other in matched], limits)
    pairs = tuple(
        Pair(
            one,
            other,
            name_of(one.cell, matrix),
            machine,
            speed,
            _gain(one, other, a, b, matrix) if speed.ratio else None,
            answer,
        )
        for (one, other), machine, speed, answer in zip(matched, machines, speeds, answers, strict=True)
    )
    return Comparison(a, b, limits, pairs, only, differences(a, b, matched, matrix))


def group_of(cell: Cell, matrix: Matrix) -> str:
    """Return what is held fixed around a cell: "MobileNetV2, probe weights"."""
    parts = [title(matrix.models, cell.model), weights_name(cell.weights)]
    if cell.isa != NATIVE:
        parts.append(f"capped to {isa_title(matrix, cell.isa)}")
    return ", ".join(parts)


def variant_of(cell: Cell, matrix: Matrix) -> str:
    """Return framework and method: "OpenVINO INT8-OM"."""
    return f"{title(matrix.frameworks, cell.framework)} {cell.method}"


def name_of(cell: Cell, matrix: Matrix) -> str:
    """Return a cell in words: "MobileNetV2, probe weights: OpenVINO INT8-OM, Offline (batch 32)"."""
    where = f"{cell.scenario} (batch {cell.batch})"
    return f"{group_of(cell, matrix)}: {variant_of(cell, matrix)}, {where}"


def _gain(one: Measured, other: Measured, a: Run, b: Run, matrix: Matrix) -> Gain | None:
    if one.cell.method == BASELINE:
        return None
    bases = [
        next((base for base in run.measured if base.cell == replace(cell.cell, method=BASELINE)), None)
        for cell, run in ((one, a), (other, b))
    ]
    percentile = judge.common_percentile(a, b, one.cell.scenario, matrix)
    return judge.gain((one, other), bases, percentile, matrix)


Matched = list[tuple[Measured, Measured]]
_SEVERAL = "a run has several cells of this kind, and none is of the same platform and stack"


def _match(a: Run, b: Run, matrix: Matrix) -> tuple[Matched, tuple[Only, ...]]:
    """Pair the cells of one kind; where a run has several of a kind, those of one platform and stack."""
    found: dict[Cell, tuple[list[Measured], list[Measured]]] = {}
    for side, run in enumerate((a, b)):
        for one in _ordered(run, matrix):
            found.setdefault(_kind(one.cell), ([], []))[side].append(one)
    matched: Matched = []
    only: list[Only] = []
    for kind, (ours, theirs) in found.items():
        alike = [(one, other) for one in ours for other in theirs if one.cell == other.cell]
        if len(ours) == len(theirs) == 1:
            alike = [(ours[0], theirs[0])]
        matched += alike
        paired = [one for both in alike for one in both]
        for name, here, other in (("A", ours, b), ("B", theirs, a)):
            why = _SEVERAL if ours and theirs else _why_not(kind, other)
            only += [
                Only(name, one.cell, name_of(one.cell, matrix), why) for one in here if one not in paired
            ]
    return matched, tuple(only)


def _kind(cell: Cell) -> Cell:
    """Return what a cell is, whatever its platform and stack."""
    return replace(cell, platform="", stack="")


def _ordered(run: Run, matrix: Matrix) -> Iterator[Measured]:
    """Yield the measured cells as they are told: by setting, scenario, then framework and method."""
    for chapter in chapters(run, matrix):
        cells = [one for variant in chapter.variants for one in variant.measured]
        yield from sorted(cells, key=lambda one: scenario_rank(matrix, one.cell))


def _why_not(kind: Cell, run: Run) -> str:
    """Why `run` has no result of this kind of cell."""
    for lost in run.not_measured:
        if lost.cell and _kind(lost.cell) == kind:
            return f"{lost.state}: {lost.reason}"
    for one in run.absent:
        if (one.framework, one.model, one.method) == (kind.framework, kind.model, kind.method):
            return one.reason
    return "it was not planned"


def _told(one: Pair, strict: bool) -> str:
    """What speaks against a cell, in words."""
    speed, answers, parts = one.speed, one.answers, []
    if one.slower or (strict and speed.verdict not in judge.HELD):
        times = f"{speed.ratio:.2f} times A's speed, " if speed.ratio else ""
        parts.append(f"{times}{speed.verdict} ({speed.reason})")
    if answers.change and answers.verdict == judge.LOWER:
        parts.append(f"accuracy {points(answers.change.change)} points ({answers.reason})")
    elif strict and answers.verdict == judge.INCOMPARABLE:
        parts.append(f"accuracy {answers.verdict} ({answers.reason})")
    return f"{one.name}: {'; '.join(parts)}"
