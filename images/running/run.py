"""The run: prepare what is missing, measure round by round, report.

Everything that was measured is on disk before the next launch starts. A cell that fails keeps its
reason in run.json and the others go on; a command repeated after a kill continues.
"""

from __future__ import annotations

from bench.common.errors import EngineError
from images.choosing.session import Session
from images.engines import emulation
from images.preparing.prepare import Prepared, prepare
from images.running import fleet, launches
from images.running.launches import Todo
from images.running.measuring import CONSOLE, _Run
from images.running.specs import used


def run(session: Session, *, fresh: bool, no_limit: bool) -> None:
    """Measure what has no result yet and write the report; FailedCellsError where a cell failed.

    Cells predicted to take longer than the profile's limit are left out unless `no_limit`.
    """
    _ = session.asking  # a wrong --weights or --dataset ends the run before anything is built
    bench = session.workbench
    if session.emulated and not bench.engine.remote:
        _check_emulation(session)
    if len(bench.engines) > 1 and not bench.swarm:
        fleet.check_alike(bench.engines, timed=session.performance)
    session.build(quiet=True)
    for engine in (bench.maker, *bench.engines):
        engine.remove_stale()
    prepared = prepare(session)
    if fresh:
        launches.set_aside(session.run_dir, [cell.id for cell in session.plan.cells])
    work = _todo(session, prepared)
    if work.stale:
        CONSOLE.print(
            f"{len(work.stale)} results are of another kit, artifact or engine: measured again "
            "(the old ones are in superseded/)"
        )
        launches.set_aside(session.run_dir, work.stale)
        work = _todo(session, prepared)
    _Run(session, prepared, work).go(no_limit=no_limit)


def _check_emulation(session: Session) -> None:
    fact, kind = emulation.emulation(), session.workbench.engine.kind
    if kind != "docker" or fact.status != "ok":
        raise EngineError(
            f"{session.platform} is {session.arch} and cannot be emulated here: engine {kind}, {fact.value}",
            where="--platform",
            remedy=fact.remedy or "use --engine docker",
        )


def _todo(session: Session, prepared: Prepared) -> Todo:
    """What is left to measure; a change of data, lock, engine or threads makes a result stale."""
    return launches.todo(
        session.asking, prepared.artifacts, used(session, prepared), session.run_dir / "cells"
    )
