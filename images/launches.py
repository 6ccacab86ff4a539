"""From a plan to launches: what one container is asked to measure in one round.

A launch is one framework x model x method (one artifact) in one round, with all its scenarios.
Methods and frameworks are interleaved: round 2 starts when round 1 of every launch is done, so
that a slow minute of the machine falls on both sides of a ratio.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import results
from bench.artifacts import Artifact
from bench.cell import Cell, Plan, key
from bench.errors import ResultError
from bench.matrix import Load, Matrix, Profile

LAUNCH_SECONDS = 3.0  # start of an interpreter, a framework and a container
CELL_SECONDS = 1.5  # compiling for the scenario and the calibrating pre-run
ASSUMED_GMACS_PER_CORE_SECOND = 15.0  # FP32 MobileNetV2 on one AVX-512 core: order of magnitude only


@dataclass(frozen=True)
class Group:
    """The cells that share one artifact, hence one launch a round."""

    framework: str
    model: str
    method: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Launch:
    """One group in one round: the cells still to be measured, with what LoadGen is asked."""

    group: Group
    round: int
    cells: tuple[dict[str, Any], ...]


@dataclass
class Todo:
    """What a run has left to do, and what stands in the way of some cells."""

    launches: list[Launch]
    done: int
    stale: list[str]
    damaged: dict[str, str]


def groups(plan: Plan) -> list[Group]:
    """Gather the plan's cells by artifact, in the plan's order."""
    gathered: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in plan.cells:
        gathered.setdefault((cell.framework, cell.model, cell.method), []).append(cell)
    return [Group(*names, tuple(cells)) for names, cells in gathered.items()]


def asked(matrix: Matrix, profile: Profile, scenario: str) -> dict[str, Any]:
    """What LoadGen is asked to do in one round of a cell; durations in seconds."""
    load: Load = profile.scenarios[scenario]
    accuracy = profile.accuracy_samples if scenario in profile.accuracy_scenarios else 0
    return {
        **dataclasses.asdict(load),
        "samples_per_query": matrix.scenarios[scenario].samples_per_query,
        "performance_samples": profile.performance_samples,
        "accuracy_samples": accuracy,
    }


def todo(
    matrix: Matrix,
    profile_name: str,
    artifacts: dict[Group, Artifact],
    used: dict[str, dict[str, Any]],
    cells_dir: Path,
) -> Todo:
    """Compare the plan with the results on disk; `used` is, by framework, what else its cells are made with.

    A result of another key is stale, an unreadable one damaged: neither is launched before the
    runner has dealt with it (stale results are set aside, damaged ones fail their cell).
    """
    profile = matrix.profiles[profile_name]
    work = Todo([], 0, [], {})
    specs: dict[Group, list[tuple[dict[str, Any], set[int]]]] = {}
    for group, artifact in artifacts.items():
        for cell in group.cells:
            settings = asked(matrix, profile, cell.scenario)
            cell_key = key(cell, settings, {"artifact": artifact.sha256, **used[group.framework]})
            try:
                have = _rounds_on_disk(cells_dir / f"{cell.id}.json", cell_key)
            except ResultError as error:
                work.damaged[cell.id] = str(error)
                continue
            if have is None:
                work.stale.append(cell.id)
            spec = {
                **dataclasses.asdict(cell),
                "id": cell.id,
                "key": cell_key,
                "dataset": profile.dataset,
                "settings": settings,
            }
            specs.setdefault(group, []).append((spec, have or set()))
    for number in range(1, profile.rounds + 1):
        for group, rows in specs.items():
            missing = tuple(spec for spec, have in rows if number not in have)
            work.done += len(rows) - len(missing)
            if missing:
                work.launches.append(Launch(group, number, missing))
    return work


def _rounds_on_disk(path: Path, cell_key: str) -> set[int] | None:
    """The rounds already measured under this key; None where the result is of another key."""
    if not path.exists():
        return set()
    result = results.load(path)
    if result["key"] != cell_key:
        return None
    return {row["round"] for row in result["rounds"]}


def set_aside(run_dir: Path, ids: Iterable[str]) -> None:
    """Move results that no longer speak of the current kit to superseded/; nothing is deleted."""
    for cell_id in ids:
        source = run_dir / "cells" / f"{cell_id}.json"
        if source.exists():
            target = run_dir / "superseded"
            target.mkdir(exist_ok=True)
            stamp = int(source.stat().st_mtime)
            os.replace(source, target / f"{cell_id}.{stamp}.json")


def predict_cell(matrix: Matrix, profile: Profile, cell: Cell, threads: int) -> float:
    """Predicted seconds of one cell over all rounds, from the model's size: a rough figure.

    An order of magnitude that lets a user see "minutes" against "days" before anything ran.
    """
    load = profile.scenarios[cell.scenario]
    sample = matrix.models[cell.model].gmacs / (ASSUMED_GMACS_PER_CORE_SECOND * threads)
    query = sample * max(1, matrix.scenarios[cell.scenario].samples_per_query)
    timed = max(load.min_duration, load.min_queries * query)
    if load.max_duration:
        timed = min(timed, load.max_duration)
    accuracy = sample * profile.accuracy_samples if cell.scenario in profile.accuracy_scenarios else 0.0
    return profile.rounds * (timed + CELL_SECONDS) + accuracy


def predict(matrix: Matrix, profile: Profile, launches: Iterable[Launch], threads: int) -> Iterator[float]:
    """Predicted seconds of each launch."""
    for launch in launches:
        cells = [cell for cell in launch.group.cells if any(spec["id"] == cell.id for spec in launch.cells)]
        yield LAUNCH_SECONDS + sum(predict_cell(matrix, profile, c, threads) for c in cells) / profile.rounds
