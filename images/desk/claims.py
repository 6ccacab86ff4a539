"""`invoke claims`: show what the paper's claims need, measure what is missing, judge, and say so."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Column, Table

from bench.common.errors import FailedCellsError, NotReproducedError, ResultError, UsageError
from bench.plan.cells import Cell
from images.choosing.session import Session
from images.desk import docket
from images.desk.docket import Docket
from images.desk.measure import measure, report
from images.running.forecast import expected_speeds, minutes, seconds
from images.say import CONSOLE
from reports.claims import record
from reports.claims.judge import NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED, UNDECIDED, device_of, judge_all
from reports.claims.measure import INVALID, Results
from reports.claims.record import SIGNS
from reports.claims.tell import expected
from reports.run.reading import read
from reports.run.results import Run
from reports.run.wording import counted, percent
from reports.stats.by_round import best_coverage

STYLES = {REPRODUCED: "green", NOT_REPRODUCED: "red", UNDECIDED: "yellow"}


def show(session: Session, only: str) -> None:
    """Print the claims, what each needs and how long that takes here; nothing is run."""
    found = docket.find(session)
    chosen = docket.chosen(only, found.file)
    speeds = {name: expected_speeds(one) for name, one in found.sessions.items()}
    table = Table(Column("claim", min_width=32), "expected", "cells", "minutes", box=SIMPLE)
    lacking: dict[str, list[str]] = {}
    for name in chosen:
        claim, cells = found.file.claims[name], found.cells[name]
        if not cells:
            why = found.obstacles[name] or docket.why_none(claim, found.sessions[claim.sweep])
            lacking.setdefault(why, []).append(name)
            continue
        words = expected(claim, found.file.tolerances[claim.tolerance])
        there = len(cells) - len(found.missing(name))
        cost = seconds(found.sessions[claim.sweep], speeds[claim.sweep], cells) / 60
        told = f"{name}\n[dim]{claim.title} ({claim.section})[/]"
        table.add_row(told, words, f"{len(cells)}\n[dim]{there} there[/]", f"{cost:.1f}")
    if table.row_count:
        CONSOLE.print(table)
    _print_lacking(lacking)
    missing = docket.missing(found, chosen, session.filters)
    total = sum(seconds(found.sessions[name], speeds[name], cells) for name, cells in missing.items())
    count = sum(len(cells) for cells in missing.values())
    CONSOLE.print(
        f"On {session.platform} with profile {session.profile} and {session.threads} threads {count} cells "
        f"are still to be measured: about {minutes(total)} in all, since claims share their cells. Minutes "
        "rest on a calibration where an artifact has one, else on its model's size.",
        highlight=False,
    )


def _print_lacking(reasons: Mapping[str, Sequence[str]]) -> None:
    """Print the claims that cannot be tested, by reason."""
    for why, names in reasons.items():
        CONSOLE.print(f"{NOT_TESTABLE}: {', '.join(names)}\n  {why}\n", highlight=False)


def judge(session: Session, only: str, *, measure: bool, no_limit: bool) -> None:
    """Measure what is missing, judge every claim, write verdicts and report, print the chosen.

    Raises NotReproducedError where a chosen claim is not reproduced, else FailedCellsError for failed cells.
    """
    found = docket.find(session)
    chosen = docket.chosen(only, found.file)
    failed = _measure(found, docket.missing(found, chosen, session.filters), no_limit) if measure else []
    base = found.sessions[""]
    runs = _runs(found.sessions.values())
    if not runs:
        raise UsageError(
            f"no run of {session.platform} with profile {session.profile} is in out/",
            remedy="leave out --no-run",
        )
    first = runs[0]
    device = device_of(first.facts, session.matrix, base.weights.source)
    weights = {cell.model: cell.weights for cell in base.plan.cells}
    results = Results(runs, session.matrix, session.platform, weights, base.dataset.label)
    judged = judge_all(found.file, results, device, session.profile)
    verdict = record.document(judged, device, runs, session.profile, base.dataset.label)
    path = record.write(first.path, verdict)
    own = [one for one in found.sessions.values() if one.run_dir == first.path]
    written = report(own[0]) if own else None
    rows = [row for row in verdict["claims"] if row["id"] in chosen]
    _print(rows, verdict)
    _print_longer(rows, session)
    CONSOLE.print(f"Verdicts: {path}" + (f"; report: {written}#claims" if written else ""), soft_wrap=True)
    _end(rows, failed)


def _measure(
    found: Docket, missing: Mapping[str, Collection[Cell]], no_limit: bool
) -> list[FailedCellsError]:
    """Run what is missing, one run a sweep; a run whose cells fail does not stop the next."""
    failed = []
    for sweep, cells in missing.items():
        try:
            session = dataclasses.replace(found.sessions[sweep], only=frozenset(cells))
            measure(session, fresh=False, no_limit=no_limit)
        except FailedCellsError as error:
            failed.append(error)
    return failed


def _runs(sessions: Collection[Session]) -> list[Run]:
    """The runs of this platform and profile, the sessions' own first; all of the first one's CPU."""
    session = next(iter(sessions))
    own = [one.run_dir for one in sessions]
    out = session.workspace.root / "out"
    folders = dict.fromkeys([*own, *sorted(path.parent for path in out.glob("*/run.json"))])
    runs: list[Run] = []
    for folder in folders:
        if not (folder / "run.json").exists():
            continue
        try:
            run = read(folder)
        except ResultError as error:
            CONSOLE.print(f"[yellow]not read[/] {error}", highlight=False)
            continue
        if (run.platform, run.profile) == (session.platform, session.profile):
            if runs and _cpu(run) != _cpu(runs[0]):
                CONSOLE.print(f"[yellow]not used[/] {run.name}: measured on another CPU, {_cpu(run)}")
            else:
                runs.append(run)
    return runs


def _cpu(run: Run) -> Any:
    return (run.facts.get("host") or {}).get("cpu_model")


def _print(rows: Sequence[Mapping[str, Any]], verdict: Mapping[str, Any]) -> None:
    """Print the verdicts; words and signs, colour only beside them."""
    table = Table(Column("claim", no_wrap=True), "expected", "measured", "verdict", box=SIMPLE)
    lacking: dict[str, list[str]] = {}
    reasons = []
    for row in rows:
        if row["verdict"] == NOT_TESTABLE:
            lacking.setdefault(row["explanation"], []).append(row["id"])
            continue
        words = f"[{STYLES[row['verdict']]}]{SIGNS[row['verdict']]} {row['verdict']}[/]\n{row['scope']}"
        table.add_row(row["id"], row["expected"], row["measured_text"], words)
        if row["verdict"] != REPRODUCED:
            why = ". ".join(filter(None, [row["explanation"], row["value_note"]]))
            reasons.append(f"{row['verdict']}: {row['id']}\n  {why}\n")
    device = verdict["device"]
    CONSOLE.print(f"Claims of the paper on {verdict['platform']}: {device['cpu']}", highlight=False)
    if table.row_count:
        CONSOLE.print(table)
    for reason in reasons:
        CONSOLE.print(escape(reason), highlight=False)
    _print_lacking(lacking)
    counts = Counter(row["verdict"] for row in rows)
    CONSOLE.print(", ".join(f"{counts[word]} {word}" for word in SIGNS), highlight=False)
    CONSOLE.print(
        "In brackets 95 % bootstrap intervals over rounds; from three rounds one holds the true median in at "
        f"most {percent(best_coverage(3), 0)} of cases, from six on in 95 %.",
        highlight=False,
    )


def _print_longer(rows: Sequence[Mapping[str, Any]], session: Session) -> None:
    """Print the command that decides the claims whose cells LoadGen called INVALID for want of time."""
    waiting = [
        row["id"]
        for row in rows
        if row["verdict"] in (UNDECIDED, NOT_TESTABLE)
        and any(one["reason"].startswith(INVALID) for one in row["comparisons"])
    ]
    longer = docket.longer(session.matrix, session.profile)
    if waiting and longer:
        CONSOLE.print(
            f"LoadGen called cells of {counted(len(waiting), 'claim')} without a verdict INVALID: too few "
            f"queries in the time that profile {session.profile} gives. With more (--list says how much):\n"
            f"  ./invoke claims --profile {longer} --only {','.join(waiting)}",
            highlight=False,
            soft_wrap=True,
        )


def _end(rows: Sequence[Mapping[str, Any]], failed: Sequence[FailedCellsError]) -> None:
    """End by verdict."""
    against = [row["id"] for row in rows if row["verdict"] == NOT_REPRODUCED]
    if against:
        raise NotReproducedError(f"{len(against)} of {len(rows)} claims not reproduced: {', '.join(against)}")
    if failed:
        raise failed[0]
