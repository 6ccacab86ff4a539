"""Cells: the unit of work, of resume and of the report.

A cell is platform x stack x framework x model (with its weights) x method x scenario x batch x
ISA cap. `plan` lists the cells of a run from the matrix, and beside them the combinations that
cannot exist, each with its reason.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import UsageError, unknown
from bench.matrix import Matrix


@dataclass(frozen=True)
class Cell:
    """One measurement: what runs, under which scenario, at which batch (samples a call)."""

    platform: str
    stack: str
    framework: str
    model: str
    weights: str
    method: str
    scenario: str
    batch: int
    isa: str

    @property
    def id(self) -> str:
        """The file name of this cell's result, without ".json"."""
        return (
            f"{self.platform}.{self.stack}.{self.framework}.{self.model}-{self.weights}"
            f".{self.method}.{self.scenario}.b{self.batch}.{self.isa}"
        )


@dataclass(frozen=True)
class Absent:
    """A framework x model x method that has no cells on this platform, and why."""

    framework: str
    model: str
    method: str
    reason: str


@dataclass(frozen=True)
class Filters:
    """What a user narrowed the matrix to; an empty tuple means everything."""

    frameworks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The cells of a run in the order of one round, and what cannot be measured."""

    cells: tuple[Cell, ...]
    absent: tuple[Absent, ...]


def plan(matrix: Matrix, platform: str, profile: str, arch: str, filters: Filters) -> Plan:
    """List the cells of `profile` on `platform`, whose containers run on `arch`.

    A model outside the profile is measured when `filters.models` names it. Raises UsageError
    for an unknown name, or when the filters leave no cell.
    """
    _known("platform", platform, matrix.platforms)
    facts = matrix.profiles[_known("profile", profile, matrix.profiles)]
    frameworks = _chosen("framework", filters.frameworks, matrix.frameworks)
    methods = _chosen("method", filters.methods, matrix.methods)
    scenarios = _chosen("scenario", filters.scenarios, matrix.scenarios)
    models = _chosen("model", filters.models, matrix.models)
    if not filters.models:
        models = [name for name in models if profile in matrix.models[name].profiles]
    cells: list[Cell] = []
    absent: list[Absent] = []
    for model in models:
        for framework in frameworks:
            for method in methods:
                reason = _absent(matrix, framework, method, arch)
                if reason:
                    absent.append(Absent(framework, model, method, reason))
                    continue
                for scenario in scenarios:
                    cells.append(
                        Cell(
                            platform,
                            matrix.defaults.stack,
                            framework,
                            model,
                            facts.weights,
                            method,
                            scenario,
                            _batch(matrix, platform, scenario),
                            matrix.platforms[platform].isa,
                        )
                    )
    if not cells:
        reasons = "; ".join(f"{a.framework} x {a.method}: {a.reason}" for a in absent)
        raise UsageError(f"nothing to measure with these filters ({reasons})", remedy="see `invoke list`")
    return Plan(tuple(cells), tuple(absent))


def key(cell: Cell, asked: Mapping[str, Any], used: Mapping[str, Any]) -> str:
    """Return the resume key: SHA-256 of all that, when changed, makes an old result stale.

    `asked` is what LoadGen is asked to do, `used` what the cell is measured with: the SHA-256 of the
    artifact, the data and the lock, the engine and the threads.
    """
    facts = [dataclasses.asdict(cell), dict(asked), dict(used)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _absent(matrix: Matrix, framework: str, method: str, arch: str) -> str | None:
    reason = matrix.reason_impossible(framework, method)
    if reason:
        return reason
    title, image = matrix.frameworks[framework].title, matrix.frameworks[framework].image
    if arch not in matrix.images[image].arches:
        return f"{title} has no {arch} image"
    return None


def _batch(matrix: Matrix, platform: str, scenario: str) -> int:
    samples = matrix.scenarios[scenario].samples_per_query
    return samples or matrix.platforms[platform].offline_batch


def _known(kind: str, name: str, known: Iterable[str]) -> str:
    known = list(known)
    if name not in known:
        raise UsageError(unknown(kind, name, known))
    return name


def _chosen(kind: str, wanted: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return the wanted names in the matrix's order; matching ignores case."""
    names = list(known)
    folded = {name.lower(): name for name in names}
    for name in wanted:
        _known(kind, folded.get(name.lower(), name), names)
    chosen = {folded[name.lower()] for name in wanted}
    return [name for name in names if not chosen or name in chosen]
