"""`invoke run` and `invoke report`: measure, and tell what was measured."""

from __future__ import annotations

from pathlib import Path

from images.choosing.session import Session
from images.running import run
from reports.report.assemble import render


def measure(session: Session, *, fresh: bool, no_limit: bool) -> None:
    """Measure what has no result yet and write the report; FailedCellsError where a cell failed.

    The report is written also where the run is stopped or fails on its way: what was measured is told.
    Cells predicted to take longer than the profile's limit are left out unless `no_limit`.
    """
    begun = run.begin(session, fresh=fresh)
    try:
        begun.go(no_limit=no_limit)
    finally:
        if (session.run_dir / "run.json").exists():  # it is not where a first run is stopped early
            report(session)
    begun.end()


def report(session: Session) -> Path:
    """Write the run's report from the results on disk and return its path."""
    return render(session.existing_run, session.matrix)
