"""`invoke submission`."""

from __future__ import annotations

from bench.common.errors import FailedCellsError
from images.choosing.session import Session
from images.running import audit
from images.say import CONSOLE


def show_submission(session: Session, submitter: str, *, compliance: bool) -> None:
    """Audit if asked for, write the tree and say what is in it; FailedCellsError where an audit failed."""
    from reports.deposit import mlperf_tree
    from reports.run import reading

    run_dir = session.existing_run
    mlperf_tree.check(reading.read(run_dir), submitter)  # before the audit runs, which take long
    if compliance:
        audit.run(session)
    made = mlperf_tree.write(reading.read(run_dir), session.matrix, submitter)
    CONSOLE.print(f"{made.path}: {len(made.cells)} cells, {len(made.left_out)} left out", soft_wrap=True)
    for line in (*(f"{name}: {reason}" for name, reason in made.left_out.items()), *made.shortfalls):
        CONSOLE.print(f"  {line}", highlight=False, soft_wrap=True)
    if made.failed_audits:
        lines = "\n".join(f"  {name}" for name in made.failed_audits)
        raise FailedCellsError(f"{len(made.failed_audits)} audit runs did not pass:\n{lines}")
