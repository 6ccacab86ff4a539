"""The sweeps that were measured into folders beside a run: out/host-quick has out/host-quick-batch."""

from __future__ import annotations

from collections.abc import Iterable

from bench.common.errors import ResultError
from reports.run.reading import read
from reports.run.results import Beside, Run


def beside(run: Run, sweeps: Iterable[str]) -> dict[str, Beside]:
    """Read the runs of `sweeps` that lie beside `run`, by sweep.

    One stands in where it says the same of the same: platform, profile, machine and weights.
    """
    return {sweep: _read(run, sweep) for sweep in sweeps}


def _read(run: Run, sweep: str) -> Beside:
    folder = run.path.parent / f"{run.name}-{sweep}"
    if run.path.name != run.name or not (folder / "run.json").is_file():
        return Beside(None)
    try:
        other = read(folder)
    except ResultError as error:
        return Beside(None, f"run {folder.name} cannot be read: {error.message}")
    differs = [name for name, get in _SAME.items() if get(run) != get(other)]
    if differs or not other.performance or not other.measured:
        why = f"differs in {' and '.join(differs)}" if differs else "has no timing to show"
        return Beside(None, f"run {folder.name} {why}")
    return Beside(other)


def _cpus(run: Run) -> set[str]:
    return {str(one.environment["cpu_model"]) for one in run.measured}


def _weights(run: Run) -> set[str]:
    return {one.cell.weights for one in run.measured}


_SAME = {
    "platform": lambda run: run.platform,
    "profile": lambda run: run.profile,
    "processor": _cpus,
    "weights": _weights,
}
