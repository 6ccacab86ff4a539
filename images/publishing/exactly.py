"""A session whose plan is the cells of a run that was measured before."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.common.errors import UsageError
from bench.convert.wanted import recipes
from bench.plan.cells import Cell, Filters, Plan
from bench.store import artifacts as store
from images.choosing.session import Session
from images.preparing.prepare import specification
from images.publishing.sets import Pinned

FOUND_BY_LABEL = ("probe", "imagenet", "zoo")  # weights; a user's own files have no address


@dataclass(frozen=True)
class Exact(Session):
    """A session whose plan is a list of cells, whatever filters gave it when they were measured."""

    cells: tuple[Cell, ...] = ()

    def _planned(self, filters: Filters) -> Plan:
        """The cells, in their order."""
        return Plan(self.cells, ())


E = TypeVar("E", bound=Exact)


def planned(run: Mapping[str, Any]) -> tuple[Cell, ...]:
    """Return the cells that a run.json planned."""
    names = [one.name for one in dataclasses.fields(Cell)]
    return tuple(Cell(**{name: row[name] for name in names}) for row in run["planned"])


def filters_of(cells: Iterable[Cell]) -> Filters:
    """Return the filters that name what these cells name; weights are the session's matter."""
    rows = list(cells)
    frameworks, models, methods, scenarios = (
        tuple(dict.fromkeys(getattr(cell, kind) for cell in rows))
        for kind in ("framework", "model", "method", "scenario")
    )
    return Filters(frameworks, models, methods, scenarios)


def of_run(
    session: Session,
    run: Mapping[str, Any],
    measured: Mapping[str, Mapping[str, Any]],
    kind: type[E],
    **more: Any,
) -> E:
    """Return the session in which results (by cell id) of a run.json were measured, on this machine.

    Engine, hosts and name are those of `session`, and what it names of weights and data, which a session
    cannot find by their label. UsageError where that is something else than what was measured.
    """
    cells = tuple(cell for cell in planned(run) if cell.id in measured)
    labels = {cell.weights for cell in cells}
    given = {**session.given, "name": session.run_name}  # what is named below is no part of its name
    if not given["weights"] and len(labels) == 1 and labels <= set(FOUND_BY_LABEL):
        [given["weights"]] = labels
    facts = {one.name: getattr(session, one.name) for one in dataclasses.fields(Session)}
    facts |= {"platform": run["platform"], "profile": run["profile"], "filters": filters_of(cells)}
    exact = kind(**{**facts, "given": given, "cells": cells, **more})
    for flag, wanted, have in (
        ("--weights", labels, set(exact.weights.labels.values())),
        ("--dataset", {result["dataset"] for result in measured.values()}, {exact.dataset.label}),
    ):
        if wanted != have:
            raise UsageError(
                f"measured with {', '.join(sorted(wanted))}, this line names {', '.join(sorted(have))}",
                where=flag,
                remedy="name what it was measured with: file:PATH, imagenet:PATH or folder:PATH",
            )
    return exact


def pinned(session: Session) -> tuple[Pinned, ...]:
    """Return the artifacts of a session's plan that the cache has: models, references and arrays."""
    cache = session.workspace.cache
    rows = []
    for recipe in recipes(specification(session, str(cache))):
        if artifact := store.lookup(cache, recipe):
            what = (recipe.format, recipe.method, recipe.model, recipe.weights, recipe.arch)
            rows.append(Pinned(*what, artifact.sha256, artifact.bytes))
    return tuple(sorted(rows, key=lambda row: row.what))
