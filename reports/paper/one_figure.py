"""One figure of the paper as this run can show it: charts, tables, and what it lacks."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from reports.chapter.accuracy import AccuracyRow
from reports.chapter.by_batch import BatchSweep
from reports.chapter.by_isa import IsaView
from reports.chapter.sizes import SizeRow
from reports.chapter.timings import Block, Row
from reports.drawing import charts
from reports.drawing.downloads import svg_url
from reports.paper.printed import PaperFigure
from reports.paper.source import Lack

PAIRS, TRIPLES = 700, 400  # widest charts of which two and three stand side by side


@dataclass(frozen=True)
class Panel:
    """One chart. `drawn` is the id of what it shows in full (a block, or a chapter's sizes), so that it
    need not be drawn again; "" where it shows a part."""

    label: str
    svg: Markup
    drawn: str = ""


@dataclass(frozen=True)
class TimeTable:
    """One model's rows of a figure: (variant, one row a block)."""

    model: str
    blocks: tuple[Block, ...]
    lines: tuple[tuple[str, tuple[Row | None, ...]], ...]


@dataclass(frozen=True)
class SizeTable:
    """Figure 1's rows, (variant, one pair a model); the pair is None where the model lacks the variant."""

    models: tuple[str, ...]
    lines: tuple[tuple[str, tuple[tuple[SizeRow, AccuracyRow] | None, ...]], ...]


@dataclass(frozen=True)
class Figure:
    """A figure of the paper with what this run has for it; `here` says how it differs from the paper's,
    `origin` names the other run that it is drawn from.

    `more` are charts beyond the paper's. Of the tables only those of its kind are there. `csv` and `svg`
    are URLs, "" where nothing is drawn.
    """

    paper: PaperFigure
    here: str
    origin: str = ""
    panels: tuple[Panel, ...] = ()
    more: tuple[Panel, ...] = ()
    lacks: tuple[Lack, ...] = ()
    sizes: SizeTable | None = None
    times: tuple[TimeTable, ...] = ()
    sweeps: tuple[BatchSweep, ...] = ()
    isas: tuple[IsaView, ...] = ()
    csv: str = ""

    @property
    def id(self) -> str:
        """Its anchor."""
        return f"figure-{self.paper.number}"

    @property
    def layout(self) -> str:
        """How many panels stand side by side on a wide page: "" for one, "pairs" or "triples"."""
        widest = max((charts.size(one.svg)[0] for one in (*self.panels, *self.more)), default=0)
        return "" if widest > PAIRS else "pairs" if widest > TRIPLES else "triples"

    @property
    def svg(self) -> str:
        """All its charts as one file."""
        return svg_url([(one.label, one.svg) for one in (*self.panels, *self.more)]) if self.panels else ""
