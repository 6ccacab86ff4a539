"""What was not measured and why, and everything needed to judge or repeat the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.plan.matrix import Matrix
from reports.page.parts import Reason, Table
from reports.run.results import Failure, Measured, Run
from reports.run.wording import SLOWED, counted, joined, known, memory, title, value_range

NOT_TOLD = "not told by this machine"


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
    return (*found, *_mixed(run), *_slowed(run), *_governors(run))


def _mixed(run: Run) -> Iterable[str]:
    """Name the frameworks whose cells ran in different images."""
    images: dict[str, set[str]] = {}
    for one in run.measured:
        images.setdefault(one.cell.framework, set()).add(str(one.environment["engine"]["digest"]))
    mixed = sorted(name for name, found in images.items() if len(found) > 1)
    if mixed:
        yield (
            f"Not all cells of {joined(mixed)} ran in one image, so the kit was built again between them; "
            "`invoke run --fresh` measures all in one."
        )


def _slowed(run: Run) -> Iterable[str]:
    """Say what slowed the machine, by its word, with one cell's reason as an example."""
    found: dict[str, list[str]] = {}
    for one in run.measured:
        for word, mark in {timing.mark.word: timing.mark for timing in one.timings if timing.mark}.items():
            found.setdefault(word, []).append(mark.reason)
    for word, reasons in found.items():
        cells = counted(len(reasons), "cell")
        first = "the first: " if len(reasons) > 1 else ""
        yield f"{SLOWED} {word}: the machine was slowed during {cells}, marked so ({first}{reasons[0]})."


def _governors(run: Run) -> Iterable[str]:
    states = [state for one in run.measured if one.timings for state in one.machine_states]
    names = {state[when]["governor"] for state in states for when in ("before", "after")} - {None}
    if names - {"performance"}:
        yield (
            f"The frequency governor was {joined(sorted(names))}: figures vary less with the governor "
            "performance (cpupower frequency-set --governor performance)."
        )


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
        makers += f" on {row['made_on']}" if row.get("made_on") else ""
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
                value_range(getattr(one, kind).get(key) for one in cells if one.cell.scenario == name)
                for name in scenarios
            ),
        )
        for key in keys
    ]
    return Table(("Setting", *(matrix.scenarios[name].title for name in scenarios)), tuple(rows))


def machine_state(measured: Sequence[Measured]) -> Table:
    """Return what the cells could use, and what the machine told before, during and after each round."""
    places = [one.environment for one in measured]
    limits = [place["memory_limit_bytes"] for place in places]
    seeds = [", ".join(f"{name} {seed}" for name, seed in sorted(one.seeds.items())) for one in measured]
    states = [state for one in measured for state in one.machine_states]
    edges = [state[when] for state in states for when in ("before", "after")]
    looked = [state["during"] for state in states if state["during"]]
    rows = [
        ("Cores it may use", value_range(place["cores"] for place in places)),
        ("Threads", value_range(place["threads"] for place in places)),
        ("Why so many threads", joined({place.get("threads_why", "") for place in places} - {""}) or None),
        ("Memory limit", value_range(memory(limit) if limit else "none" for limit in limits)),
        ("Emulated", value_range(known(place["emulated"]) for place in places)),
        ("Seeds", value_range(seeds)),
        ("Governor", value_range(state["governor"] for state in edges)),
        *_course(states, "frequency_mhz", "Frequency (MHz)"),
        *_course(states, "temperature_c", "Temperature (°C)"),
        ("Throttling is told by", joined(_witnesses(edges)) or None),
        ("Looked at during a round", value_range(one["samples"] for one in looked) if looked else None),
        (
            "Processor time of that (s)",
            value_range(one["read_seconds"] for one in looked) if looked else None,
        ),
    ]
    told = [(name, NOT_TOLD if value in (None, "\N{EN DASH}") else str(value)) for name, value in rows]
    return Table(("What", "Value, or range over the cells"), tuple(told))


def _course(states: Sequence[Mapping[str, Any]], fact: str, name: str) -> Iterable[tuple[str, str]]:
    """Return the rows of a fact before, during and after; of frequencies during, the lowest and highest."""
    for when in ("before", "during", "after"):
        found = [state[when][fact] for state in states if state[when]]
        values = [v for one in found for v in ([one["min"], one["max"]] if isinstance(one, dict) else [one])]
        yield f"{name} {when}", value_range(values)


def _witnesses(edges: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return who of this machine says whether it throttles."""
    names = {
        "firmware": "the Raspberry Pi's firmware",
        "under_voltage": "the kernel's under-voltage alarm",
        "throttle_counts": "the processor's throttle counters",
    }
    return [name for fact, name in names.items() if any(one.get(fact) is not None for one in edges)]
