"""From a plan to launches: what one container is asked to measure in one round.

A launch is one framework x model x method (one artifact) under one instruction-set cap in one round,
with all its scenarios and batches.
Methods and frameworks are interleaved: round 2 starts when round 1 of every launch is done, so
that a slow minute of the machine falls on both sides of a ratio. Within a round their order is drawn from the
run's seed, so that no method is always measured on a machine that another one has heated. Accuracy is round 0
and comes after all timing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common.errors import ResultError
from bench.plan.asking import Asked, Asking
from bench.plan.cells import Cell, key
from bench.store import results
from bench.store.artifacts import Artifact
from images.choosing.groups import Group


@dataclass(frozen=True)
class Wanted:
    """A cell to be measured: what LoadGen is asked, and the key under which its result will be known."""

    cell: Cell
    key: str
    asked: Asked

    @property
    def id(self) -> str:
        """The cell's."""
        return self.cell.id


@dataclass(frozen=True)
class Launch:
    """One group in one round: the cells of it that are still to be measured; in round 0, to be judged."""

    group: Group
    round: int
    cells: tuple[Wanted, ...]


@dataclass
class Todo:
    """What a run has left to do, and what stands in the way of some cells."""

    launches: list[Launch]
    done: int
    stale: list[str]
    damaged: dict[str, str]


def todo(
    asking: Asking,
    artifacts: dict[Group, Artifact],
    used: dict[str, dict[str, Any]],
    cells_dir: Path,
    *,
    apart: bool,
) -> Todo:
    """Compare the plan with the results on disk; `used` is, by framework, what else its cells are made with.

    `apart`: accuracy and agreement are launches of their own; else they follow a cell's timing at once, and a
    launch of their own only where that failed.
    A result of another key is stale, an unreadable one damaged: neither is launched before the
    run has dealt with it (stale results are set aside, damaged ones fail their cell).
    """
    work = Todo([], 0, [], {})
    wanted: dict[Group, list[tuple[Wanted, _Have]]] = {}
    for group, artifact in artifacts.items():
        for cell in group.cells:
            asked = asking.of(cell.scenario)
            made_with = {"artifact": artifact.sha256, **used[group.framework]}
            cell_key = key(cell, asked.document(), made_with)
            try:
                have = _on_disk(cells_dir / f"{cell.id}.json", cell_key)
            except ResultError as error:
                work.damaged[cell.id] = str(error)
                continue
            if have is None:
                work.stale.append(cell.id)
            wanted.setdefault(group, []).append((Wanted(cell, cell_key, asked), have or _NOTHING))
    for number in range(1, asking.profile.rounds + 1):
        for group in drawn(wanted, asking.matrix.defaults.seed, number):
            missing = tuple(one for one, have in wanted[group] if number not in have.rounds)
            work.done += len(wanted[group]) - len(missing)
            if missing:
                work.launches.append(Launch(group, number, missing))
    for group, rows in wanted.items():
        unjudged = tuple(one for one, have in rows if not have.judged and (apart or have.rounds))
        if unjudged:
            work.launches.append(Launch(group, 0, unjudged))
    return work


def drawn(groups: Iterable[Group], seed: int, number: int) -> list[Group]:
    """The groups in the order of a round: models as they come, their frameworks drawn, in each its methods.

    What is compared most, the methods of one framework, stays together.
    """
    groups = list(groups)
    models = list(dict.fromkeys(group.model for group in groups))

    def draw(*names: object) -> str:
        return hashlib.sha256(repr((seed, number, *names)).encode()).hexdigest()

    def place(group: Group) -> tuple[int, str, str]:
        family = (group.model, group.framework)
        return models.index(group.model), draw(*family), draw(*family, group.method, group.isa)

    return sorted(groups, key=place)


@dataclass(frozen=True)
class _Have:
    """What is on disk of a cell: its timed rounds, and whether accuracy and agreement were collected."""

    rounds: frozenset[int]
    judged: bool


_NOTHING = _Have(frozenset(), False)


def _on_disk(path: Path, cell_key: str) -> _Have | None:
    """What was measured under this key; None where the result is of another key or an older kit."""
    if not path.exists():
        return _NOTHING
    try:
        result = results.load(path)
    except results.OlderResultError:
        return None
    if result["key"] != cell_key:
        return None
    return _Have(frozenset(row["round"] for row in result["rounds"]), result.get("judged", True))


def set_aside(run_dir: Path, ids: Iterable[str]) -> None:
    """Move results that no longer speak of the current kit to superseded/; nothing is deleted."""
    for cell_id in ids:
        source = run_dir / "cells" / f"{cell_id}.json"
        if source.exists():
            target = run_dir / "superseded"
            target.mkdir(exist_ok=True)
            stamp = int(source.stat().st_mtime)
            os.replace(source, target / f"{cell_id}.{stamp}.json")
