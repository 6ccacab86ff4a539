"""How long a run will take, told to a person."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bench.plan import prediction
from bench.plan.cells import Cell
from bench.plan.prediction import Speed
from images.choosing.groups import Group, groups
from images.choosing.session import Session
from images.preparing.prepare import available
from images.running import predict
from images.running.launches import Todo
from images.running.speeds import Speeds, known
from images.say import CONSOLE


def minutes(seconds: float) -> str:
    """Return a duration for reading: "40 s", "12 min", "3.4 h", "2.1 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} days"


def expected_speeds(session: Session) -> Mapping[Group, Speed]:
    """What is known of each group's speed, without starting anything."""
    measured = known(session, available(session))
    threads = session.threads
    return {
        group: measured.get(group)
        or prediction.guess(session.matrix, group.model, threads, emulated=session.emulated)
        for group in groups(session.plan)
    }


def affordable(session: Session) -> tuple[Mapping[Group, Speed], list[Cell]]:
    """What is known of the speeds, and the cells of the plan that the profile's limit leaves."""
    speeds, limit = expected_speeds(session), session.profile_facts.cell_limit
    return speeds, [
        cell
        for group, speed in speeds.items()
        for cell in group.cells
        if not limit or prediction.cell_seconds(cell.batch, session.asking.of(cell.scenario), speed) <= limit
    ]


def seconds(session: Session, speeds: Mapping[Group, Speed], cells: Collection[Cell]) -> float:
    """Predicted seconds of these cells of the plan, with the starts of their launches."""
    total = 0.0
    for group, speed in speeds.items():
        chosen = [cell for cell in group.cells if cell in cells]
        if chosen:
            launches = session.profile_facts.rounds + session.performance  # accuracy is one of its own
            total += launches * (predict.LAUNCH_SECONDS + speed.load_seconds)
            total += sum(all_rounds(session, cell, speed) for cell in chosen)
    return total


def all_rounds(session: Session, cell: Cell, speed: Speed) -> float:
    """Predicted seconds of a cell over all rounds, with its accuracy."""
    asked = session.asking.of(cell.scenario)
    timed = session.profile_facts.rounds * prediction.cell_seconds(cell.batch, asked, speed)
    return timed + prediction.judging_seconds(cell.batch, asked, speed)


def show_prediction(work: Todo, seconds: list[float], excluded: list[dict[str, str]], speeds: Speeds) -> None:
    """Print what a run is about to do and how long that will take, by model."""
    for row in excluded:
        CONSOLE.print(f"left out: {row['id']}: {row['reason']}", highlight=False, soft_wrap=True)
    if not seconds:
        return
    by_model: dict[str, float] = {}
    for launch, predicted in zip(work.launches, seconds):
        by_model[launch.group.model] = by_model.get(launch.group.model, 0.0) + predicted
    models = ", ".join(f"{model} {minutes(total)}" for model, total in by_model.items())
    resumed = f"{work.done} cell rounds are there already, " if work.done else ""
    CONSOLE.print(
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
