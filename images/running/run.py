"""The run: prepare what is missing, measure round by round.

Everything that was measured is on disk before the next launch starts. A cell that fails keeps its
reason in run.json and the others go on; a command repeated after a kill continues.
"""

from __future__ import annotations

from bench.common.errors import EngineError
from images.choosing.session import Session
from images.engines import emulation
from images.preparing.prepare import Prepared, build, prepare
from images.running import fleet, launches
from images.running.launches import Todo
from images.running.measuring import Pass
from images.running.specs import used
from images.say import CONSOLE


def begin(session: Session, *, fresh: bool) -> Pass:
    """Build and prepare what the run needs, and find what has no result yet; with `fresh` all is measured."""
    _ = session.asking  # a wrong --weights or --dataset ends the run before anything is built
    bench = session.workbench
    if session.emulated and not bench.engine.remote:
        _check_emulation(session)
    if len(bench.engines) > 1 and not bench.swarm:
        fleet.check_alike(bench.engines, timed=session.performance)
    build(session, quiet=True)
    for engine in bench.engines:
        engine.remove_stale()
    prepared = prepare(session)
    if fresh:
        launches.set_aside(session.run_dir, [cell.id for cell in session.plan.cells])
    work = _todo(session, prepared)
    if work.stale:
        CONSOLE.print(
            f"{len(work.stale)} results are of another kit, artifact, CPU or engine: measured again "
            "(the old ones are in superseded/)"
        )
        launches.set_aside(session.run_dir, work.stale)
        work = _todo(session, prepared)
    return Pass(session, prepared, work)


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
        session.asking,
        prepared.artifacts,
        used(session, prepared),
        session.run_dir / "cells",
        apart=session.performance,
    )
