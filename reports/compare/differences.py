"""What differs between two runs besides their figures: machine, software, kit and what was asked.

A difference in speed between two machines is no regression, so this is told before any ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.plan.matrix import Matrix
from reports.run.results import Measured, Run
from reports.run.wording import joined, known, memory, title

MACHINE, SOFTWARE, ASKED = "machine", "software", "what was asked"

# What makes two machines different ones for the speed of a cell.
_MACHINE = {"CPU": "cpu_model", "architecture": "machine", "cores": "cores", "threads": "threads"}


@dataclass(frozen=True)
class Difference:
    """A fact that is not the same in both runs; `kind` is MACHINE, SOFTWARE or ASKED."""

    kind: str
    name: str
    a: str
    b: str


def elsewhere(one: Measured, other: Measured) -> tuple[str, ...]:
    """Return what of the machine differs between two measurements: "CPU", "threads"..."""
    return tuple(name for name, key in _MACHINE.items() if one.environment[key] != other.environment[key])


def differences(
    a: Run, b: Run, pairs: Sequence[tuple[Measured, Measured]], matrix: Matrix
) -> tuple[Difference, ...]:
    """Return what differs between the runs and between the cells that both measured, by kind."""
    rows = [
        *_of_runs(a, b),
        *(row for name, get in _ENVIRONMENT.items() for row in _of_cells(MACHINE, name, get, pairs)),
        *_flags(pairs),
        *_software(pairs, matrix),
        *_asked(pairs, matrix),
    ]
    order = (MACHINE, SOFTWARE, ASKED)
    return tuple(sorted(rows, key=lambda row: order.index(row.kind)))


_ENVIRONMENT: dict[str, Callable[[Measured], str]] = {
    "Name of the machine": lambda one: known(
        joined(dict.fromkeys(timing.machine for timing in one.timings if timing.machine))
    ),
    "CPU": lambda one: str(one.environment["cpu_model"]),
    "Architecture": lambda one: str(one.environment["machine"]),
    "Cores it may use": lambda one: str(one.environment["cores"]),
    "Threads": lambda one: str(one.environment["threads"]),
    "Memory limit": lambda one: _limit(one.environment["memory_limit_bytes"]),
    "Kernel": lambda one: str(one.environment["kernel"]),
    "Emulated": lambda one: known(one.environment["emulated"]),
    "Governor": lambda one: joined(
        dict.fromkeys(known(state["before"]["governor"]) for state in one.machine_states)
    ),
}


def _limit(count: int | None) -> str:
    return memory(count) if count else "none"


def _of_runs(a: Run, b: Run) -> Iterable[Difference]:
    kits = [run.facts.get("kit") or {} for run in (a, b)]
    hosts = [run.facts.get("host") or {} for run in (a, b)]
    revisions = [
        known(kit.get("revision"))[:12] + (" with local changes" if kit.get("dirty") else "") for kit in kits
    ]
    rows = (
        (MACHINE, "Platform", (a.platform, b.platform)),
        (MACHINE, "Operating system", tuple(known(host.get("os")) for host in hosts)),
        (SOFTWARE, "Kit version", tuple(known(kit.get("version")) for kit in kits)),
        (SOFTWARE, "Kit revision", tuple(revisions)),
        (SOFTWARE, "matrix.toml (SHA-256)", tuple(known(kit.get("matrix_sha256"))[:12] for kit in kits)),
        (ASKED, "Profile", (a.profile, b.profile)),
    )
    return (Difference(kind, name, *told) for kind, name, told in rows if told[0] != told[1])


def _of_cells(
    kind: str, name: str, get: Callable[[Measured], str], pairs: Iterable[tuple[Measured, Measured]]
) -> list[Difference]:
    """Return the one row of a fact of cells, or none: only pairs in which it differs count."""
    told = [(get(one), get(other)) for one, other in pairs]
    apart = [both for both in told if both[0] != both[1]]
    if not apart:
        return []
    a, b = (joined(dict.fromkeys(values)) for values in zip(*apart, strict=True))
    return [Difference(kind, name, a, b)]


def _flags(pairs: Sequence[tuple[Measured, Measured]]) -> list[Difference]:
    sides = zip(*pairs, strict=True)
    flags = [{flag for one in side for flag in one.environment["cpu_flags"]} for side in sides]
    if len(flags) < 2 or flags[0] == flags[1]:
        return []
    a, b = (" ".join(sorted(one - other)) or "none" for one, other in (flags, flags[::-1]))
    return [Difference(MACHINE, "CPU flags that the other lacks", a, b)]


def _software(pairs: Sequence[tuple[Measured, Measured]], matrix: Matrix) -> list[Difference]:
    rows = _of_cells(SOFTWARE, "Stack", lambda one: one.cell.stack, pairs)
    rows += _of_cells(SOFTWARE, "Engine", lambda one: str(one.environment["engine"]["kind"]), pairs)
    for framework in dict.fromkeys(one.cell.framework for one, _ in pairs):
        of = [both for both in pairs if both[0].cell.framework == framework]
        name = title(matrix.frameworks, framework)
        for package in sorted({package for both in of for one in both for package in one.versions}):
            rows += _of_cells(SOFTWARE, f"{name}: {package}", _version(package), of)
        rows += _of_cells(SOFTWARE, f"{name}: lock (SHA-256)", _lock, of)
        rows += _of_cells(SOFTWARE, f"{name}: image", _image, of)
    return rows


def _version(package: str) -> Callable[[Measured], str]:
    return lambda one: one.versions.get(package, "not in it")


def _lock(one: Measured) -> str:
    return str(one.environment["lock"])[:12]


def _image(one: Measured) -> str:
    return known(one.environment["engine"]["digest"]).removeprefix("sha256:")[:12]


def _asked(pairs: Sequence[tuple[Measured, Measured]], matrix: Matrix) -> list[Difference]:
    rows = _of_cells(ASKED, "Images", lambda one: one.dataset, pairs)
    rows += _of_cells(ASKED, "Seeds", _seeds, pairs)
    for scenario in matrix.scenarios:
        of = [both for both in pairs if both[0].cell.scenario == scenario]
        for key in dict.fromkeys(key for both in of for one in both for key in one.asked):
            rows += _of_cells(ASKED, f"{scenario}: {key}", _setting(key), of)
    rows += _of_cells(ASKED, "Rounds", lambda one: str(one.rounds), pairs)
    return rows


def _seeds(one: Measured) -> str:
    return ", ".join(f"{name} {seed}" for name, seed in sorted(one.seeds.items()))


def _setting(key: str) -> Callable[[Measured], str]:
    def get(one: Measured) -> str:
        value: Any = one.asked.get(key)
        return known(value)

    return get
