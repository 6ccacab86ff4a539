"""What a chapter knows besides time: accuracy, agreement with FP32, size, memory and kernel evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from bench.plan.matrix import Matrix
from reports.chapter.sizes import SizeRow, figure1, sizes
from reports.run.chapters import Chapter, Variant
from reports.run.kernels import CodePath, code_paths
from reports.run.results import BASELINE, Agreement
from reports.run.wording import joined
from reports.stats import paired_answers
from reports.stats.by_round import wilson
from reports.stats.paired_answers import Accuracy, Paired

# FP32 outputs of the frameworks may differ by rounding only (largest absolute logit difference).
FP32_LIMIT = 1e-3
# Weights that differ between frameworks: each is compared with its own FP32 artifact.
ZOO = "zoo"


@dataclass(frozen=True)
class AccuracyRow:
    """One variant's accuracy; intervals are shares. Where `accuracy` is None, `reason` says why.

    `against` compares top-1 with the same framework's FP32, sample by sample.
    """

    variant: Variant
    reason: str
    accuracy: Accuracy | None = None
    scenarios: str = ""
    top1: tuple[float, float] | None = None
    top5: tuple[float, float] | None = None
    against: Paired | None = None

    @property
    def within_noise(self) -> bool:
        """Whether top-1 is FP32's, or was compared with it and is not below it by more than noise."""
        if self.variant.method == BASELINE:
            return self.accuracy is not None
        return self.against is not None and not self.against.below


@dataclass(frozen=True)
class AgreementRow:
    """The worst agreement over a variant's cells; `flagged` where FP32 differs beyond rounding."""

    variant: Variant
    reason: str
    agreement: Agreement | None = None
    flagged: bool = False


@dataclass(frozen=True)
class Quality:
    """What a chapter knows besides time."""

    accuracy: tuple[AccuracyRow, ...]
    agreement: tuple[AgreementRow, ...]
    sizes: tuple[SizeRow, ...]
    code_paths: tuple[CodePath, ...]
    chart: Markup

    def find(self, framework: str, method: str) -> AccuracyRow | None:
        """Return the accuracy row of a variant."""
        wanted = (framework, method)
        found = [row for row in self.accuracy if (row.variant.framework, row.variant.method) == wanted]
        return found[0] if found else None

    @property
    def remembers(self) -> bool:
        """Whether any peak memory may be told."""
        return any(row.memory for row in self.sizes)


def quality(chapter: Chapter, matrix: Matrix) -> Quality:
    """Return the accuracy, agreement, size and evidence rows of `chapter` with its Figure 1."""
    accuracy = _corrected([_accuracy(chapter, variant) for variant in chapter.variants])
    sized = sizes(chapter)
    return Quality(
        accuracy,
        tuple(_agreement(variant) for variant in chapter.variants),
        sized,
        code_paths(chapter, matrix),
        figure1(chapter, sized, [row.accuracy for row in accuracy], list(matrix.methods)),
    )


def _accuracy(chapter: Chapter, variant: Variant) -> AccuracyRow:
    if not variant.accuracies:
        return AccuracyRow(variant, _why_no_accuracy(variant))
    # Every scenario gives the same outputs, so the one with most samples tells most; were they to
    # differ, the lowest is the one to tell.
    samples = max(one.samples for one in variant.accuracies)
    most = [one for one in variant.accuracies if one.samples == samples]
    worst = min(most, key=lambda one: one.top1)
    counts = {(one.top1, one.top5) for one in most}
    names = joined(dict.fromkeys(one.scenario for one in most))
    return AccuracyRow(
        variant,
        "",
        worst,
        names if len(counts) == 1 else f"lowest of {names}",
        wilson(worst.top1, worst.samples),
        wilson(worst.top5, worst.samples),
        _against(worst, variant, chapter.baseline(variant.framework)),
    )


def _against(one: Accuracy, variant: Variant, baseline: Variant | None) -> Paired | None:
    if variant.method == BASELINE or baseline is None or not baseline.accuracies:
        return None
    same = [base for base in baseline.accuracies if base.scenario == one.scenario]
    return paired_answers.compare(one, max(same or baseline.accuracies, key=lambda base: base.samples))


def _corrected(rows: list[AccuracyRow]) -> tuple[AccuracyRow, ...]:
    """Return the rows with Holm's correction over all of them."""
    adjusted = iter(paired_answers.holm([row.against.p for row in rows if row.against]))
    return tuple(
        replace(row, against=replace(row.against, adjusted=next(adjusted))) if row.against else row
        for row in rows
    )


def _why_no_accuracy(variant: Variant) -> str:
    if not variant.measured:
        return variant.why_missing
    reasons = [one.accuracy_reason for one in variant.measured]
    reasons += [f"{one.cell.scenario} {one.state}, {one.reason}" for one in variant.missing if one.cell]
    return "; ".join(dict.fromkeys(reasons))


def _agreement(variant: Variant) -> AgreementRow:
    found = [one.agreement for one in variant.measured if one.agreement]
    if not found:
        return AgreementRow(variant, _why_no_agreement(variant))
    worst = max(found, key=lambda one: one.max_abs_diff)
    return AgreementRow(variant, "", worst, variant.method == BASELINE and worst.max_abs_diff > FP32_LIMIT)


def _why_no_agreement(variant: Variant) -> str:
    return variant.why_missing or "; ".join(dict.fromkeys(one.agreement_reason for one in variant.measured))


def fp32_agreement(chapter: Chapter, found: Quality) -> Mapping[str, Any] | None:
    """Return the largest FP32 difference between frameworks, or None where none was measured.

    Zoo weights differ between frameworks, so nothing is compared there.
    """
    rows = [row for row in found.agreement if row.agreement and row.variant.method == BASELINE]
    if not rows or chapter.setting.weights == ZOO:
        return None
    worst = max(row.agreement.max_abs_diff for row in rows if row.agreement)
    return {
        "largest": worst,
        "limit": FP32_LIMIT,
        "good": worst <= FP32_LIMIT,
        "samples": min(row.agreement.samples for row in rows if row.agreement),
        "frameworks": [row.variant.framework_title for row in rows],
    }
