"""The rows of the figures' CSV files: one line a bar, every value with its unit in a column beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reports.chapter.accuracy import AccuracyRow
from reports.chapter.by_batch import BatchSweep
from reports.chapter.by_isa import IsaView
from reports.chapter.sizes import SizeRow
from reports.chapter.timings import Block, Row
from reports.run.chapters import Variant
from reports.run.results import Run

_WHO = ("run", "platform", "cpu", "stack", "model", "weights", "dataset", "framework", "method", "isa_cap")
TIME_COLUMNS = (
    "panel", *_WHO, "scenario", "batch", "metric", "unit", "median", "lowest_round", "highest_round",
    "rounds", "loadgen", "speedup_over_fp32", "speedup_low", "speedup_high", "note",
)  # fmt: skip
SIZE_COLUMNS = (
    *_WHO, "bytes", "of_fp32", "samples", "top1_correct", "top1_share", "top1_low", "top1_high", "note",
)  # fmt: skip


def _who(run: Run, variant: Variant) -> tuple[object, ...]:
    setting = variant.setting
    measured = variant.measured[0] if variant.measured else None
    return (
        run.name,
        setting.platform,
        measured.environment["cpu_model"] if measured else None,
        setting.stack,
        setting.model,
        setting.weights,
        measured.dataset if measured else None,
        variant.framework,
        variant.method,
        setting.isa,
    )


def time_rows(run: Run, rows: Iterable[tuple[str, Block, Row]]) -> Iterator[Sequence[object]]:
    """Yield a line for each (panel, block, row)."""
    for panel, block, row in rows:
        metric, gain = row.metric, row.speedup
        yield (
            panel,
            *_who(run, row.variant),
            block.scenario,
            block.batch,
            block.metric_label,
            block.unit,
            metric.median if metric else None,
            metric.low if metric else None,
            metric.high if metric else None,
            row.rounds,
            ("VALID" if row.valid else "INVALID") if metric else None,
            gain.value if gain else None,
            gain.low if gain else None,
            gain.high if gain else None,
            "" if metric else f"not measured ({row.reason})",
        )


def size_rows(run: Run, pairs: Iterable[tuple[SizeRow, AccuracyRow]]) -> Iterator[Sequence[object]]:
    """Yield a line for each variant; shares and their Wilson intervals are 0 to 1."""
    for size, row in pairs:
        one, interval = row.accuracy, row.top1
        reasons = [f"size: {size.reason}"] if size.size is None else []
        reasons += [] if one else [f"accuracy: {row.reason}"]
        yield (
            *_who(run, size.variant),
            size.size,
            size.size_ratio,
            one.samples if one else None,
            one.top1 if one else None,
            one.top1 / one.samples if one and one.samples else None,
            interval[0] if interval else None,
            interval[1] if interval else None,
            "; ".join(reasons),
        )


def steps(found: Iterable[BatchSweep | IsaView]) -> Iterator[tuple[str, Block, Row]]:
    """Yield every bar of Figures 6 and 7 once, FP32 included, as (panel, block, row)."""
    told: set[tuple[str, str]] = set()
    for one in found:
        series = [s.steps for s in one.series] if isinstance(one, BatchSweep) else [r.steps for r in one.rows]
        for step in (step for part in series for step in part if step):
            for row in (step.base, step.row):
                key = (step.block.id, row.variant.name) if row else None
                if row and key and key not in told:
                    told.add(key)
                    yield step.label, step.block, row
