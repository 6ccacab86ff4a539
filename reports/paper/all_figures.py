"""The paper's Figures 1 to 7, redrawn from results in its layout, each with its data.

A figure is drawn from this run, Figures 6 and 7 also from a sweep measured beside it. What there are no
cells for is not drawn: it is named, with the command that measures it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from markupsafe import Markup

from bench.plan.matrix import Matrix
from reports.chapter.chapter_view import ChapterView
from reports.chapter.timings import Block, Row, bar
from reports.drawing import charts
from reports.drawing.downloads import csv_url
from reports.paper import csv_rows
from reports.paper.one_figure import Figure, Panel, SizeTable, TimeTable
from reports.paper.printed import FIGURES, PaperFigure
from reports.paper.source import Lack, Source
from reports.paper.swept_figures import swept
from reports.run.results import Beside, Run
from reports.run.wording import joined, significant, speedup


def figures(
    run: Run, of: Sequence[ChapterView], beside: Mapping[str, Beside], matrix: Matrix
) -> tuple[Figure, ...]:
    """Return the seven figures; only the first where the run measures no performance.

    `beside` has what lies beside the run, by sweep.
    """
    source = Source.of(run, matrix, of)
    made = [_first(FIGURES[0], source)]
    if run.performance:
        made += [_scenarios(paper, source) for paper in FIGURES[1:5]]
        made += [swept(paper, source, beside[paper.sweep]) for paper in FIGURES[5:]]
    return tuple(made)


def _first(paper: PaperFigure, source: Source) -> Figure:
    shown = [view for model in paper.models for view in source.of_model(model) if view.quality.chart]
    titles = tuple(view.chapter.title for view in shown)
    absent = [model for model in paper.models if not any(one.quality.chart for one in source.of_model(model))]
    pairs = {
        (row.variant.name, view.chapter.title): (row, accuracy)
        for view in shown
        for row, accuracy in zip(view.quality.sizes, view.quality.accuracy)
    }
    names = dict.fromkeys(name for name, _ in pairs)
    samples = [row.accuracy.samples for _, row in pairs.values() if row.accuracy]
    images = " to ".join(map(str, sorted({min(samples), max(samples)}))) if samples else ""
    counts = f"; top-1 on {images} images" if samples else "; no top-1 was measured"
    return Figure(
        paper,
        source.here(shown) + counts,
        panels=tuple(
            Panel(view.chapter.title, view.quality.chart, f"{view.chapter.anchor}-size") for view in shown
        ),
        lacks=source.lack(paper, absent, ""),
        sizes=SizeTable(
            titles, tuple((name, tuple(pairs.get((name, model)) for model in titles)) for name in names)
        ),
        csv=csv_url(csv_rows.SIZE_COLUMNS, csv_rows.size_rows(source.run, pairs.values())) if pairs else "",
    )


def _scenarios(paper: PaperFigure, source: Source) -> Figure:
    """Return one of Figures 2 to 5: a panel for each model and scenario."""
    if paper.arch != source.arch:
        return Figure(paper, "", lacks=source.lack(paper, paper.models, f"needs {paper.device}"))
    whole = len(paper.models) == 1
    panels: list[Panel] = []
    times: list[TimeTable] = []
    rows: list[tuple[str, Block, Row]] = []
    for view in (view for model in paper.models for view in source.of_model(model)):
        found = [_part(block, paper) for block in view.blocks.answers if not _sweep_of(view, block)]
        found = [block for block in found if any(row.metric for row in block.rows)]
        for block in found:
            label = f"{view.chapter.title}, {block.title}"
            chart = block.chart if whole else _with_speedups(label, paper, block, source.matrix)
            panels.append(Panel(label, chart, block.id if whole else ""))
            rows += [(label, block, row) for row in block.rows]
        if found:
            times.append(TimeTable(view.chapter.title, tuple(found), _lines(found)))
    return Figure(
        paper,
        source.here(source.leads),
        panels=tuple(panels),
        lacks=_missing_scenarios(paper, source, times),
        times=tuple(times),
        csv=csv_url(csv_rows.TIME_COLUMNS, csv_rows.time_rows(source.run, rows)) if rows else "",
    )


def _missing_scenarios(paper: PaperFigure, source: Source, times: Sequence[TimeTable]) -> tuple[Lack, ...]:
    shown = {one.model: [block.title for block in one.blocks] for one in times}
    lacks: list[Lack] = []
    for model in paper.models:
        planned = source.of_model(model)
        have = [name for view in planned for name in shown.get(view.chapter.title, ())]
        without = [one.title for one in source.matrix.scenarios.values() if one.title not in have]
        if without:
            why = _why(planned, without)
            lacks += source.lack(paper, [model], why, f", {joined(without)}" if have else "")
    return tuple(lacks)


def _sweep_of(view: ChapterView, block: Block) -> int:
    """Return the figure (6 or 7) whose sweep shows every variant of `block`, 0 for none."""
    if block in view.blocks.folded:
        return 6
    return 7 if view.isas and view.isas.covers(block) else 0


def _why(planned: Sequence[ChapterView], without: Sequence[str]) -> str:
    """Return why scenarios that were asked for are not shown, "" where they were not."""
    blocks = [(view, block) for view in planned for block in view.blocks.answers if block.title in without]
    shown = {number for view, block in blocks if (number := _sweep_of(view, block))}
    if shown:
        return f"what this run has of it is in Figure {joined(str(number) for number in sorted(shown))}"
    return "asked for, but without a result" if blocks else ""


def _part(block: Block, paper: PaperFigure) -> Block:
    """Return a block with the paper's frameworks only, in the paper's order, whole for one model."""
    if len(paper.models) == 1:
        return block
    order = {name: place for place, name in enumerate(paper.frameworks)}
    rows = [row for row in block.rows if row.variant.framework in order]
    return replace(block, rows=tuple(sorted(rows, key=lambda row: order[row.variant.framework])))


def _lines(blocks: Sequence[Block]) -> tuple[tuple[str, tuple[Row | None, ...]], ...]:
    found = [{row.variant.name: row for row in block.rows} for block in blocks]
    names = dict.fromkeys(name for rows in found for name in rows)
    return tuple((name, tuple(rows.get(name) for rows in found)) for name in names)


def _with_speedups(label: str, paper: PaperFigure, block: Block, matrix: Matrix) -> Markup:
    """Draw a block with its speedups as diamonds on the second axis, as Figures 4 and 5 do."""
    better = "higher" if block.throughput else "lower"
    told = "; ".join(
        f"{row.variant.name} {significant(row.metric.median)} {block.unit}"
        + (f", speedup {speedup(row.speedup)}" if row.speedup else "")
        for row in block.rows
        if row.metric
    )
    bars = []
    for row in block.rows:
        gain = row.speedup
        marker = charts.Marker(gain.value, gain.low, gain.high) if gain else None
        bars.append(replace(bar(block, row, list(matrix.methods)), marker=marker))
    return charts.draw(
        charts.Chart(
            id=f"figure-{paper.number}-{block.id}",
            title=f"{label}: {block.metric_label} and speedup over FP32",
            description=f"Grouped bars, {better} is better; diamonds are speedups. {told}.",
            y_label=f"{block.metric_label} ({block.unit})",
            marker_label="speedup",
            marker_unit=charts.TIMES,
            reference=1.0,
            linked="",
            bars=bars,
            clip=not block.throughput,
        )
    )
