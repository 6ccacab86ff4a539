"""render: a run directory -> one self-contained HTML file, written atomically."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from bench.common import files
from bench.plan.matrix import Matrix
from reports import charts, claimfile, command, provenance, stats, text, verdicts
from reports.figures import figures
from reports.load import Run, read
from reports.paired import ALPHA
from reports.quality import FP32_LIMIT, ZOO
from reports.tables import tables
from reports.views import views

TEMPLATES = Path(__file__).with_name("templates")


def render(run_dir: Path, matrix: Matrix) -> Path:
    """Write `run_dir`/report.html and return its path.

    A damaged result is listed as failed; raises ResultError when run.json itself is unusable.
    """
    target = run_dir / "report.html"
    files.replace(target, html(read(run_dir), matrix))
    return target


def html(run: Run, matrix: Matrix) -> str:
    """Return the report of `run` as one HTML document that needs nothing else."""
    found = views(run, matrix)
    drawn = figures(run, found, matrix)
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
        defs=charts.defs(),
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
        verdicts=verdicts.read(run),
        judging=command.claims(run, matrix),
        claimed=claimfile.load(matrix),
        signs=verdicts.SIGNS,
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
    style = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("chart.css", "style.css"))
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


def _rounds(run: Run) -> int:
    """Return how many rounds the cells were planned to have (the largest, 0 without results)."""
    return max((one.rounds_planned for one in run.measured), default=0)
