"""Size on disk and peak memory by variant, against FP32, with Figure 1 (size and top-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reports.drawing import charts
from reports.run.chapters import Chapter, Variant
from reports.run.results import BASELINE, Measured
from reports.run.wording import megabytes, percent, ratio
from reports.stats.by_round import wilson
from reports.stats.paired_answers import Accuracy


@dataclass(frozen=True)
class SizeRow:
    """One variant: bytes of its artifact's files, and bytes of its process at its peak.

    The ratios are to the same framework's FP32. `memory` is the peak resident set of the whole process
    (framework and loaded samples included) in the cell named by `where`; None without performance.
    """

    variant: Variant
    reason: str
    size: int | None = None
    size_ratio: float | None = None
    memory: int | None = None
    memory_ratio: float | None = None
    where: str = ""


def sizes(chapter: Chapter) -> tuple[SizeRow, ...]:
    """Return a row for every variant of `chapter`."""
    return tuple(_row(variant, chapter.baseline(variant.framework)) for variant in chapter.variants)


def _row(variant: Variant, baseline: Variant | None) -> SizeRow:
    if not variant.measured:
        return SizeRow(variant, variant.why_missing)
    size, base_size = _size(variant), _size(baseline)
    told = _told(variant)
    memory = _memory(told) if told else None
    base_memory = _memory(_same(told, baseline)) if told else None
    return SizeRow(
        variant,
        "",
        size,
        size / base_size if size is not None and base_size else None,
        memory,
        memory / base_memory if memory and base_memory else None,
        f"{told.cell.scenario}, batch {told.cell.batch}" if told else "",
    )


def _size(variant: Variant | None) -> int | None:
    return int(variant.measured[0].artifact["bytes"]) if variant and variant.measured else None


def _told(variant: Variant) -> Measured | None:
    """Return the cell whose memory is told: the single stream, which holds one sample, else the first."""
    known = [one for one in variant.measured if _memory(one)]
    single = [one for one in known if one.cell.scenario == "SingleStream"]
    return next(iter(single + known), None)


def _same(one: Measured, variant: Variant | None) -> Measured | None:
    wanted = (one.cell.scenario, one.cell.batch)
    cells = variant.measured if variant else ()
    return next((cell for cell in cells if (cell.cell.scenario, cell.cell.batch) == wanted), None)


def _memory(one: Measured | None) -> int | None:
    peaks = [t.peak_memory_bytes for t in one.timings if t.peak_memory_bytes] if one else []
    return max(peaks, default=None)


def figure1(
    chapter: Chapter, rows: Sequence[SizeRow], accuracies: Sequence[Accuracy | None], methods: list[str]
) -> Markup:
    """Return size bars with top-1 as a line on the second axis (the paper's Figure 1).

    `accuracies` has one entry a row. Empty where no size is known.
    """
    pairs = list(zip(rows, accuracies))
    sized = [(row, one) for row, one in pairs if row.size is not None]
    if not sized:
        return Markup("")
    told = "; ".join(f"{row.variant.name} {megabytes(row.size or 0)} MB{_top1(one)}" for row, one in sized)
    return charts.draw(
        charts.Chart(
            id=f"chart-{chapter.anchor}-size",
            title=f"{chapter.title}: size and top-1 ({chapter.weights_label})",
            description=f"Bars: bytes of each artifact. Diamonds: top-1 with its Wilson interval. {told}.",
            y_label="size (MB)",
            marker_label="top-1 accuracy",
            bars=[_bar(row, one, methods) for row, one in pairs],
        )
    )


def _top1(one: Accuracy | None) -> str:
    return f", top-1 {percent(one.top1 / one.samples)}" if one and one.samples else ", top-1 not measured"


def _bar(row: SizeRow, one: Accuracy | None, methods: list[str]) -> charts.Bar:
    group, method = row.variant.framework_title, row.variant.method
    slot = methods.index(method) if method in methods else len(methods)
    if row.size is None:
        return charts.Bar(group, method, slot, None, "", f"{row.variant.name}: not measured ({row.reason})")
    interval = wilson(one.top1, one.samples) if one else None
    return charts.Bar(
        group,
        method,
        slot,
        row.size / 1e6,
        megabytes(row.size),
        f"{row.variant.name}: {megabytes(row.size)} MB{_top1(one)}",
        note=ratio(row.size_ratio) if row.size_ratio and method != BASELINE else "",
        marker=charts.Marker(one.top1 / one.samples, *interval) if one and interval else None,
    )
