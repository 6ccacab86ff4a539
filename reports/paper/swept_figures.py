"""Figures 6 and 7: sweeps of this run, else of the run beside it that `invoke run --sweep` makes."""

from __future__ import annotations

from bench.plan.matrix import Matrix
from reports.chapter.by_batch import BatchSweep
from reports.chapter.by_isa import IsaView
from reports.chapter.chapter_view import views
from reports.drawing.downloads import csv_url
from reports.paper import csv_rows
from reports.paper.one_figure import Figure, Panel
from reports.paper.printed import HARDWARE, PaperFigure
from reports.paper.source import Lack, Source
from reports.run.command import measures
from reports.run.results import Beside
from reports.run.wording import joined, moment, title


def swept(paper: PaperFigure, own: Source, beside: Beside) -> Figure:
    """Return Figure 6 or 7: from this run's own sweep, else from the one `beside` it."""
    origin, source, matrix = "", own, own.matrix
    found = _sweeps(paper, own)
    if not found and (other := beside.run):
        source = Source.of(other, matrix, views(other, matrix))
        found = _sweeps(paper, source)
        origin = f"run {other.name}, measured {moment(other.facts.get('updated'))}"
    if not found:
        return Figure(paper, "", lacks=own.lack(paper, paper.models, beside.why))
    main = [title(matrix.frameworks, name) for name in paper.frameworks]
    panels = [Panel(label, svg) for one in found for label, svg in one.charts]
    panels.sort(key=lambda one: [*main, _framework(one)].index(_framework(one)))
    rows = list(csv_rows.steps(found))
    return Figure(
        paper,
        f"{source.here(source.leads)}{_instead(paper, matrix)}",
        origin,
        panels=tuple(one for one in panels if _framework(one) in main),
        more=tuple(one for one in panels if _framework(one) not in main),
        lacks=_other_device(paper, source) if paper.sweep == "batch" else (),
        sweeps=tuple(one for one in found if isinstance(one, BatchSweep)),
        isas=tuple(one for one in found if isinstance(one, IsaView)),
        csv=csv_url(csv_rows.TIME_COLUMNS, csv_rows.time_rows(source.run, rows)),
    )


def _framework(panel: Panel) -> str:
    return panel.label.partition(",")[0]


def _instead(paper: PaperFigure, matrix: Matrix) -> str:
    """Return how one machine stands for the paper's two."""
    if paper.sweep == "isa":
        names = [
            f"{matrix.isas[platform.isa].title} for the processors of {HARDWARE[name][0]}"
            for name, platform in matrix.platforms.items()
            if name in HARDWARE and platform.isa in matrix.isas
        ]
        return f"; one machine stands for two, its libraries capped: {joined(names)}" if names else ""
    return "; every framework on this one device"


def _other_device(paper: PaperFigure, source: Source) -> tuple[Lack, ...]:
    """Return the panels of Figure 6 that the paper measured on a device of the other architecture."""
    pi, matrix = source.arch != "arm64", source.matrix
    names = [name for name in paper.frameworks if (name == "tflite") == pi]
    what = (
        f"{joined(title(matrix.frameworks, name) for name in names)} on {'the Raspberry Pi' if pi else 'x86'}"
    )
    command = measures(source.run, matrix, "rpi4" if pi else "host", frameworks=names, sweep=paper.sweep)
    return (Lack(what, "", command),)


def _sweeps(paper: PaperFigure, source: Source) -> list[BatchSweep | IsaView]:
    if paper.sweep == "batch":
        return [sweep for view in source.leads for sweep in view.blocks.sweeps]
    return [view.isas for view in source.leads if view.isas]
