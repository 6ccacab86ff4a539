"""A comparison sorted for telling: by model, then by scenario and batch, each pair with its ratio drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from bench.plan.matrix import Matrix
from reports.compare import judge
from reports.compare.pairs import Comparison, Pair, group_of, variant_of
from reports.drawing import interval
from reports.run import wording
from reports.run.results import Agreement, Measured
from reports.run.wording import decimals_for
from reports.stats.by_round import Summary, summarize


@dataclass(frozen=True)
class PairRow:
    """One pair: its medians, in the unit of its block, and its ratio drawn."""

    pair: Pair
    variant: str
    a: Summary | None
    b: Summary | None
    drawing: Markup


@dataclass(frozen=True)
class ScenarioPairs:
    """The pairs of one scenario at one batch, whose metric has `decimals`."""

    title: str
    batch: int
    label: str
    unit: str
    decimals: int
    rows: tuple[PairRow, ...]


@dataclass(frozen=True)
class ModelPairs:
    """The pairs of one model with its weights under one ISA cap."""

    title: str
    anchor: str
    blocks: tuple[ScenarioPairs, ...]
    variants: tuple[VariantPair, ...]

    @property
    def rows(self) -> tuple[PairRow, ...]:
        """The rows of all blocks."""
        return tuple(row for block in self.blocks for row in block.rows)


@dataclass(frozen=True)
class VariantPair:
    """What does not depend on the scenario: artifact, worst agreement with FP32, kernel evidence.

    `paths` are the code paths seen in A and in B, one a different scenario at most.
    """

    name: str
    a: Measured
    b: Measured
    agreements: tuple[Agreement | None, Agreement | None]
    paths: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def same_artifact(self) -> bool:
        """Whether both ran the same bytes."""
        return bool(self.a.artifact["sha256"] == self.b.artifact["sha256"])

    @property
    def same_path(self) -> bool:
        """Whether the frameworks told the same of both."""
        return self.paths[0] == self.paths[1]


def ratio_axis(found: Comparison) -> interval.LogAxis:
    """Return the axis that holds every ratio and interval of the page."""
    bounds: list[float] = []
    for one in found.pairs:
        test = one.speed.test
        bounds += [one.speed.ratio] if one.speed.ratio else []
        bounds += [test.low, test.high] if test else []
    return interval.log_axis(bounds, found.limits.threshold)


def by_model(found: Comparison, matrix: Matrix, axis: interval.LogAxis) -> tuple[ModelPairs, ...]:
    """Return the pairs of each model, in the order in which they were compared."""
    grouped: dict[str, list[Pair]] = {}
    for one in found.pairs:
        grouped.setdefault(group_of(one.a.cell, matrix), []).append(one)
    return tuple(
        ModelPairs(title, f"cells-{number}", _blocks(pairs, matrix, axis), _variants(pairs, matrix))
        for number, (title, pairs) in enumerate(grouped.items(), 1)
    )


def _blocks(pairs: Iterable[Pair], matrix: Matrix, axis: interval.LogAxis) -> tuple[ScenarioPairs, ...]:
    blocks = []
    for (scenario, batch), of in groupby(pairs, key=lambda one: (one.a.cell.scenario, one.a.cell.batch)):
        rows = tuple(_row(one, matrix, axis) for one in of)
        speed = rows[0].pair.speed
        shown = [side.median for row in rows for side in (row.a, row.b) if side]
        name = wording.title(matrix.scenarios, scenario)
        blocks.append(ScenarioPairs(name, batch, speed.label, speed.unit, decimals_for(shown), rows))
    return tuple(blocks)


def _row(one: Pair, matrix: Matrix, axis: interval.LogAxis) -> PairRow:
    speed = one.speed
    drawing = Markup("")
    if speed.ratio:
        low, high = (speed.test.low, speed.test.high) if speed.test else (None, None)
        decided = speed.verdict in judge.DECIDED
        drawing = interval.draw(speed.ratio, low, high, decided, axis)
    return PairRow(one, variant_of(one.a.cell, matrix), summarize(speed.a), summarize(speed.b), drawing)


def _variants(pairs: Iterable[Pair], matrix: Matrix) -> tuple[VariantPair, ...]:
    grouped: dict[str, list[Pair]] = {}
    for one in pairs:
        grouped.setdefault(variant_of(one.a.cell, matrix), []).append(one)
    return tuple(_variant(name, of) for name, of in grouped.items())


def _variant(name: str, pairs: list[Pair]) -> VariantPair:
    sides = ([one.a for one in pairs], [one.b for one in pairs])
    worst = [
        max((one.agreement for one in side if one.agreement), key=lambda one: one.max_abs_diff, default=None)
        for side in sides
    ]
    paths = [tuple(dict.fromkeys(code_path(one) for one in side)) for side in sides]
    return VariantPair(name, pairs[0].a, pairs[0].b, (worst[0], worst[1]), (paths[0], paths[1]))


def code_path(one: Measured) -> str:
    """Return what the framework told of the code that ran, with its warnings."""
    return "; ".join([one.evidence["summary"], *(f"warning: {told}" for told in one.evidence["warnings"])])
