"""What `invoke list` and `invoke doctor` print."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.common.errors import FailedCellsError
from bench.plan.cells import Cell
from bench.store import artifacts as store
from images import predict
from images.launches import Group, Todo, groups
from images.predict import Speed
from images.prepare import available
from images.session import Session
from images.speeds import Speeds, known

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
    speeds = expected_speeds(session)
    for model in dict.fromkeys(cell.model for cell in session.plan.cells):
        groups = [group for group in speeds if group.model == model]
        columns = list(dict.fromkeys((c.scenario, c.batch) for group in groups for c in group.cells))
        title = f"{session.matrix.models[model].title} on {session.platform}, profile {session.profile}"
        heads = [f"{scenario} b{batch}" for scenario, batch in columns]
        table = Table("framework", "method", "cap", *heads, title=title, title_justify="left")
        for group in groups:
            cells = {(c.scenario, c.batch): _rounds(session, c, speeds[group]) for c in group.cells}
            words = [minutes(cells[column]) if column in cells else "" for column in columns]
            mark = "" if speeds[group].measured else " (guess)"
            table.add_row(group.framework, f"{group.method}{mark}", group.isa, *words)
        console.print(table)
        _show_absent(console, session, model)
    limit = session.profile_facts.cell_limit
    total = minutes(seconds(session, speeds, session.plan.cells))
    console.print(
        f"{len(session.plan.cells)} cells, {session.profile_facts.rounds} rounds: about {total} "
        f"with {session.threads} threads. A guess is predicted from the model's size alone; the others from "
        "a calibration on this machine."
        + (f" A cell over {limit:g} s a round will be left out (--no-limit)." if limit else "")
    )


def expected_speeds(session: Session) -> Mapping[Group, Speed]:
    """What is known of each group's speed, without starting anything."""
    measured = known(session, available(session))
    threads = session.threads
    return {
        group: measured.get(group)
        or predict.guess(session.matrix, group.model, threads, emulated=session.emulated)
        for group in groups(session.plan)
    }


def seconds(session: Session, speeds: Mapping[Group, Speed], cells: Collection[Cell]) -> float:
    """Predicted seconds of these cells of the plan, with the starts of their launches."""
    total = 0.0
    for group, speed in speeds.items():
        chosen = [cell for cell in group.cells if cell in cells]
        if chosen:
            total += session.profile_facts.rounds * (predict.LAUNCH_SECONDS + speed.load_seconds)
            total += sum(_rounds(session, cell, speed) for cell in chosen)
    return total


def _rounds(session: Session, cell: Cell, speed: Speed) -> float:
    """Predicted seconds of a cell over all rounds."""
    asked = session.asking.of(cell.scenario)
    rounds = range(1, session.profile_facts.rounds + 1)
    return sum(predict.cell_seconds(cell.batch, asked, speed, number) for number in rounds)


def show_prediction(work: Todo, seconds: list[float], excluded: list[dict[str, str]], speeds: Speeds) -> None:
    """Print what a run is about to do and how long that will take, by model."""
    console = Console()
    for row in excluded:
        console.print(f"left out: {row['id']}: {row['reason']}", highlight=False, soft_wrap=True)
    if not seconds:
        return
    by_model: dict[str, float] = {}
    for launch, predicted in zip(work.launches, seconds):
        by_model[launch.group.model] = by_model.get(launch.group.model, 0.0) + predicted
    models = ", ".join(f"{model} {minutes(total)}" for model, total in by_model.items())
    resumed = f"{work.done} cell rounds are there already, " if work.done else ""
    console.print(
        f"measure: {resumed}{len(work.launches)} launches, about {minutes(sum(seconds))} ({models}), "
        f"{_basis(speeds, work)}",
        highlight=False,
        soft_wrap=True,
    )


def _basis(speeds: Speeds, work: Todo) -> str:
    """What a prediction rests on."""
    used = dict.fromkeys(launch.group for launch in work.launches)
    guessed = [group.label for group in used if not speeds[group].measured]
    if len(guessed) == len(used):
        return "guessed from the models' sizes alone"
    basis = f"from {len(used) - len(guessed)} calibrated artifacts"
    return f"{basis}, guessed from the size alone: {', '.join(guessed)}" if guessed else basis


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
        console.print(f"{source}: {transfer.load(session.workspace, Path(source))}", soft_wrap=True)
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


def show_doctor(root: Path, hosts: Sequence[str]) -> None:
    """Print what this machine has, what is missing and what to do about it."""
    from images.doctor import examine
    from images.workspace import Workspace

    table = Table("", "what", "found", "what to do", title="This machine", title_justify="left")
    for fact in examine(Workspace(root), hosts):
        table.add_row(MARKS[fact.status], fact.name, fact.value, fact.remedy)
    Console().print(table)


def show_submission(session: Session, submitter: str, *, compliance: bool) -> None:
    """Audit if asked for, write the tree and say what is in it; FailedCellsError where an audit failed."""
    from images import audit
    from reports import load, submission

    run_dir = session.existing_run
    submission.check(load.read(run_dir), submitter)  # before the audit runs, which take long
    if compliance:
        audit.run(session)
    made = submission.write(load.read(run_dir), session.matrix, submitter)
    console = Console()
    console.print(f"{made.path}: {len(made.cells)} cells, {len(made.left_out)} left out", soft_wrap=True)
    for line in (*(f"{name}: {reason}" for name, reason in made.left_out.items()), *made.shortfalls):
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    if made.failed_audits:
        lines = "\n".join(f"  {name}" for name in made.failed_audits)
        raise FailedCellsError(f"{len(made.failed_audits)} audit runs did not pass:\n{lines}")
