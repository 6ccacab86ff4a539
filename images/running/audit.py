"""Audit runs (MLPerf Inference v2.1's compliance tests) of the cells that are measured.

What is settled stays: a test is run again only when its cell was measured again.
"""

from __future__ import annotations

import json
from dataclasses import replace

from bench.common.errors import EngineError, FailedCellsError, UsageError
from bench.measure import audit_rules
from bench.store import results
from images.choosing.session import Session
from images.preparing.prepare import Prepared, build, prepare
from images.running import launches, runfile, specs
from images.running.launches import Launch, Wanted
from images.running.specs import GRACE, SLACK, used
from images.say import CONSOLE


def run(session: Session) -> None:
    """Run the tests that have no verdict yet on every measured cell of the plan.

    Raises UsageError where there is nothing to audit, FailedCellsError where a test could not be run.
    """
    if not session.performance:
        raise UsageError("timings of this run are not performance, there is nothing to audit")
    if session.workbench.engine.remote:
        raise UsageError("audit runs are made on the machine itself", where="--host", remedy="run them there")
    facts = runfile.read(session.run_dir)
    if facts is None or facts["profile"] != session.profile:
        was = f"is of profile {facts['profile']}" if facts else "is not there"
        raise UsageError(f"run '{session.run_name}' {was}", where="--profile", remedy="give the run's own")
    build(session, quiet=True)
    session.workbench.engine.remove_stale()
    prepared = prepare(session)
    measured = _measured(session, prepared)
    failed: list[str] = []
    for launch in measured:
        for test in audit_rules.TESTS:
            cells = tuple(one for one in launch.cells if not _settled(session, one, test))
            if cells:
                failed += _audit(session, prepared, replace(launch, cells=cells), test)
    if failed:
        lines = "\n".join(f"  {line}" for line in failed)
        raise FailedCellsError(f"{len(failed)} audit runs could not be made:\n{lines}")


def _settled(session: Session, wanted: Wanted, test: str) -> bool:
    result = results.load(results.path_of(session.run_dir, wanted.id))
    return audit_rules.settled(session.run_dir, result, test) is not None


def _measured(session: Session, prepared: Prepared) -> list[Launch]:
    """The plan's launches, each with those of its cells that have a result of what is prepared now."""

    def has_result(wanted: Wanted) -> bool:
        path = results.path_of(session.run_dir, wanted.id)
        return path.exists() and results.load(path)["key"] == wanted.key

    # In a folder without results everything is to do: all cells, round by round.
    every = launches.todo(
        session.asking,
        prepared.artifacts,
        used(session, prepared),
        session.run_dir / "cells/none",
        apart=False,
    )
    found = [
        replace(launch, cells=tuple(one for one in launch.cells if has_result(one)))
        for launch in every.launches
        if launch.round == 1
    ]
    if not any(launch.cells for launch in found):
        raise UsageError(f"no cell of run '{session.run_name}' is measured", remedy="invoke run")
    return found


def _audit(session: Session, prepared: Prepared, launch: Launch, test: str) -> list[str]:
    """Make one test of a launch's cells; return why any could not be made."""
    waiting = {one.id: f"{one.id} {test}" for one in launch.cells}
    failed: list[str] = []

    def on_line(line: str) -> None:
        event = json.loads(line)
        name = waiting.pop(event["id"])
        if event["reason"]:
            failed.append(f"{name}: {event['reason']}")
        words = event["reason"] or ("passed" if event["passed"] else "[red]not passed[/]")
        CONSOLE.print(f"audit {name}: {words}", highlight=False, soft_wrap=True)

    took = [results.load(results.path_of(session.run_dir, name))["rounds"][0]["seconds"] for name in waiting]
    try:
        limit = SLACK * sum(took) + GRACE
        done = specs.launch(session, prepared, session.workbench.engine, [launch], limit, on_line, [test])
        reason = f"{done.reason or f'the bench ended with code {done.exit_code}'}\n{done.stderr}".strip()
    except EngineError as error:
        reason = str(error)
    return failed + [f"{name}: {reason}" for name in waiting.values()]
