"""A published set: a run as it was measured, and what it takes to measure it again elsewhere.

reports/published/<name>/ holds set.toml, run.json and cells/*.json exactly as measured, and report.html.
LoadGen's own logs are left out for size: what they say is in the cells. set.toml pins all of it by hash,
beside the images, the locks of their wheels and the artifacts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from bench.common.errors import ResultError, UsageError
from bench.common.hashing import sha256_file
from bench.plan.cells import Cell, Filters, Plan
from bench.plan.tables import rule
from bench.store import artifacts as store
from bench.store import recipes
from images import toml
from images.prepare import specification
from images.session import Session

SCHEMA = 1
SHA256 = rule(pattern="^[0-9a-f]{64}$")
COMMENT = """A published set, written by `invoke freeze`; check it with `invoke reproduce` and this folder.
cells: SHA-256 of cells/<id>.json; images: what measured (image: id in the engine; digest: manifest in the
repository; lock: SHA-256 of the pins of its wheels); artifacts: every file that a cell read, by SHA-256.
LoadGen's own logs are left out: their figures are in the cells."""
FOUND_BY_LABEL = ("probe", "imagenet", "zoo")  # weights; a user's own files have no address
REMEDY = "take the folder from a clean checkout again"


@dataclass(frozen=True)
class Image:
    """One image of a set; `image`, `repository` and `digest` are "" where the set pins only its lock."""

    arch: str
    lock: Annotated[str, SHA256]
    image: str = ""
    repository: str = ""
    digest: Annotated[str, rule(pattern="^$|^sha256:[0-9a-f]{64}$")] = ""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pinned:
    """One artifact of a set, by what it is (see bench.store.recipes.Recipe); `bytes` is its size."""

    framework: str
    method: str
    model: str
    weights: str
    arch: str
    sha256: Annotated[str, SHA256]
    bytes: int

    @property
    def label(self) -> str:
        """For messages: "tflite INT8-SQ mobilenet_v2 amd64"."""
        return " ".join(
            word for word in (self.framework, self.method, self.model, self.arch) if word != "any"
        )

    @property
    def what(self) -> tuple[str, ...]:
        """What it is, whatever its content."""
        return self.framework, self.method, self.model, self.weights, self.arch


@dataclass(frozen=True)
class Archive:
    """The set's artifacts as one file (images/transfer.py), which lies beside the set or somewhere else."""

    sha256: Annotated[str, SHA256]
    bytes: int


@dataclass(frozen=True)
class Kit:
    """Which edgequant measured."""

    version: str
    revision: str
    dirty: bool
    matrix: Annotated[str, SHA256]


@dataclass(frozen=True)
class Device:
    """The machine that measured."""

    cpu_model: str
    cores: int
    threads: int
    memory_bytes: int
    os: str
    kernel: str


@dataclass(frozen=True)
class PublishedSet:
    """The whole of set.toml."""

    schema: Annotated[int, rule(enum=[SCHEMA])]
    name: str
    created: str
    platform: str
    profile: str
    dataset: str
    engine: Annotated[str, rule(enum=["docker", "native"])]
    run: Annotated[str, SHA256]
    kit: Kit
    device: Device
    images: dict[str, Image]
    artifacts: tuple[Pinned, ...]
    cells: dict[str, Annotated[str, SHA256]]
    archives: dict[str, Archive] = field(default_factory=dict)


def read(folder: Path) -> PublishedSet:
    """Read a set and check every file of it; ResultError for a wrong record or a changed file."""
    found = toml.load(PublishedSet, folder / "set.toml", ResultError, REMEDY)
    pinned = {"run.json": found.run, **{f"cells/{name}.json": sha for name, sha in found.cells.items()}}
    there = {"run.json", *(f"cells/{path.name}" for path in (folder / "cells").glob("*"))}
    for name in sorted(pinned.keys() | there):
        path = folder / name
        if name not in pinned or not path.is_file() or sha256_file(path) != pinned[name]:
            what = "is not of the set" if name not in pinned else "is not what set.toml pins"
            raise ResultError(
                f"the file {what if path.is_file() else 'is missing'}", where=str(path), remedy=REMEDY
            )
    return found


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
    for recipe in recipes.recipes(specification(session, str(cache))):
        if artifact := store.lookup(cache, recipe):
            what = (recipe.framework, recipe.method, recipe.model, recipe.weights, recipe.arch)
            rows.append(Pinned(*what, artifact.sha256, artifact.bytes))
    return tuple(sorted(rows, key=lambda row: row.what))
