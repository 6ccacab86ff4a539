"""What `invoke list` and `invoke doctor` print."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import artifacts as store
from bench.cell import Cell
from images.launches import LAUNCH_SECONDS, predict_cell
from images.session import Session

MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "missing": "[red]missing[/]"}


def minutes(seconds: float) -> str:
    """Return a duration for reading: "40 s", "12 min", "3.4 h", "2.1 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} days"


def show_matrix(session: Session) -> None:
    """Print the cells of the plan by framework x method, the impossible ones and why."""
    console = Console()
    scenarios = [
        name for name in session.matrix.scenarios if any(c.scenario == name for c in session.plan.cells)
    ]
    for model in dict.fromkeys(cell.model for cell in session.plan.cells):
        title = f"{session.matrix.models[model].title} on {session.platform}, profile {session.profile}"
        table = Table("framework", "method", *scenarios, title=title, title_justify="left")
        rows: dict[tuple[str, str], dict[str, str]] = {}
        for cell in session.plan.cells:
            if cell.model == model:
                rows.setdefault((cell.framework, cell.method), {})[cell.scenario] = _predicted(session, cell)
        for (framework, method), cells in rows.items():
            table.add_row(framework, method, *(cells.get(name, "") for name in scenarios))
        console.print(table)
        _show_absent(console, session, model)
    seconds = predicted_seconds(session)
    console.print(
        f"{len(session.plan.cells)} cells, {session.profile_facts.rounds} rounds: about "
        f"{minutes(seconds)} with {session.threads} threads, predicted from the model's size alone "
        "(no measurement was made; slow methods take longer)."
    )


def _predicted(session: Session, cell: Cell) -> str:
    seconds = predict_cell(session.matrix, session.profile_facts, cell, session.threads)
    return f"{minutes(seconds)}  b{cell.batch}"


def predicted_seconds(session: Session) -> float:
    """Predicted seconds of the whole plan, launches included."""
    cells = session.plan.cells
    starts = len({(c.framework, c.model, c.method) for c in cells}) * session.profile_facts.rounds
    work = sum(predict_cell(session.matrix, session.profile_facts, c, session.threads) for c in cells)
    return work + starts * LAUNCH_SECONDS


def _show_absent(console: Console, session: Session, model: str) -> None:
    table = Table("framework", "method", "why there is no such cell", title_justify="left")
    for row in session.plan.absent:
        if row.model == model:
            table.add_row(row.framework, row.method, row.reason)
    if table.row_count:
        console.print(table)


def show_models(session: Session, target: str, source: str) -> None:
    """Export, import or make the plan's artifacts, and print them."""
    from images import transfer
    from images.prepare import prepare, specification
    from images.workspace import size

    console = Console()
    if source:
        count = transfer.load(session.workspace, Path(source))
        console.print(f"imported {count} artifacts from {source}")
    if store.plan(specification(session, str(session.workspace.cache))):
        session.build(quiet=True)
    prepared = prepare(session)
    table = Table("framework", "method", "model", "architecture", "size", "SHA-256")
    for row in prepared.rows():
        names = (row["framework"], row["method"], row["model"], row["arch"])
        table.add_row(*names, size(row["bytes"]), row["sha256"][:12])
    console.print(table)
    if target:
        path = Path(target)
        transfer.export(session, path)
        console.print(f"exported to {path}, {size(path.stat().st_size)}")


def show_doctor(root: Path) -> None:
    """Print what this machine has, what is missing and what to do about it."""
    from images.doctor import examine
    from images.workspace import Workspace

    table = Table("", "what", "found", "what to do", title="This machine", title_justify="left")
    for fact in examine(Workspace(root)):
        table.add_row(MARKS[fact.status], fact.name, fact.value, fact.remedy)
    Console().print(table)
