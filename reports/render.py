"""render: a run directory -> one self-contained HTML file, written atomically."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from bench import files
from bench.matrix import Matrix
from reports import answers, charts, command, provenance, stats, text
from reports.book import Chapter, chapters
from reports.isas import IsaView, isa_view
from reports.load import Run, read
from reports.paired import ALPHA
from reports.performance import Block, blocks
from reports.quality import FP32_LIMIT, ZOO, Quality, fp32_agreement, quality
from reports.sweeps import Arranged, arrange

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class ChapterView:
    """All that the templates need of one chapter; `blocks` has nothing without performance.

    `isas` compares the chapter's family over ISA caps, where it leads one. Of the blocks, `body` is told
    in full and `folded` behind a summary, since a figure shows it already.
    """

    chapter: Chapter
    blocks: Arranged
    body: tuple[Block, ...]
    folded: tuple[Block, ...]
    isas: IsaView | None
    quality: Quality
    headline: str
    questions: tuple[answers.Question, ...]
    facts: tuple[answers.Fact, ...]
    fp32: Any
    fp32_top1: str
    grid: provenance.Grid


def render(run_dir: Path, matrix: Matrix) -> Path:
    """Write `run_dir`/report.html and return its path.

    A damaged result is listed as failed; raises ResultError when run.json itself is unusable.
    """
    target = run_dir / "report.html"
    files.replace(target, html(read(run_dir), matrix))
    return target


def html(run: Run, matrix: Matrix) -> str:
    """Return the report of `run` as one HTML document that needs nothing else."""
    views = _views(run, matrix)
    measured = [one for view in views for variant in view.chapter.variants for one in variant.measured]
    return page(
        "report.html.j2",
        run=run,
        facts=run.facts,
        host=run.facts.get("host") or {},
        engine=run.facts.get("engine") or {},
        kit=run.facts.get("kit") or {},
        harness=run.facts.get("harness") or {},
        profile=matrix.profiles.get(run.profile),
        platform=matrix.platforms.get(run.platform),
        defs=charts.defs(),
        views=views,
        notices=provenance.notices(run),
        not_measured=provenance.not_measured(run),
        absent=provenance.absent(run, matrix),
        without_accuracy=provenance.without_accuracy(run),
        lost_rounds=provenance.lost_rounds(run),
        versions=provenance.versions(measured, matrix),
        artifacts=provenance.artifacts(measured, run, matrix),
        asked=provenance.settings(run, matrix, "asked"),
        used=provenance.settings(run, matrix, "used"),
        machine_state=provenance.machine_state(run.measured),
        command=command.command(run, matrix),
        yours=command.yours(run),
        limits={
            "fp32": FP32_LIMIT,
            "unstable": stats.UNSTABLE_SPREAD,
            "resamples": stats.RESAMPLES,
            "alpha": ALPHA,
        },
        zoo=ZOO,
        rounds=_rounds(run),
        best_coverage=stats.best_coverage,
    )


def page(name: str, **context: Any) -> str:
    """Fill the template of a page that needs nothing else: its policy admits only the style within it."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return template(name).render(
        **context,
        style=Markup(style),  # noqa: S704 - our own file, not data
        style_hash=digest,
    )


def template(name: str, *, escape: bool = True, **filters: Callable[..., str]) -> jinja2.Template:
    """Return a template with the filters of reports/text.py and `filters`; `escape` is for HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=escape,  # noqa: S701 - off only for what is no HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(text.FILTERS, **filters)
    return environment.get_template(name)


def _views(run: Run, matrix: Matrix) -> tuple[ChapterView, ...]:
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
    folded = [block for block in told.body if not chapter.leads or (isas and isas.covers(block))]
    return ChapterView(
        chapter,
        told,
        tuple(block for block in told.body if block not in folded),
        (*folded, *told.folded),
        isas,
        found,
        answers.headline(chapter, told.answers),
        answers.questions(chapter, told.answers, found) if told.answers else (),
        answers.facts(chapter, found),
        fp32_agreement(chapter, found),
        answers.fp32_top1(found.accuracy),
        provenance.grid(chapter, matrix),
    )


def _rounds(run: Run) -> int:
    """Return how many rounds the cells were planned to have (the largest, 0 without results)."""
    return max((one.rounds_planned for one in run.measured), default=0)
