"""The paper's Tables I to IV, each with what this run has beside it."""

from __future__ import annotations

from dataclasses import dataclass

from bench.plan.matrix import Load, Matrix
from reports.drawing.downloads import csv_url
from reports.page.parts import Table
from reports.paper.printed import HARDWARE, TABLE1_PROFILE
from reports.run.results import Run
from reports.run.wording import NOT_RECORDED, known, memory, value_range

NONE = "\N{EN DASH}"
TICK = "\N{CHECK MARK}"


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper: `note` says how ours differs, `csv` is a URL of the same cells."""

    number: str
    title: str
    note: str
    table: Table

    @property
    def csv(self) -> str:
        """The table as a file."""
        return csv_url(self.table.columns, self.table.rows)


def tables(run: Run, matrix: Matrix) -> tuple[PaperTable, ...]:
    """Return the four tables."""
    return (
        PaperTable(
            "I",
            "Criteria of the scenarios",
            "The paper's are the profile paper-table1; what LoadGen used is from its own log of this run.",
            _criteria(run, matrix),
        ),
        PaperTable(
            "II",
            "Quantization methods",
            'INT16x8 is the paper\'s "Mixed", which its section III-B-2 describes and its tables leave out.',
            _methods(run, matrix),
        ),
        PaperTable(
            "III",
            "Methods by framework",
            "A tick is a combination that exists; beside it how many of this run's cells were measured.",
            _combinations(run, matrix),
        ),
        PaperTable(
            "IV",
            "Hardware",
            "The paper's three devices beside the one that this run measured.",
            _hardware(run),
        ),
    )


def _criteria(run: Run, matrix: Matrix) -> Table:
    paper = matrix.profiles.get(TABLE1_PROFILE)
    here = matrix.profiles.get(run.profile)
    rows = []
    for name, scenario in matrix.scenarios.items():
        used = [one.used for one in run.measured if one.cell.scenario == name]
        done = [
            one.queries // one.rounds if scenario.samples_per_query else one.samples // one.rounds
            for one in run.measured
            if one.cell.scenario == name and one.rounds
        ]
        rows.append(
            (
                scenario.title,
                str(scenario.samples_per_query or "all"),
                _asked(paper.scenarios.get(name) if paper else None, not scenario.samples_per_query),
                _asked(here.scenarios.get(name) if here else None, not scenario.samples_per_query),
                f"{value_range(one.get('min_query_count') for one in used)}; "
                f"{value_range(_seconds(one.get('min_duration_ms')) for one in used)} s"
                if used
                else "not measured",
                value_range(done) if done else "not measured",
            )
        )
    return Table(
        (
            "Scenario",
            "Samples a query",
            "Paper: at least",
            f"Profile {run.profile}: at least",
            "LoadGen used: queries; duration",
            "Queries done a round (Offline: samples)",
        ),
        tuple(rows),
    )


def _asked(load: Load | None, samples: bool) -> str:
    if load is None:
        return "not in this profile"
    what = (
        f"{load.min_queries:,} {'samples in one query' if samples else 'queries'} and {load.min_duration:g} s"
    )
    return what if samples else f"{what}; p{load.percentile}"


def _seconds(milliseconds: object) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, (int, float)) else None


def _methods(run: Run, matrix: Matrix) -> Table:
    measured = {one.cell.method for one in run.measured}
    rows = [
        (
            f"{name} ({method.title})",
            known(method.kind).replace("none", "n/a"),
            str(method.bits),
            name.split("-")[0],
            method.symmetry,
            "yes" if name in measured else "no",
        )
        for name, method in matrix.methods.items()
    ]
    return Table(
        ("Method", "Dynamic or static", "Bits", "Data type", "Symmetry", "Measured in this run"), tuple(rows)
    )


def _combinations(run: Run, matrix: Matrix) -> Table:
    rows = [
        (name, *(_combination(run, framework, name, name in used) for framework, used in _used(matrix)))
        for name in matrix.methods
    ]
    return Table(("Method", *(one.title for one in matrix.frameworks.values())), tuple(rows))


def _used(matrix: Matrix) -> list[tuple[str, set[str]]]:
    return [
        (framework, {name for name in matrix.methods if matrix.reason_impossible(framework, name) is None})
        for framework in matrix.frameworks
    ]


def _combination(run: Run, framework: str, method: str, exists: bool) -> str:
    if not exists:
        return NONE
    done = sum((one.cell.framework, one.cell.method) == (framework, method) for one in run.measured)
    lost = sum(
        bool(one.cell) and (one.cell.framework, one.cell.method) == (framework, method)
        for one in run.not_measured
        if one.cell
    )
    return f"{TICK} {done} of {done + lost}" if done + lost else f"{TICK} not asked for"


def _hardware(run: Run) -> Table:
    host = run.facts.get("host") or {}
    names = ("Processor family", "Processor model", "Clock", "Sockets", "Cores a socket", "RAM")
    states = [row[when] for one in run.measured for row in one.machine_states for when in ("before", "after")]
    clock = value_range(_rounded(state["frequency_mhz"]) for state in states)
    emulated = any(one.environment["emulated"] for one in run.measured)
    ours = (
        known(host.get("machine")),
        known(host.get("cpu_model")),
        f"{clock} MHz while measuring" if clock != NONE else NOT_RECORDED,
        NOT_RECORDED,
        f"{known(host.get('cores'))} in all",
        memory(host.get("memory_bytes")),
    )
    here = "this machine" + (" (emulating the platform)" if emulated else "")
    rows = tuple(zip(names, *(one[1:] for one in HARDWARE.values()), ours))
    return Table(("Specification", *(one[0] for one in HARDWARE.values()), f"Here: {here}"), rows)


def _rounded(megahertz: float | None) -> int | None:
    return None if megahertz is None else round(megahertz)
