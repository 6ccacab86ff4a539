"""The sweeps that were measured into folders beside a run: out/host-quick has out/host-quick-batch."""

from __future__ import annotations

from bench.common.errors import ResultError
from reports.run.results import Run, read


def sibling(run: Run, sweep: str) -> tuple[Run | None, str]:
    """Return the run of `sweep` beside `run`, or None and why it cannot stand in ("" where none is there).

    It stands in where it says the same of the same: platform, profile, machine and weights.
    """
    folder = run.path.parent / f"{run.name}-{sweep}"
    if run.path.name != run.name or not (folder / "run.json").is_file():
        return None, ""
    try:
        other = read(folder)
    except ResultError as error:
        return None, f"run {folder.name} cannot be read: {error.message}"
    differs = [name for name, get in _SAME.items() if get(run) != get(other)]
    if differs or not other.performance or not other.measured:
        why = f"differs in {' and '.join(differs)}" if differs else "has no timing to show"
        return None, f"run {folder.name} {why}"
    return other, ""


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
