"""Cells: the unit of work, of resume and of the report.

A cell is platform x stack x framework x model (with its weights) x method x scenario x batch x
ISA cap. `plan` lists the cells of a run from the matrix, and beside them the combinations that
cannot exist, each with its reason.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.common.errors import UsageError, unknown
from bench.plan.matrix import Matrix, Sweep
from bench.runtimes.isa import NATIVE


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
    """What a user asked of the matrix; an empty tuple means everything.

    `sweep` is the name of a sweep ("": none), `weights` the source by model where it is not the profile's.
    """

    frameworks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    sweep: str = ""
    weights: Mapping[str, str] = field(default_factory=dict)

    def admit(self, cell: Cell) -> bool:
        """Whether framework, model, method and scenario of a cell are among those asked for."""
        return all(
            not names or value.lower() in {name.lower() for name in names}
            for names, value in (
                (self.frameworks, cell.framework),
                (self.models, cell.model),
                (self.methods, cell.method),
                (self.scenarios, cell.scenario),
            )
        )


@dataclass(frozen=True)
class Plan:
    """The cells of a run in the order of one round, and what cannot be measured."""

    cells: tuple[Cell, ...]
    absent: tuple[Absent, ...]


def plan(
    matrix: Matrix, platform: str, profile: str, arch: str, filters: Filters, flags: Collection[str] = ()
) -> Plan:
    """List the cells of `profile` on `platform`, whose containers run on `arch`.

    A model outside the profile is measured when `filters.models` names it. A sweep lists its own cells
    instead, and a filter then takes the place of the sweep's list. `flags` are those of the CPU that
    measures. Raises UsageError for an unknown name, or when the filters leave no cell.
    """
    _known("platform", platform, matrix.platforms)
    facts = matrix.profiles[_known("profile", profile, matrix.profiles)]
    sweep = matrix.sweeps[_known("sweep", filters.sweep, matrix.sweeps)] if filters.sweep else None
    listed = tuple(name for name, model in matrix.models.items() if profile in model.profiles)
    frameworks = _chosen(
        "framework", filters.frameworks, matrix.frameworks, sweep.frameworks if sweep else ()
    )
    methods = _chosen("method", filters.methods, matrix.methods, sweep.methods if sweep else ())
    scenarios = _chosen("scenario", filters.scenarios, matrix.scenarios, sweep.scenarios if sweep else ())
    models = _chosen("model", filters.models, matrix.models, sweep.models if sweep else listed)
    cells: list[Cell] = []
    absent: list[Absent] = []
    for model, framework, method in itertools.product(models, frameworks, methods):
        reason = _absent(matrix, framework, method, arch) or _lacks(matrix, framework, platform, arch, flags)
        if reason:
            absent.append(Absent(framework, model, method, reason))
            continue
        isas, why_not = _isas(matrix, framework, matrix.platforms[platform].isa, sweep, flags)
        if why_not:
            absent.append(Absent(framework, model, method, why_not))
        cells += [
            Cell(
                platform,
                matrix.defaults.stack,
                framework,
                model,
                filters.weights.get(model, facts.weights),
                method,
                scenario,
                batch,
                isa,
            )
            for isa in isas
            for scenario in scenarios
            for batch in _batches(matrix, platform, scenario, sweep)
        ]
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


def _lacks(matrix: Matrix, framework: str, platform: str, arch: str, flags: Collection[str]) -> str | None:
    """Why a framework runs nothing on this platform's device, or on the CPU that measures; None if it runs.

    A device that names no level, measured on a CPU that tells no flags (an emulated one), is given its try.
    """
    need = matrix.frameworks[framework].needs.get(arch)
    if not need:
        return None
    levels, device = list(matrix.isas), matrix.platforms[platform].isa
    below = device != NATIVE and levels.index(device) < levels.index(need.isa)
    without = bool(flags) and not set(matrix.isas[need.isa].flags) <= set(flags)
    return need.reason if below or without else None


def _caps(matrix: Matrix, level: str) -> bool:
    """Whether a level can be a cap: those of Arm are only recognised."""
    return level != NATIVE and bool(matrix.isas[level].environment)


def _batches(matrix: Matrix, platform: str, scenario: str, sweep: Sweep | None) -> tuple[int, ...]:
    samples = matrix.scenarios[scenario].samples_per_query
    if samples:
        return (samples,)
    return (sweep and sweep.batches) or (matrix.platforms[platform].offline_batch,)


def _isas(
    matrix: Matrix, framework: str, device: str, sweep: Sweep | None, flags: Collection[str]
) -> tuple[list[str], str]:
    """The caps under which a framework is measured, and why others of those wanted are not.

    Without a sweep it is the level of the platform's `device`, and no cap where this CPU has no more.
    """
    levels = list(matrix.isas)
    have = [name for name, isa in matrix.isas.items() if set(isa.flags) <= set(flags)]
    if sweep and sweep.isas:
        wanted = list(sweep.isas)
    elif _caps(matrix, device) and any(levels.index(name) > levels.index(device) for name in have):
        wanted = [device]
    else:
        return [NATIVE], ""
    uncapped = matrix.frameworks[framework].uncapped
    if uncapped:
        return [], f"cannot be capped to an instruction set: {uncapped}"
    lacking = [name for name in wanted if name not in (NATIVE, *have)]
    why = (
        f"this CPU does not have {', '.join(matrix.isas[name].title for name in lacking)}" if lacking else ""
    )
    return [name for name in wanted if name not in lacking], why


def _known(kind: str, name: str, known: Iterable[str]) -> str:
    known = list(known)
    if name not in known:
        raise UsageError(unknown(kind, name, known))
    return name


def _chosen(kind: str, wanted: Sequence[str], known: Iterable[str], usual: Collection[str] = ()) -> list[str]:
    """Return the wanted names (else the usual, else all) in the matrix's order; matching ignores case."""
    names = list(known)
    folded = {name.lower(): name for name in names}
    for name in wanted:
        _known(kind, folded.get(name.lower(), name), names)
    chosen = {folded[name.lower()] for name in wanted} or set(usual or names)
    return [name for name in names if name in chosen]
