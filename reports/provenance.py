"""What was not measured and why, and everything needed to judge or repeat the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.matrix import Matrix
from reports.book import Chapter
from reports.load import Failure, Measured, Run
from reports.text import counted, known, memory, title
from reports.text import value_range as _values


@dataclass(frozen=True)
class Reason:
    """A reason and all that it holds for."""

    state: str
    reason: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """Table III of this run: `rows` are (method title, one state a framework)."""

    title: str
    frameworks: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Table:
    """A table of text; the first column heads its row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def grid(chapter: Chapter, matrix: Matrix) -> Grid:
    """Return how much of every framework x method of `chapter` was measured."""
    variants = {(one.framework, one.method): one for one in chapter.variants}
    rows = []
    for method, facts in matrix.methods.items():
        states = []
        for framework in matrix.frameworks:
            one = variants.get((framework, method))
            if one:
                states.append(f"{len(one.measured)} of {len(one.measured) + len(one.missing)} cells")
            else:
                states.append("not asked for" if framework in facts.frameworks else "cannot exist")
        rows.append((method, tuple(states)))
    return Grid(chapter.title, tuple(one.title for one in matrix.frameworks.values()), tuple(rows))


def not_measured(run: Run) -> tuple[Reason, ...]:
    """Return the planned cells without a result, by reason: failures first."""
    return _by_reason((one.state, one.reason, one.id) for one in run.not_measured)


def absent(run: Run, matrix: Matrix) -> tuple[Reason, ...]:
    """Return the combinations that cannot exist, by reason."""
    return _by_reason(
        (
            "cannot exist",
            one.reason,
            f"{title(matrix.frameworks, one.framework)} {one.method} ({title(matrix.models, one.model)})",
        )
        for one in run.absent
    )


def without_accuracy(run: Run) -> tuple[Reason, ...]:
    """Return the measured cells whose accuracy was not measured, by reason."""
    return _by_reason(
        ("no accuracy", one.accuracy_reason, one.cell.id) for one in run.measured if not one.accuracy
    )


def lost_rounds(run: Run) -> tuple[Failure, ...]:
    """Return the launches that failed although their cell has results of other rounds."""
    measured = {one.cell.id for one in run.measured}
    return tuple(one for one in run.failures if one.id in measured)


def _by_reason(rows: Iterable[tuple[str, str, str]]) -> tuple[Reason, ...]:
    found: dict[tuple[str, str], list[str]] = {}
    for state, reason, name in rows:
        found.setdefault((state, reason), []).append(name)
    ordered = sorted(found.items(), key=lambda item: item[0][0])
    return tuple(Reason(state, reason, tuple(names)) for (state, reason), names in ordered)


def notices(run: Run) -> tuple[str, ...]:
    """Return what a reader must know before any figure: wrong device, mixed results, failures."""
    found = [str(run.facts["device_note"])] if run.facts.get("device_note") else []
    machines = {
        (
            one.environment["cpu_model"],
            one.environment["kernel"],
            one.environment["threads"],
            one.environment["engine"]["kind"],
        )
        for one in run.measured
    }
    if len(machines) > 1:
        found.append(
            "These results were not all taken in one environment: "
            + "; ".join(
                f"{cpu}, kernel {kernel}, {counted(threads, 'thread')}, {engine} engine"
                for cpu, kernel, threads, engine in sorted(machines)
            )
            + ". Compare with care."
        )
    if run.unplanned:
        found.append(
            f"{counted(len(run.unplanned), 'result')} in this folder came from an earlier command than the "
            "last one and are shown with the others."
        )
    failed = [one for one in run.not_measured if one.state == "failed"]
    if failed:
        found.append(f"{counted(len(failed), 'cell')} failed; see the section on what was not measured.")
    throttled = [one.cell.id for one in run.measured if any(t.throttled for t in one.timings)]
    if throttled:
        found.append(f"The device throttled during {counted(len(throttled), 'cell')}; they are marked.")
    return tuple(found)


def versions(measured: Sequence[Measured], matrix: Matrix) -> Table:
    """Return framework, image, digest, lock and versions, one row for each different image."""
    rows: dict[tuple[str, ...], None] = {}
    for one in measured:
        engine = one.environment["engine"]
        pins = ", ".join(f"{name} {version}" for name, version in sorted(one.versions.items()))
        image = f"{engine['kind']}: {engine['image']}"
        rows[
            (
                title(matrix.frameworks, one.cell.framework),
                one.cell.stack,
                image,
                known(engine["digest"]),
                one.environment["lock"],
                pins,
            )
        ] = None
    return Table(("Framework", "Stack", "Engine: image", "Image id", "Lock SHA-256", "Versions"), tuple(rows))


def artifacts(measured: Sequence[Measured], run: Run, matrix: Matrix) -> Table:
    """Return every artifact that a measured cell ran, with its hash and what made it."""
    made = {str(row.get("sha256")): row for row in _prepared(run)}
    rows: dict[tuple[str, ...], None] = {}
    for one in measured:
        sha = str(one.artifact["sha256"])
        row = made.get(sha, {})
        makers = ", ".join(f"{name} {version}" for name, version in sorted(row.get("versions", {}).items()))
        notes = [str(note) for note in row.get("notes", [])]
        if row.get("calibration_samples"):
            notes.append(f"calibrated on {row['calibration_samples']} images")
        rows[
            (
                f"{title(matrix.models, one.cell.model)}, {title(matrix.frameworks, one.cell.framework)} "
                f"{one.cell.method}",
                ", ".join(one.artifact["files"]),
                f"{one.artifact['bytes']:,}",
                sha,
                makers or known(None),
                "; ".join(notes),
            )
        ] = None
    return Table(("Artifact", "Files", "Bytes", "SHA-256", "Made with", "Notes"), tuple(rows))


def _prepared(run: Run) -> Sequence[Mapping[str, Any]]:
    prepare = run.facts.get("prepare")
    rows = prepare.get("artifacts", []) if isinstance(prepare, dict) else []
    return [row for row in rows if isinstance(row, dict)]


def settings(run: Run, matrix: Matrix, kind: str) -> Table:
    """Return LoadGen's settings, asked ("asked") or used ("used"), one column a scenario."""
    cells = [one for one in run.measured if getattr(one, kind)]
    scenarios = [name for name in matrix.scenarios if any(one.cell.scenario == name for one in cells)]
    keys = dict.fromkeys(key for one in cells for key in getattr(one, kind))
    rows = [
        (
            key,
            *(
                _values(getattr(one, kind).get(key) for one in cells if one.cell.scenario == name)
                for name in scenarios
            ),
        )
        for key in keys
    ]
    return Table(("Setting", *(matrix.scenarios[name].title for name in scenarios)), tuple(rows))


def machine_state(measured: Sequence[Measured]) -> Table:
    """Return what the cells could use, and what the machine told before and after each of them."""
    places = [one.environment for one in measured]
    limits = [place["memory_limit_bytes"] for place in places]
    seeds = [", ".join(f"{name} {seed}" for name, seed in sorted(one.seeds.items())) for one in measured]
    states = [state for one in measured for state in one.machine_states]
    rows = [
        ("Cores it may use", _values(place["cores"] for place in places)),
        ("Threads", _values(place["threads"] for place in places)),
        ("Memory limit", _values(memory(limit) if limit else "none" for limit in limits)),
        ("Emulated", _values(known(place["emulated"]) for place in places)),
        ("Seeds", _values(seeds)),
        ("Governor", _values(state["governor"] for state in states)),
        ("Frequency (MHz)", _values(state["frequency_mhz"] for state in states)),
        ("Temperature (°C)", _values(state["temperature_c"] for state in states)),
        ("Throttled", _values(None if s["throttled"] is None else known(s["throttled"]) for s in states)),
    ]
    told = [(name, "the machine does not tell" if value == "\N{EN DASH}" else value) for name, value in rows]
    return Table(("What", "Value, or range over the cells"), tuple(told))
