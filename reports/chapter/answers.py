"""The answers a reader came for, computed from the rows; nothing is claimed where none was measured.

Only measurements that LoadGen called VALID in every round can win. A winner whose rounds overlap
with another's is shown with that other's name: the rounds cannot tell them apart. A winner that was
measured on a slowed machine, or against such an FP32, stays the winner of what was measured and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from reports.chapter.accuracy import AccuracyRow, Quality
from reports.chapter.sizes import SizeRow
from reports.chapter.timings import Block, Row
from reports.run.chapters import Chapter
from reports.run.results import BASELINE
from reports.run.wording import (
    SLOWED,
    counted,
    joined,
    megabytes,
    percent,
    points,
    ratio,
    significant,
    speedup,
)


@dataclass(frozen=True)
class Answer:
    """Who, with what figure, and what to know about it; without `who`, the figure is a reason.

    `slowed` is the mark of a figure that was measured on a slowed machine.
    """

    who: str
    figure: str
    note: str = ""
    slowed: str = ""


@dataclass(frozen=True)
class Question:
    """One question, with an answer for each block (scenario)."""

    text: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class SingleAnswer:
    """One question that has a single answer, whatever the scenario."""

    text: str
    answer: Answer


def questions(chapter: Chapter, blocks: Sequence[Block]) -> tuple[Question, ...]:
    """Return the questions about time alone, with one answer a block; only for performance runs."""

    def fp32(row: Row) -> bool:
        return row.variant.method == BASELINE

    return (
        Question("Fastest FP32", tuple(_fastest(block, fp32) for block in blocks)),
        Question("Fastest of all methods", tuple(_fastest(block, lambda _: True) for block in blocks)),
        Question("Largest speedup over own FP32", tuple(_gain(block) for block in blocks)),
    )


def at_equal_accuracy(blocks: Sequence[Block], quality: Quality) -> Mapping[str, Answer]:
    """Return, by scenario, the fastest whose top-1 is within noise of its own FP32, with its speedup."""

    def equal(row: Row) -> bool:
        found = quality.find(row.variant.framework, row.variant.method)
        return found is not None and found.within_noise

    return {block.scenario: _with_speedup(block, _fastest(block, equal)) for block in blocks}


def _with_speedup(block: Block, answer: Answer) -> Answer:
    row = next((row for row in _comparable(block) if row.variant.name == answer.who), None)
    if row is None or row.speedup is None:
        return answer
    return replace(answer, figure=f"{answer.figure}, {ratio(row.speedup.value)} its FP32")


def smallest_at_equal_accuracy(quality: Quality) -> Answer:
    """Return the smallest artifact whose top-1 is within noise of its own FP32."""
    equal = {row.variant.name for row in quality.accuracy if row.within_noise}
    return _smallest([row for row in quality.sizes if row.variant.name in equal])


def facts(chapter: Chapter, quality: Quality) -> tuple[SingleAnswer, ...]:
    """Return the questions about size and accuracy, which need no timing."""
    return (
        SingleAnswer("Smallest", _smallest(quality.sizes)),
        SingleAnswer(f"Accuracy against own FP32 ({chapter.weights_label})", _losses(quality.accuracy)),
    )


def _metric(row: Row) -> float:
    return row.metric.median if row.metric else 0.0


def _fastest(block: Block, wanted: Callable[[Row], bool]) -> Answer:
    rows = [row for row in block.rows if row.metric and row.valid and wanted(row)]
    if not rows:
        return Answer("", "not measured" if not _invalid(block, wanted) else "no VALID measurement")
    choose = max if block.throughput else min
    best = choose(rows, key=_metric)
    rivals = [
        row.variant.name
        for row in rows
        if row is not best and row.metric and best.metric and row.metric.overlaps(best.metric)
    ]
    notes = [f"rounds overlap with {joined(rivals)}"] if rivals else []
    figure = f"{significant(_metric(best))} {block.unit}"
    return Answer(best.variant.name, figure, "; ".join([*notes, *_doubts(best)]), best.slowed)


def _doubts(row: Row, whose: str = "") -> list[str]:
    """What slowed the machine while it measured this row, as a note: "▼ throttled: firmware says ..."."""
    return [f"{whose}{SLOWED} {mark}" for mark in dict.fromkeys(row.marks)]


def _base(block: Block, row: Row) -> Row | None:
    """The FP32 that the row's speedup is over."""
    for one in block.rows:
        if (one.variant.framework, one.variant.method) == (row.variant.framework, BASELINE):
            return one
    return None


def _invalid(block: Block, wanted: Callable[[Row], bool]) -> bool:
    return any(row.metric and not row.valid and wanted(row) for row in block.rows)


def _comparable(block: Block) -> list[Row]:
    """The rows whose speedup rests on VALID measurements alone, their own and their FP32's."""
    valid = {row.variant.framework for row in block.rows if row.variant.method == BASELINE and row.valid}
    return [row for row in block.rows if row.speedup and row.valid and row.variant.framework in valid]


def _gain(block: Block) -> Answer:
    rows = _comparable(block)
    if not rows:
        return Answer("", "not measured")
    best = max(rows, key=lambda row: row.speedup.value if row.speedup else 0.0)
    assert best.speedup is not None
    notes = []
    if best.speedup.value <= 1:
        notes = ["no method is faster than its FP32"]
    elif not best.speedup.differs:
        notes = ["the rounds cannot tell it from 1"]
    base = _base(block, best)
    notes += [*_doubts(best), *(_doubts(base, "its FP32 ") if base else [])]
    return Answer(best.variant.name, speedup(best.speedup), "; ".join(notes), best.slowed)


def _smallest(rows: Sequence[SizeRow]) -> Answer:
    sized = [row for row in rows if row.size is not None]
    if not sized:
        return Answer("", "not measured")
    best = min(sized, key=lambda row: row.size or 0)
    share = f", {ratio(best.size_ratio)} of its FP32" if best.size_ratio else ""
    return Answer(best.variant.name, f"{megabytes(best.size or 0)} MB{share}")


def _losses(rows: Sequence[AccuracyRow]) -> Answer:
    compared = [row for row in rows if row.against]
    if not compared:
        return Answer("", "not measured")
    lost = [row for row in compared if row.against and row.against.below]
    if not lost:
        worst = min(compared, key=lambda row: row.against.change if row.against else 0.0)
        return Answer(
            f"No loss beyond noise in {counted(len(compared), 'variant')}",
            f"lowest: {worst.variant.name}, {_points(worst)} points of top-1",
        )
    return Answer(
        f"{len(lost)} of {counted(len(compared), 'variant')} {'loses' if len(lost) == 1 else 'lose'} "
        "more than noise",
        joined(f"{row.variant.name} {_points(row)} points" for row in lost),
    )


def _points(row: AccuracyRow) -> str:
    return points(row.against.change if row.against else 0.0)


def headline(chapter: Chapter, blocks: Sequence[Block]) -> str:
    """Return the first sentence: the fastest variant in each scenario, its speedup, what slowed either."""
    told: list[tuple[str, str, str]] = []
    for block in blocks:
        best = _fastest(block, lambda _: True)
        if best.who:
            row = next((row for row in _comparable(block) if row.variant.name == best.who), None)
            gain = f" ({ratio(row.speedup.value)} its FP32)" if row and row.speedup else ""
            base = _base(block, row) if row else None
            against = f" against an FP32 that was {base.slowed}" if base and base.slowed else ""
            mark = f" {best.slowed}" if best.slowed else ""
            told.append((best.who, block.title, f"{best.figure}{mark}{gain}{against}"))
    winners = {who for who, _, _ in told}
    if not told:
        return ""
    if len(winners) == 1 and len(told) > 1:
        figures = joined(f"{where} {figure}" for _, where, figure in told)
        return f"{told[0][0]} is the fastest wherever {chapter.title} was measured: {figures}."
    return "Fastest: " + "; ".join(f"{where}, {who} with {figure}" for who, where, figure in told) + "."


def fp32_top1(rows: Sequence[AccuracyRow]) -> str:
    """Return the FP32 top-1 of the chapter's frameworks, as "87.5 %" or a range, or ""."""
    shares = sorted(
        row.accuracy.top1 / row.accuracy.samples
        for row in rows
        if row.accuracy and row.accuracy.samples and row.variant.method == BASELINE
    )
    if not shares:
        return ""
    first, last = percent(shares[0]), percent(shares[-1])
    return first if first == last else f"{first} to {last}"
