"""The accuracy/latency Pareto front: variants that none beats in both time and accuracy.

Time is a scenario's metric; accuracy is the change of top-1 against the same framework's FP32, whose own
change is 0. Membership is decided on the figures as measured; a member that is slower than another must
earn its place by accuracy, so each is compared with the next faster one on the same samples, and where
that is within noise the table says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.plan.matrix import Matrix
from reports.chapter.accuracy import AccuracyRow, Quality
from reports.chapter.timings import Block, Row
from reports.drawing import scatter
from reports.run.chapters import Chapter
from reports.run.results import BASELINE
from reports.run.wording import joined, points, significant
from reports.stats import paired_answers
from reports.stats.paired_answers import Accuracy, Paired


@dataclass(frozen=True)
class Point:
    """A variant with a VALID time and an accuracy. `beaten` names the front's members that are at least as
    good in both; `rivals` those of the front whose rounds overlap with its own. `gain` compares a member
    of the front with the next faster one, None for the fastest and for the rest."""

    row: Row
    accuracy: AccuracyRow
    change: float
    beaten: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    gain: Paired | None = None

    @property
    def name(self) -> str:
        """The variant's."""
        return self.row.variant.name

    @property
    def on_front(self) -> bool:
        """Whether no variant is at least as good in both and better in one."""
        return not self.beaten


@dataclass(frozen=True)
class Front:
    """One scenario's points, fastest first; `without` are (variant, why it has no place)."""

    block: Block
    points: tuple[Point, ...]
    without: tuple[tuple[str, str], ...]
    chart: Markup

    @property
    def members(self) -> list[Point]:
        """The points of the front, fastest first."""
        return [one for one in self.points if one.on_front]

    @property
    def told(self) -> str:
        """The front in one sentence."""
        names = [f"{one.name} ({significant(_time(one.row))} {self.block.unit})" for one in self.members]
        if len(names) == 1:
            return f"{names[0]} alone: no other is faster or closer to its FP32"
        return joined(names)


def fronts(chapter: Chapter, blocks: Sequence[Block], quality: Quality, matrix: Matrix) -> tuple[Front, ...]:
    """Return the front of the single stream and of each throughput scenario that has two points or more."""
    wanted = [block for block in blocks if block.throughput or block.batch == 1]
    found = (_front(chapter, block, quality, list(matrix.methods)) for block in wanted)
    return tuple(one for one in found if len(one.points) > 1)


def _time(row: Row) -> float:
    return row.metric.median if row.metric else 0.0


def _front(chapter: Chapter, block: Block, quality: Quality, methods: list[str]) -> Front:
    placed: list[Point] = []
    without: list[tuple[str, str]] = []
    for row in block.rows:
        accuracy = quality.find(row.variant.framework, row.variant.method)
        change = _change(accuracy)
        if not row.metric:
            without.append((row.variant.name, f"time not measured ({row.reason})"))
        elif not row.valid:
            without.append((row.variant.name, "its time is INVALID"))
        elif accuracy is None or change is None:
            without.append((row.variant.name, "no accuracy against its FP32"))
        else:
            placed.append(Point(row, accuracy, change))
    placed.sort(key=lambda one: _cost(block, one))
    judged = _judged(block, placed)
    return Front(block, judged, tuple(without), _chart(chapter, block, judged, methods))


def _change(row: AccuracyRow | None) -> float | None:
    if row is None or row.accuracy is None:
        return None
    if row.variant.method == BASELINE:
        return 0.0
    return row.against.change if row.against else None


def _cost(block: Block, one: Point) -> float:
    """Return what should be small: milliseconds, or the negative of samples a second."""
    return -_time(one.row) if block.throughput else _time(one.row)


def _judged(block: Block, placed: Sequence[Point]) -> tuple[Point, ...]:
    front = [one for one in placed if not any(_beats(block, other, one) for other in placed)]
    judged = []
    for one in placed:
        others = [other for other in front if other is not one]
        faster = [other for other in others if _cost(block, other) <= _cost(block, one)]
        judged.append(
            Point(
                one.row,
                one.accuracy,
                one.change,
                tuple(other.name for other in others if _beats(block, other, one)),
                tuple(other.name for other in others if _overlap(other.row, one.row)),
                _compared(one, faster[-1]) if one in front and faster else None,
            )
        )
    return tuple(judged)


def _beats(block: Block, one: Point, other: Point) -> bool:
    no_worse = _cost(block, one) <= _cost(block, other) and one.change >= other.change
    return no_worse and (_cost(block, one) < _cost(block, other) or one.change > other.change)


def _overlap(one: Row, other: Row) -> bool:
    return bool(one.metric and other.metric and one.metric.overlaps(other.metric))


def _compared(one: Point, faster: Point) -> Paired | None:
    ours: Accuracy | None = one.accuracy.accuracy
    theirs = faster.accuracy.accuracy
    return paired_answers.compare(ours, theirs) if ours and theirs else None


def _chart(chapter: Chapter, block: Block, placed: Sequence[Point], methods: list[str]) -> Markup:
    if len(placed) < 2:
        return Markup("")
    better = "right" if block.throughput else "left"
    front = joined(one.name for one in placed if one.on_front)
    told = "; ".join(
        f"{one.name} {significant(_time(one.row))} {block.unit}, {points(one.change)} points"
        for one in placed
    )
    return scatter.draw(
        scatter.Scatter(
            id=f"chart-{block.id}-front",
            title=f"{chapter.title}, {block.title}: time and accuracy",
            description=f"Better is up and to the {better}. On the front: {front}. All: {told}.",
            x_label=f"{block.metric_label} ({block.unit}, logarithmic); better is to the {better}",
            y_label="top-1 against own FP32 (points)",
            dots=[_dot(one, methods) for one in placed],
        )
    )


def _dot(one: Point, methods: list[str]) -> scatter.Dot:
    against, metric = one.accuracy.against, one.row.metric
    assert metric
    method = one.row.variant.method
    return scatter.Dot(
        one.name,
        methods.index(method) if method in methods else len(methods),
        metric.median,
        (metric.low, metric.high),
        100 * one.change,
        (100 * against.low, 100 * against.high) if against else None,
        one.on_front,
    )
