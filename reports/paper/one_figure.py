"""One figure of the paper as this run can show it, and what all seven need to know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.device.environment import ARCHES
from bench.plan.matrix import Matrix
from reports.chapter.accuracy import AccuracyRow
from reports.chapter.by_batch import BatchSweep
from reports.chapter.by_isa import IsaView
from reports.chapter.chapter_view import ChapterView
from reports.chapter.sizes import SizeRow
from reports.chapter.timings import Block, Row
from reports.drawing import charts
from reports.drawing.downloads import svg_url
from reports.paper.printed import PaperFigure
from reports.run.command import measures
from reports.run.results import Run
from reports.run.wording import joined, title, value_range

PAIRS, TRIPLES = 700, 400  # widest charts of which two and three stand side by side


@dataclass(frozen=True)
class Panel:
    """One chart. `drawn` is the id of what it shows in full (a block, or a chapter's sizes), so that it
    need not be drawn again; "" where it shows a part."""

    label: str
    svg: Markup
    drawn: str = ""


@dataclass(frozen=True)
class Lack:
    """What a figure has no cells for, why (if it was asked for), and the command that measures it."""

    what: str
    why: str
    command: str


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


def here(run: Run, leads: Iterable[ChapterView]) -> str:
    """Return device, weights and profile in one sentence."""
    places = [one.environment for one in run.measured]
    labels = joined(dict.fromkeys(view.chapter.weights_label for view in leads))
    return (
        f"{value_range(place['cpu_model'] for place in places)} ({value_range(p['threads'] for p in places)} "
        f"threads); {labels or 'no weights yet'}; profile {run.profile}"
    )


def arch(run: Run, matrix: Matrix) -> str:
    """Return the architecture that was measured, else the platform's; "" where neither tells."""
    machines = {str(one.environment["machine"]) for one in run.measured}
    platform = matrix.platforms.get(run.platform)
    host = str((run.facts.get("host") or {}).get("machine"))
    if len(machines) == 1:
        return ARCHES.get(machines.pop(), "")
    return platform.arch if platform and platform.arch != "any" else ARCHES.get(host, "")


def platform_of(paper: PaperFigure, run: Run, matrix: Matrix) -> str:
    """Return the platform to measure `paper` on: this run's where the architecture is right."""
    if not paper.arch or paper.arch == arch(run, matrix):
        return run.platform
    return "rpi4" if paper.arch == "arm64" else "host"


def of_model(model: str, leads: Sequence[ChapterView]) -> list[ChapterView]:
    """Return the chapters of a model."""
    return [view for view in leads if view.chapter.setting.model == model]


def lack(
    run: Run, matrix: Matrix, paper: PaperFigure, models: Sequence[str], why: str, scenarios: str = ""
) -> tuple[Lack, ...]:
    """Return what `models` lack and how to measure it, as none or one."""
    if not models:
        return ()
    frameworks = paper.frameworks if len(paper.frameworks) < len(matrix.frameworks) else ()
    command = measures(
        run,
        matrix,
        platform_of(paper, run, matrix),
        models=() if paper.sweep else models,
        frameworks=frameworks,
        sweep=paper.sweep,
    )
    names = joined(title(matrix.models, model) for model in models)
    return (Lack(f"{names}{scenarios}", why, command),)
