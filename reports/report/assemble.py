"""render: a run directory -> one self-contained HTML file, written atomically."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.common import files
from bench.plan.matrix import Matrix
from reports.chapter.accuracy import FP32_LIMIT, ZOO
from reports.chapter.chapter_view import views
from reports.chapter.timings import ENOUGH_CALLS
from reports.claims import catalogue, record
from reports.drawing import patterns
from reports.page.page import page
from reports.paper.all_figures import figures
from reports.paper.tables import tables
from reports.report import provenance
from reports.run import command
from reports.run.beside import beside
from reports.run.reading import read
from reports.run.results import Beside, Run
from reports.stats import by_round
from reports.stats.paired_answers import ALPHA


def render(run_dir: Path, matrix: Matrix) -> Path:
    """Write `run_dir`/report.html and return its path.

    A damaged result is listed as failed; raises ResultError when run.json itself is unusable.
    """
    target = run_dir / "report.html"
    run = read(run_dir)
    files.replace(target, html(run, matrix, beside(run, matrix.sweeps), record.read(run)))
    return target


def html(run: Run, matrix: Matrix, swept: Mapping[str, Beside], verdicts: Mapping[str, Any] | None) -> str:
    """Return the report of `run` as one HTML document that needs nothing else.

    `swept` are the sweeps beside it, `verdicts` those on the paper's claims, None where there are none.
    """
    found = views(run, matrix)
    drawn = figures(run, found, swept, matrix)
    measured = [one for view in found for variant in view.chapter.variants for one in variant.measured]
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
        defs=patterns.defs(),
        views=found,
        figures=drawn,
        drawn={panel.drawn for figure in drawn for panel in figure.panels},
        tables=tables(run, matrix),
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
        verdicts=verdicts,
        judging=command.claims(run, matrix),
        claimed=catalogue.load(matrix),
        signs=record.SIGNS,
        limits={
            "fp32": FP32_LIMIT,
            "unstable": by_round.UNSTABLE_SPREAD,
            "calls": ENOUGH_CALLS,
            "resamples": by_round.RESAMPLES,
            "alpha": ALPHA,
        },
        zoo=ZOO,
        rounds=_rounds(run),
        best_coverage=by_round.best_coverage,
    )


def _rounds(run: Run) -> int:
    """Return how many rounds the cells were planned to have (the largest, 0 without results)."""
    return max((one.rounds_planned for one in run.measured), default=0)
