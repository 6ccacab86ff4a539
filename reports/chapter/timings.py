"""Latency, throughput and speedup by model and scenario, with the charts of Figures 2 and 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median

from markupsafe import Markup

from bench.device.watch import Mark
from bench.plan.cells import Cell
from bench.plan.matrix import Matrix
from reports.drawing import charts
from reports.run.chapters import Chapter, Variant, scenario_rank
from reports.run.metrics import Round, latency_of, metric_percentile, rate_of, values_by_round
from reports.run.results import BASELINE, Measured, Memory, Timing
from reports.run.wording import SLOWED, counted, decimals_for, ratio, significant, speedup, title
from reports.stats.by_round import Ratio, Summary, paired_ratio, summarize

PERCENTILES = (50, 90, 99)
ENOUGH_CALLS = 5  # fewer time a call, not a throughput
_LOGGED = (50, 90, 95, 99)  # whole percentiles in LoadGen's detail log


@dataclass(frozen=True)
class Row:
    """One variant in one scenario: medians over its rounds.

    `metric` and `latency` are in milliseconds a query or, for a throughput scenario, `metric` is
    in samples a second like `rate`. Where `metric` is None, `reason` says why. `marks` are of the rounds
    during which the machine was slowed. `few_calls` is how many calls the shortest round of a throughput
    scenario holds, where they are too few for a throughput, else 0. `memory` is the largest of the rounds.
    """

    variant: Variant
    reason: str
    metric: Summary | None = None
    latency: Mapping[int, float] | None = None
    early_ms: float | None = None
    rate: Summary | None = None
    speedup: Ratio | None = None
    speedup_reason: str = ""
    rounds: int = 0
    rounds_planned: int = 0
    valid_rounds: int = 0
    invalid_reasons: tuple[str, ...] = ()
    peak_memory_bytes: int | None = None
    load_seconds: float | None = None
    first_ms: float | None = None
    memory: Memory | None = None
    few_calls: int = 0
    marks: tuple[Mark, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether LoadGen called every round VALID."""
        return self.rounds > 0 and self.valid_rounds == self.rounds

    @property
    def calls_told(self) -> str:
        """What to say in place of "throughput": "one call", "3 calls"; "" where there are enough."""
        return "one call" if self.few_calls == 1 else f"{self.few_calls} calls" if self.few_calls else ""

    @property
    def slowed(self) -> str:
        """What slowed the machine, with its sign: "▼ throttled"; "" where nothing is known to."""
        return " and ".join(dict.fromkeys(f"{SLOWED} {mark.word}" for mark in self.marks))


@dataclass(frozen=True)
class Block:
    """One scenario of a chapter at one batch, as a table and a chart."""

    id: str
    scenario: str
    title: str
    batch: int
    throughput: bool
    percentile: int
    metric_label: str
    rows: tuple[Row, ...]
    decimals: int
    rate_decimals: int
    chart: Markup

    @property
    def percentiles(self) -> list[int]:
        """The latency percentiles to show: the usual ones and the metric's own."""
        return sorted({*PERCENTILES, self.percentile})

    @property
    def unit(self) -> str:
        """The unit of the metric."""
        return "samples/s" if self.throughput else "ms"


def blocks(chapter: Chapter, matrix: Matrix, profile: str) -> tuple[Block, ...]:
    """Return a block for every scenario and batch that the chapter planned or measured."""
    cells = [one.cell for variant in chapter.variants for one in variant.measured]
    cells += [one.cell for variant in chapter.variants for one in variant.missing if one.cell]
    kinds = sorted({(*scenario_rank(matrix, cell), cell.scenario) for cell in cells})
    return tuple(_block(chapter, matrix, profile, scenario, batch) for _, batch, scenario in kinds)


def _block(chapter: Chapter, matrix: Matrix, profile: str, scenario: str, batch: int) -> Block:
    throughput = matrix.scenarios[scenario].metric == "throughput"
    percentile = metric_percentile(matrix, profile, scenario)
    metric = rate_of if throughput else latency_of(f"p{percentile}")
    cells = {
        (variant.framework, variant.method): one
        for variant in chapter.variants
        for one in variant.measured
        if (one.cell.scenario, one.cell.batch) == (scenario, batch)
    }
    rows = []
    for variant in chapter.variants:
        one = cells.get((variant.framework, variant.method))
        if one:
            baseline = cells.get((variant.framework, BASELINE))
            rows.append(_row(variant, one, baseline, metric, throughput))
        elif reason := _why_missing(variant, scenario, batch):
            rows.append(Row(variant, reason))
    name = title(matrix.scenarios, scenario)
    label = "throughput" if throughput else f"p{percentile} latency"
    shown = [row.metric.median for row in rows if row.metric]
    block = Block(
        f"{chapter.anchor}-{scenario.lower()}-b{batch}",
        scenario,
        name,
        batch,
        throughput,
        percentile,
        label,
        tuple(rows),
        min(2, decimals_for(shown)) if shown and min(shown) >= 0.1 else 3,
        min(1, decimals_for(row.rate.median for row in rows if row.rate)),
        Markup(""),
    )
    return _with_chart(block, chapter, list(matrix.methods))


def _why_missing(variant: Variant, scenario: str, batch: int) -> str:
    for lost in variant.missing:
        cell: Cell | None = lost.cell
        if cell and (cell.scenario, cell.batch) == (scenario, batch):
            return f"{lost.state}: {lost.reason}"
    return ""


def _row(
    variant: Variant,
    one: Measured,
    baseline: Measured | None,
    metric: Callable[[Timing], float | None],
    throughput: bool,
) -> Row:
    if not one.timings:
        return Row(variant, "emulated or smoke: its timings are not performance")
    values = values_by_round(one, metric)
    reason = "" if values else "LoadGen's log lacks this percentile"
    base_values = values_by_round(baseline, metric) if baseline else {}
    gain, why = _speedup(variant, values, base_values, throughput)
    medians = {p: summarize(list(values_by_round(one, latency_of(f"p{p}")).values())) for p in _LOGGED}
    early = summarize([timing.early_ns / 1e6 for timing in one.timings if timing.early_ns])
    firsts = [timing.first_seconds for timing in one.timings if timing.first_seconds is not None]
    memories = [timing.memory for timing in one.timings if timing.memory]
    calls = min(timing.calls for timing in one.timings)
    peaks = [timing.peak_memory_bytes for timing in one.timings if timing.peak_memory_bytes]
    return Row(
        variant,
        reason,
        metric=summarize(list(values.values())),
        latency={p: found.median for p, found in medians.items() if found},
        early_ms=early.median if early else None,
        rate=summarize([timing.rate for timing in one.timings]),
        speedup=gain,
        speedup_reason=why,
        rounds=len(one.timings),
        rounds_planned=one.rounds_planned,
        valid_rounds=sum(timing.valid for timing in one.timings),
        invalid_reasons=tuple(dict.fromkeys(r for t in one.timings if not t.valid for r in t.reasons)),
        peak_memory_bytes=max(peaks, default=None),
        load_seconds=median(timing.load_seconds for timing in one.timings),
        first_ms=1e3 * median(firsts) if firsts else None,
        memory=Memory(max(m.loaded for m in memories), max(m.ran for m in memories)) if memories else None,
        few_calls=calls if throughput and calls < ENOUGH_CALLS else 0,
        marks=tuple(timing.mark for timing in one.timings if timing.mark),
    )


def _speedup(
    variant: Variant, values: Mapping[Round, float], baseline: Mapping[Round, float], throughput: bool
) -> tuple[Ratio | None, str]:
    """Return the paper's speedup (section V-B) over the same framework's FP32, or why there is none."""
    if variant.method == BASELINE:
        return None, "baseline"
    if not baseline:
        return None, f"{variant.framework_title} {BASELINE} not measured"
    found = paired_ratio(values, baseline) if throughput else paired_ratio(baseline, values)
    return found, "" if found else f"no round in common with {BASELINE} on one machine"


def _with_chart(block: Block, chapter: Chapter, methods: list[str]) -> Block:
    better = "higher" if block.throughput else "lower"
    measured = [row for row in block.rows if row.metric]
    described = "; ".join(f"{row.variant.name} {_figure(block, row)}" for row in measured)
    chart = charts.Chart(
        id=f"chart-{block.id}",
        title=f"{chapter.title}, {block.title}: {block.metric_label}",
        description=f"Grouped bars, {better} is better. {described or 'Nothing measured'}.",
        y_label=f"{block.metric_label} ({block.unit}), {better} is better",
        bars=[bar(block, row, methods) for row in block.rows],
        clip=not block.throughput,
    )
    return replace(block, chart=charts.draw(chart)) if measured else block


def _figure(block: Block, row: Row) -> str:
    return f"{significant(row.metric.median)} {block.unit}" if row.metric else "not measured"


def bar(block: Block, row: Row, methods: list[str]) -> charts.Bar:
    """Return the bar of a row, with the range of its rounds; `methods` give its colour and pattern."""
    slot = methods.index(row.variant.method) if row.variant.method in methods else len(methods)
    group, method = row.variant.framework_title, row.variant.method
    if row.metric is None:
        return charts.Bar(group, method, slot, None, "", f"{row.variant.name}: not measured ({row.reason})")
    told = f"{row.variant.name}: {_figure(block, row)}, median of {row.rounds} rounds"
    if row.speedup:
        told += f"; speedup over FP32 {speedup(row.speedup)}"
    if row.few_calls:
        told += f"; {row.calls_told}, which is no throughput"
    if not row.valid:
        told += "; INVALID"
    if row.marks:
        told += f"; {len(row.marks)} of {counted(row.rounds, 'round')} {row.marks[0]}"
    return charts.Bar(
        group,
        method,
        slot,
        row.metric.median,
        significant(row.metric.median) + ("" if row.valid else " !"),
        told,
        note=ratio(row.speedup.value) if row.speedup else "",
        low=row.metric.low,
        high=row.metric.high,
        mark=row.slowed,
    )
