"""A run's chapters with all that the report says of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.plan.matrix import Matrix
from reports.chapter import answers, coverage, front, why_slow
from reports.chapter.accuracy import Quality, fp32_agreement, quality
from reports.chapter.by_batch import Arranged, arrange
from reports.chapter.by_isa import IsaView, isa_view
from reports.chapter.timings import blocks
from reports.run.chapters import Chapter, chapters
from reports.run.results import Run


@dataclass(frozen=True)
class ChapterView:
    """All that the templates need of one chapter; `blocks` has nothing without performance.

    `isas` compares the chapter's family over ISA caps, where it leads one.
    """

    chapter: Chapter
    blocks: Arranged
    isas: IsaView | None
    quality: Quality
    headline: str
    questions: tuple[answers.Question, ...]
    equal: Mapping[str, answers.Answer]
    smallest: answers.Answer
    facts: tuple[answers.SingleAnswer, ...]
    fronts: tuple[front.Front, ...]
    slow: tuple[why_slow.Slow, ...]
    fp32: Any
    fp32_top1: str
    grid: coverage.Grid


def views(run: Run, matrix: Matrix) -> tuple[ChapterView, ...]:
    """Return a view of every chapter of `run`, in the matrix's order."""
    found = chapters(run, matrix)
    arranged = {
        one.setting: arrange(one, blocks(one, matrix, run.profile) if run.performance else (), matrix)
        for one in found
    }
    return tuple(
        _view(
            chapter,
            arranged[chapter.setting],
            isa_view(
                [
                    (one, arranged[one.setting].answers)
                    for one in found
                    if one.setting.family == chapter.setting.family
                ],
                matrix,
            )
            if chapter.leads
            else None,
            matrix,
        )
        for chapter in found
    )


def _view(chapter: Chapter, told: Arranged, isas: IsaView | None, matrix: Matrix) -> ChapterView:
    found = quality(chapter, matrix)
    return ChapterView(
        chapter,
        told,
        isas,
        found,
        answers.headline(chapter, told.answers),
        answers.questions(chapter, told.answers) if told.answers else (),
        answers.at_equal_accuracy(told.answers, found),
        answers.smallest_at_equal_accuracy(found),
        answers.facts(chapter, found),
        front.fronts(chapter, told.answers, found, matrix) if chapter.leads else (),
        why_slow.slow(chapter, told.answers, matrix) if chapter.leads else (),
        fp32_agreement(chapter, found),
        answers.fp32_top1(found.accuracy),
        coverage.grid(chapter, matrix),
    )
