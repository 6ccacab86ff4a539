"""The batch sweep (Figure 6): throughput and speedup of the quantized methods by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from bench.plan.matrix import Matrix
from reports.chapter.steps import Series, by_framework, chart, series
from reports.chapter.timings import Block
from reports.run.chapters import Chapter
from reports.run.results import BASELINE
from reports.run.wording import joined, speedup


@dataclass(frozen=True)
class BatchSweep:
    """One throughput scenario over its batches; `told` are sentences, `charts` one a framework."""

    id: str
    title: str
    metric_label: str
    batches: tuple[int, ...]
    series: tuple[Series, ...]
    charts: tuple[tuple[str, Markup], ...]
    told: tuple[str, ...]


@dataclass(frozen=True)
class Arranged:
    """A chapter's blocks by where they are told. `answers` has one batch a scenario; `body` are told in
    full, `folded` only behind the sweeps, which show the same variants over every batch."""

    answers: tuple[Block, ...]
    body: tuple[Block, ...]
    folded: tuple[Block, ...]
    sweeps: tuple[BatchSweep, ...]


def arrange(chapter: Chapter, blocks: Sequence[Block], matrix: Matrix) -> Arranged:
    """Find the throughput scenarios measured at several batches, and what need not be told again."""
    answers: list[Block] = []
    folded: list[Block] = []
    sweeps: list[BatchSweep] = []
    for _, group in groupby(blocks, key=lambda block: block.scenario):
        same = list(group)
        answers.append(_usual(chapter, same, matrix))
        found = _sweep(chapter, same, matrix) if same[0].throughput else None
        if found:
            sweeps.append(found)
            swept = {(one.framework, one.method) for one in found.series}
            swept |= {(one.framework, BASELINE) for one in found.series}
            folded += [
                block
                for block in same
                if {(row.variant.framework, row.variant.method) for row in block.rows} <= swept
            ]
    body = tuple(block for block in blocks if block not in folded)
    return Arranged(tuple(answers), body, tuple(folded), tuple(sweeps))


def _usual(chapter: Chapter, blocks: Sequence[Block], matrix: Matrix) -> Block:
    """Return the block at the batch that the platform has in Offline, else the largest."""
    platform = matrix.platforms.get(chapter.setting.platform)
    usual = [block for block in blocks if platform and block.batch == platform.offline_batch]
    return usual[0] if usual else blocks[-1]


def _sweep(chapter: Chapter, blocks: Sequence[Block], matrix: Matrix) -> BatchSweep | None:
    found = series([(f"batch {block.batch}", block) for block in blocks])
    if not found:
        return None
    name, methods = f"{chapter.title}, {blocks[0].title} by batch", list(matrix.methods)
    anchor = f"{chapter.anchor}-{blocks[0].scenario.lower()}-by-batch"
    drawn = [
        (framework, chart(f"{anchor}-{of[0].framework}", f"{name}, {framework}", of, methods, linked=True))
        for framework, of in by_framework(found)
    ]
    return BatchSweep(
        anchor,
        name,
        blocks[0].metric_label,
        tuple(block.batch for block in blocks),
        found,
        tuple((framework, svg) for framework, svg in drawn if svg),
        _told(found),
    )


def _told(found: Sequence[Series]) -> tuple[str, ...]:
    """Return the largest speedup and its batch, one sentence a series."""
    told = []
    for one in found:
        best = one.best
        if best is None or best.row.speedup is None:
            told.append(f"{one.name}: no VALID speedup over FP32 was measured.")
            continue
        batch, gain = best.label, best.row.speedup
        if gain.value <= 1:
            told.append(
                f"{one.name} is faster than its FP32 at no batch: at most {speedup(gain)}, at {batch}."
            )
        else:
            doubt = "" if gain.differs else "; its rounds cannot tell it from 1"
            told.append(f"{one.name} gains most at {batch}: {speedup(gain)} its FP32{doubt}.")
        if best.slowed:
            told[-1] += f" Measured on a slowed machine: {best.slowed}."
        lacking = [step.label for step in one.steps if not step.valid]
        if lacking:
            told[-1] += f" Without a VALID speedup: {joined(lacking)}."
    return tuple(told)
