"""What `invoke list` prints."""

from __future__ import annotations

from rich.table import Table

from images.choosing.session import Session
from images.running.forecast import all_rounds, expected_speeds, minutes, seconds
from images.say import CONSOLE


def show_matrix(session: Session) -> None:
    """Print the cells of the plan by framework x method, the impossible ones and why."""
    speeds = expected_speeds(session)
    for model in dict.fromkeys(cell.model for cell in session.plan.cells):
        groups = [group for group in speeds if group.model == model]
        columns = list(dict.fromkeys((c.scenario, c.batch) for group in groups for c in group.cells))
        title = f"{session.matrix.models[model].title} on {session.platform}, profile {session.profile}"
        heads = [f"{scenario} b{batch}" for scenario, batch in columns]
        table = Table("framework", "method", "cap", *heads, title=title, title_justify="left")
        for group in groups:
            cells = {(c.scenario, c.batch): all_rounds(session, c, speeds[group]) for c in group.cells}
            words = [minutes(cells[column]) if column in cells else "" for column in columns]
            mark = "" if speeds[group].measured else " (guess)"
            beyond = session.arch in session.matrix.frameworks[group.framework].beyond_paper
            framework = f"{group.framework} (beyond the paper)" if beyond else group.framework
            table.add_row(framework, f"{group.method}{mark}", group.isa, *words)
        CONSOLE.print(table)
        _show_absent(session, model)
    limit = session.profile_facts.cell_limit
    total = minutes(seconds(session, speeds, session.plan.cells))
    CONSOLE.print(
        f"{len(session.plan.cells)} cells, {session.profile_facts.rounds} rounds: about {total} "
        f"with {session.threads} threads. A guess is predicted from the model's size alone; the others from "
        "a calibration on this machine."
        + (f" A cell over {limit:g} s a round will be left out (--no-limit)." if limit else "")
    )


def _show_absent(session: Session, model: str) -> None:
    table = Table("framework", "method", "why there is no such cell", title_justify="left")
    for row in session.plan.absent:
        if row.model == model:
            table.add_row(row.framework, row.method, row.reason)
    if table.row_count:
        CONSOLE.print(table)
