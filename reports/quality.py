"""Accuracy, agreement with the canonical FP32, size, and kernel evidence, by variant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from bench.matrix import Matrix
from reports import charts
from reports.book import BASELINE, Chapter, Variant
from reports.load import Accuracy, Agreement, Measured
from reports.stats import difference, wilson
from reports.text import joined, megabytes, percent, ratio

# FP32 outputs of the frameworks may differ by rounding only (largest absolute logit difference).
FP32_LIMIT = 1e-3


@dataclass(frozen=True)
class AccuracyRow:
    """One variant's accuracy; shares are 0 to 1. Where `accuracy` is None, `reason` says why.

    `change` is the interval of top-1 minus the same framework's FP32 top-1.
    """

    variant: Variant
    reason: str
    accuracy: Accuracy | None = None
    scenarios: str = ""
    top1: tuple[float, float] | None = None
    top5: tuple[float, float] | None = None
    change: tuple[float, float] | None = None
    change_value: float | None = None
    size: int | None = None
    size_ratio: float | None = None

    @property
    def below_fp32(self) -> bool:
        """Whether top-1 is below the same framework's FP32 by more than noise."""
        return self.change is not None and self.change[1] < 0

    @property
    def within_noise(self) -> bool:
        """Whether top-1 was compared with FP32 and found not below it by more than noise."""
        return self.change is not None and not self.below_fp32


@dataclass(frozen=True)
class AgreementRow:
    """The worst agreement over a variant's cells; `flagged` where FP32 differs beyond rounding."""

    variant: Variant
    reason: str
    agreement: Agreement | None = None
    flagged: bool = False


@dataclass(frozen=True)
class Evidence:
    """Which code path ran, for the scenarios in which it was the same one."""

    variant: Variant
    scenarios: str
    summary: str
    warnings: tuple[str, ...]
    facts: str


@dataclass(frozen=True)
class Quality:
    """What a chapter knows besides time."""

    accuracy: tuple[AccuracyRow, ...]
    agreement: tuple[AgreementRow, ...]
    evidence: tuple[Evidence, ...]
    chart: Markup

    def find(self, framework: str, method: str) -> AccuracyRow | None:
        """Return the accuracy row of a variant."""
        wanted = (framework, method)
        found = [row for row in self.accuracy if (row.variant.framework, row.variant.method) == wanted]
        return found[0] if found else None


def quality(chapter: Chapter, matrix: Matrix) -> Quality:
    """Return the accuracy, agreement and evidence rows of `chapter` with its Figure 1."""
    accuracy = tuple(_accuracy(chapter, variant) for variant in chapter.variants)
    return Quality(
        accuracy,
        tuple(_agreement(variant) for variant in chapter.variants),
        tuple(row for variant in chapter.variants for row in _evidence(variant)),
        _figure1(chapter, accuracy, list(matrix.methods)),
    )


def _accuracy(chapter: Chapter, variant: Variant) -> AccuracyRow:
    size = _size(variant)
    baseline = chapter.baseline(variant.framework)
    base_size = _size(baseline) if baseline else None
    size_ratio = size / base_size if size is not None and base_size else None
    if not variant.accuracies:
        return AccuracyRow(variant, _why_no_accuracy(variant), size=size, size_ratio=size_ratio)
    # Every scenario gives the same outputs; were they to differ, the lowest is the one to tell.
    worst = min(variant.accuracies, key=lambda one: one.top1 / one.samples if one.samples else 0)
    counts = {(one.samples, one.top1, one.top5) for one in variant.accuracies}
    names = joined(dict.fromkeys(one.scenario for one in variant.accuracies))
    change, value = _change(worst, baseline)
    return AccuracyRow(
        variant,
        "",
        worst,
        names if len(counts) == 1 else f"lowest of {names}",
        wilson(worst.top1, worst.samples),
        wilson(worst.top5, worst.samples),
        change,
        value,
        size,
        size_ratio,
    )


def _why_no_accuracy(variant: Variant) -> str:
    if not variant.measured:
        return variant.why_missing
    reasons = [one.accuracy_reason for one in variant.measured]
    reasons += [f"{one.cell.scenario} {one.state}, {one.reason}" for one in variant.missing if one.cell]
    return "; ".join(dict.fromkeys(reasons))


def _change(one: Accuracy, baseline: Variant | None) -> tuple[tuple[float, float] | None, float | None]:
    if baseline is None or not baseline.accuracies:
        return None, None
    base = baseline.accuracies[0]
    interval = difference((one.top1, one.samples), (base.top1, base.samples))
    return interval, one.top1 / one.samples - base.top1 / base.samples if interval else None


def _size(variant: Variant) -> int | None:
    sizes = [int(one.artifact["bytes"]) for one in variant.measured]
    return sizes[0] if sizes else None


def _agreement(variant: Variant) -> AgreementRow:
    found = [one.agreement for one in variant.measured if one.agreement]
    if not found:
        return AgreementRow(variant, variant.why_missing or "the cell recorded no comparison")
    worst = max(found, key=lambda one: one.max_abs_diff)
    return AgreementRow(variant, "", worst, variant.method == BASELINE and worst.max_abs_diff > FP32_LIMIT)


def _evidence(variant: Variant) -> list[Evidence]:
    """Return one row for each different code path among the variant's cells."""
    paths: dict[tuple[str, tuple[str, ...], str], list[str]] = {}
    for one in variant.measured:
        facts = json.dumps(one.evidence["facts"], indent=1, sort_keys=True, ensure_ascii=False)
        path = (one.evidence["summary"], tuple(one.evidence["warnings"]), facts)
        paths.setdefault(path, []).append(_scenario(one))
    return [Evidence(variant, joined(names), *path) for path, names in paths.items()]


def _scenario(one: Measured) -> str:
    return f"{one.cell.scenario} (batch {one.cell.batch})"


def _figure1(chapter: Chapter, rows: tuple[AccuracyRow, ...], methods: list[str]) -> Markup:
    """Return size bars with top-1 as a line on the second axis (the paper's Figure 1)."""
    sized = [row for row in rows if row.size is not None]
    if not sized:
        return Markup("")
    told = "; ".join(f"{row.variant.name} {megabytes(row.size or 0)} MB{_top1(row)}" for row in sized)
    return charts.draw(
        charts.Chart(
            id=f"chart-{chapter.anchor}-size",
            title=f"{chapter.title}: size and top-1 ({chapter.weights_label})",
            description=f"Bars: bytes of each artifact. Diamonds: top-1 with its Wilson interval. {told}.",
            y_label="size (MB)",
            marker_label="top-1 accuracy",
            bars=[_bar(row, methods) for row in rows],
        )
    )


def _top1(row: AccuracyRow) -> str:
    if not row.accuracy or not row.accuracy.samples:
        return ", top-1 not measured"
    return f", top-1 {percent(row.accuracy.top1 / row.accuracy.samples)}"


def _bar(row: AccuracyRow, methods: list[str]) -> charts.Bar:
    method = row.variant.method
    slot = methods.index(method) if method in methods else len(methods)
    if row.size is None:
        return charts.Bar(
            row.variant.framework_title,
            method,
            slot,
            None,
            "",
            f"{row.variant.name}: not measured ({row.reason})",
        )
    marker = None
    if row.accuracy and row.top1:
        marker = charts.Marker(row.accuracy.top1 / row.accuracy.samples, *row.top1)
    return charts.Bar(
        row.variant.framework_title,
        method,
        slot,
        row.size / 1e6,
        megabytes(row.size),
        f"{row.variant.name}: {megabytes(row.size)} MB{_top1(row)}",
        note=ratio(row.size_ratio) if row.size_ratio and method != BASELINE else "",
        marker=marker,
    )


def fp32_agreement(found: Quality) -> Mapping[str, Any] | None:
    """Return the largest FP32 difference between frameworks, or None where none was measured."""
    rows = [row for row in found.agreement if row.agreement and row.variant.method == BASELINE]
    if not rows:
        return None
    worst = max(row.agreement.max_abs_diff for row in rows if row.agreement)
    return {
        "largest": worst,
        "limit": FP32_LIMIT,
        "good": worst <= FP32_LIMIT,
        "samples": min(row.agreement.samples for row in rows if row.agreement),
        "frameworks": [row.variant.framework_title for row in rows],
    }
