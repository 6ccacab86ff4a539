"""The command that repeats a run, read back from its cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.plan.cells import Cell
from bench.plan.matrix import Matrix, Sweep
from reports.run.results import Run
from reports.run.wording import joined


def command(run: Run, matrix: Matrix) -> str:
    """Return the command that repeats this run, with the flags its plan implies; one line a sweep."""
    cells = [one.cell for one in run.measured] + [one.cell for one in run.not_measured if one.cell]
    sweeps = {name: sweep for name, sweep in matrix.sweeps.items() if _swept(cells, sweep, matrix)}
    lines = [_line(run, matrix, cells, name, sweep) for name, sweep in sweeps.items()]
    if not all(any(_holds(sweep, cell) for sweep in sweeps.values()) for cell in cells) or not lines:
        lines.insert(0, _line(run, matrix, cells, "", None))
    return "\n".join(lines)


def measures(
    run: Run,
    matrix: Matrix,
    platform: str,
    *,
    models: Sequence[str] = (),
    frameworks: Sequence[str] = (),
    sweep: str = "",
) -> str:
    """Return the command that measures what this run did not, with the run's weights, data and profile.

    A profile without performance, or one that leaves the models out, gives way to `quick`.
    """
    facts = matrix.profiles.get(run.profile)
    known = [model for model in models if model in matrix.models]
    fits = (
        facts and facts.performance and all(run.profile in matrix.models[model].profiles for model in known)
    )
    words = ["./invoke build run", "--platform", platform, "--profile", run.profile if fits else "quick"]
    words += _source(run, matrix)[0]
    words += ["--sweep", sweep] if sweep else []
    if sweep and set(frameworks) == set(matrix.sweeps[sweep].frameworks):
        frameworks = ()
    for flag, names in (("framework", frameworks), ("model", known)):
        words += [f"--{flag}", ",".join(names)] if names else []
    return " ".join(words)


def yours(run: Run) -> str:
    """Return what the PATHs of the command must hold, "" where it has none."""
    weights = [one.removeprefix("file-") for one in _weights(run) if one.startswith("file-")]
    datasets = [one for one in _datasets(run) if "-" in one and one != "fashion-mnist"]
    told = [f"the weights file has SHA-256 {one}\N{HORIZONTAL ELLIPSIS}" for one in weights]
    told += [f"the images are {one} (kind and fingerprint)" for one in datasets]
    return joined(told)


def claims(run: Run, matrix: Matrix) -> str:
    """Return the command that judges the paper's claims by this run."""
    return " ".join(_shared(run, matrix, "./invoke claims", ""))


def _shared(run: Run, matrix: Matrix, tasks: str, sweep_name: str) -> list[str]:
    """Return the words of a command line that choose this run."""
    words = [tasks, "--platform", run.platform, "--profile", run.profile]
    engine = run.facts.get("engine")
    if isinstance(engine, dict) and engine.get("kind"):
        words += ["--engine", str(engine["kind"])]
    source, label = _source(run, matrix)
    words += source
    if sweep_name:
        words += ["--sweep", sweep_name]
    if run.name != "-".join(part for part in (run.platform, run.profile, *label, sweep_name) if part):
        words += ["--name", run.name]
    return words


def _line(run: Run, matrix: Matrix, cells: Sequence[Cell], sweep_name: str, sweep: Sweep | None) -> str:
    words = _shared(run, matrix, "./invoke build run", sweep_name)
    if sweep:
        cells = [cell for cell in cells if _holds(sweep, cell)]
    models = [name for name, model in matrix.models.items() if run.profile in model.profiles]
    for flag, everything in (
        ("framework", sweep.frameworks if sweep else matrix.frameworks),
        ("model", sweep.models if sweep else models),
        ("method", sweep.methods if sweep else matrix.methods),
        ("scenario", sweep.scenarios if sweep else matrix.scenarios),
    ):
        used = {getattr(cell, flag) for cell in cells}
        used |= {getattr(one, flag) for one in run.absent if flag != "scenario"}
        if used and used != set(everything):
            words += [f"--{flag}", ",".join(sorted(used))]
    return " ".join(words)


def _source(run: Run, matrix: Matrix) -> tuple[list[str], list[str]]:
    """Return the flags of weights and dataset where they are not the profile's, and their words in names."""
    profile = matrix.profiles.get(run.profile)
    words, label = [], []
    for one in _weights(run):
        if profile is None or one != profile.weights:
            words += ["--weights", "file:PATH" if one.startswith("file-") else one]
            label.append(one)
    for one in _datasets(run):
        if profile is None or one != profile.dataset:
            words += ["--dataset", f"{one.partition('-')[0]}:PATH" if one != "fashion-mnist" else one]
            label.append(one)
    return words, label


def _weights(run: Run) -> Iterable[str]:
    cells = [one.cell for one in run.measured] + [one.cell for one in run.not_measured if one.cell]
    return dict.fromkeys(cell.weights for cell in cells)


def _datasets(run: Run) -> Iterable[str]:
    return dict.fromkeys(one.dataset for one in run.measured)


def _swept(cells: Sequence[Cell], sweep: Sweep, matrix: Matrix) -> bool:
    """Whether the cells go through several of the sweep's values."""
    batches = {
        cell.batch
        for cell in cells
        if cell.scenario in matrix.scenarios and not matrix.scenarios[cell.scenario].samples_per_query
    }
    isas = {cell.isa for cell in cells}
    return len(batches & set(sweep.batches)) > 1 or len(isas & set(sweep.isas)) > 1


def _holds(sweep: Sweep, cell: Cell) -> bool:
    return (
        cell.framework in sweep.frameworks
        and cell.model in sweep.models
        and cell.method in sweep.methods
        and cell.scenario in sweep.scenarios
    )
