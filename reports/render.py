"""render: a run directory -> one self-contained HTML file, written atomically."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from bench import files
from bench.matrix import Matrix
from reports import answers, charts, provenance, stats, text
from reports.book import Chapter, chapters
from reports.load import Run, read
from reports.performance import Block, blocks
from reports.quality import FP32_LIMIT, Quality, fp32_agreement, quality

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class ChapterView:
    """All that the templates need of one chapter; `blocks` is empty without performance."""

    chapter: Chapter
    blocks: tuple[Block, ...]
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
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(text.FILTERS)
    views = tuple(_view(chapter, run, matrix) for chapter in chapters(run, matrix))
    measured = [one for view in views for variant in view.chapter.variants for one in variant.measured]
    return environment.get_template("report.html.j2").render(
        run=run,
        facts=run.facts,
        host=run.facts.get("host") or {},
        engine=run.facts.get("engine") or {},
        kit=run.facts.get("kit") or {},
        harness=run.facts.get("harness") or {},
        profile=matrix.profiles.get(run.profile),
        platform=matrix.platforms.get(run.platform),
        style=Markup(style),  # noqa: S704 - our own file, not data
        style_hash=digest,
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
        command=provenance.command(run, matrix),
        limits={"fp32": FP32_LIMIT, "unstable": stats.UNSTABLE_SPREAD, "resamples": stats.RESAMPLES},
        rounds=_rounds(run),
        best_coverage=stats.best_coverage,
    )


def _view(chapter: Chapter, run: Run, matrix: Matrix) -> ChapterView:
    found = quality(chapter, matrix)
    parts = blocks(chapter, matrix, run.profile) if run.performance else ()
    return ChapterView(
        chapter,
        parts,
        found,
        answers.headline(chapter, parts),
        answers.questions(chapter, parts, found) if parts else (),
        answers.facts(chapter, found),
        fp32_agreement(found),
        answers.fp32_top1(found.accuracy),
        provenance.grid(chapter, matrix),
    )


def _rounds(run: Run) -> int:
    """Return how many rounds the cells were planned to have (the largest, 0 without results)."""
    return max((one.rounds_planned for one in run.measured), default=0)
