"""Which cells the paper's claims need on a session's platform, and which of them are missing.

What a claim says and how it is judged is in reports/; here it becomes cells of a plan.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.common.errors import UsageError, unknown
from bench.plan.cells import Cell, Filters
from bench.plan.matrix import Matrix
from images.choosing.session import Session
from images.running import runfile

if TYPE_CHECKING:  # reports/ is imported late: only this task and the report need it
    from reports.claims.catalogue import Claim, ClaimFile, Want
    from reports.claims.judge import DeviceUnderTest


@dataclass(frozen=True)
class Docket:
    """The claims and, by id, what stands in the way of each on this device and the cells it needs.

    `sessions` are by sweep ("": none): a claim's cells are all of one of them.
    """

    file: ClaimFile
    obstacles: Mapping[str, str]
    cells: Mapping[str, frozenset[Cell]]
    sessions: Mapping[str, Session]

    def missing(self, name: str) -> frozenset[Cell]:
        """The cells of a claim without a result in the run that measures them."""
        folder = self.sessions[self.file.claims[name].sweep].run_dir / "cells"
        return frozenset(cell for cell in self.cells[name] if not (folder / f"{cell.id}.json").exists())


def find(session: Session) -> Docket:
    """Find the cells of every claim on this session's platform; those of an untestable claim are none."""
    from reports.claims import catalogue
    from reports.claims.judge import obstacle

    if session.filters.sweep:
        raise UsageError("claims choose their sweeps themselves", where="--sweep", remedy="use --only")
    matrix = session.matrix
    file = catalogue.load(matrix)
    sweeps = dict.fromkeys(["", *(claim.sweep for claim in file.claims.values())])
    sessions = {name: dataclasses.replace(session, filters=Filters(sweep=name)) for name in sweeps}
    device = _device(sessions[""])
    obstacles = {name: obstacle(claim, device, matrix) for name, claim in file.claims.items()}
    cells = {
        name: frozenset() if obstacles[name] else _cells(claim, sessions[claim.sweep])
        for name, claim in file.claims.items()
    }
    return Docket(file, obstacles, cells, sessions)


def _cells(claim: Claim, session: Session) -> frozenset[Cell]:
    """The cells of the plan that a claim names; those that cannot be measured here are not in it."""
    from reports.claims.measure import pick

    planned = session.plan.cells
    found = [pick(want, planned, session.matrix, session.platform) for want in _wants(claim, session.matrix)]
    return frozenset(cell for cell in found if cell)


def _wants(claim: Claim, matrix: Matrix) -> list[Want]:
    from reports.claims import catalogue

    groups = catalogue.comparisons(claim, matrix)
    return list(dict.fromkeys(want for group in groups for want in catalogue.cells(claim, group)))


def longer(matrix: Matrix, profile: str) -> str:
    """The next profile of the matrix whose rounds of performance may all last longer, "" for none."""

    def last(name: str) -> list[float]:
        return [load.max_duration or math.inf for load in matrix.profiles[name].scenarios.values()]

    names = list(matrix.profiles)
    for name in names[names.index(profile) + 1 :]:
        pairs = zip(last(name), last(profile), strict=True)
        if matrix.profiles[name].performance and all(more > less for more, less in pairs):
            return name
    return ""


def why_none(claim: Claim, session: Session) -> str:
    """Why the plan has none of a claim's cells."""
    names = {want[:3] for want in _wants(claim, session.matrix)}
    absent = session.plan.absent
    reasons = dict.fromkeys(one.reason for one in absent if (one.framework, one.model, one.method) in names)
    return "; ".join(reasons) or f"the profile {session.profile} does not measure its models"


def _device(session: Session) -> DeviceUnderTest:
    """This session's machine, as its runs would have it."""
    from reports.claims.judge import device_of

    facts = {
        "platform": session.platform,
        "profile": session.profile,
        "host": session.workbench.machine.document(),
        "device_note": runfile.device_note(session),
    }
    return device_of(facts, session.matrix, session.weights.source)


def chosen(only: str, file: ClaimFile) -> list[str]:
    """The ids that `--only` names, in the file's order; all where it names none."""
    wanted = [word.strip() for word in only.split(",") if word.strip()]
    for word in wanted:
        if word not in file.claims:
            raise UsageError(unknown("claim", word, file.claims), where="--only")
    return [name for name in file.claims if name in wanted or not wanted]


def missing(found: Docket, chosen: Sequence[str], filters: Filters) -> dict[str, set[Cell]]:
    """The cells without a result that the chosen claims need and the filters admit, by sweep."""
    cells: dict[str, set[Cell]] = {}
    for name in chosen:
        admitted = {cell for cell in found.missing(name) if filters.admit(cell)}
        if admitted:
            cells.setdefault(found.file.claims[name].sweep, set()).update(admitted)
    return cells
