"""A published set's cells beside those measured here, and whether both ran the same bytes in the same way.

A is the set, B is this machine. Only on one code path must outputs be equal to the bit: what keeps a pair
apart is found first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.plan.cells import Cell
from bench.plan.matrix import Matrix
from reports.compare.pairs import Comparison, Pair, name_of
from reports.run.kernels import highest
from reports.run.results import FAILED, Measured, Run
from reports.run.wording import joined


@dataclass(frozen=True)
class Repeated:
    """A published cell and what came of it here: a `pair`, else the `reason` why there is none.

    `failed` is whether it was tried. `others` are the reasons why the pair did not run the same bytes through
    the same code path; empty: it did.
    """

    cell: Cell
    name: str
    pair: Pair | None = None
    others: tuple[str, ...] = ()
    reason: str = ""
    failed: bool = False


def repeated(found: Comparison, matrix: Matrix, left_out: Mapping[str, str]) -> Iterator[Repeated]:
    """Yield the cells of the set, run A of `found`; `left_out` says by cell id why one was not tried here."""
    pairs = {pair.a.cell: pair for pair in found.pairs}
    lost = {one.id: (one.state, one.reason) for one in found.b.not_measured}
    for one in found.a.measured:
        name = name_of(one.cell, matrix)
        if pair := pairs.get(one.cell):
            yield Repeated(one.cell, name, pair, other_path(pair.a, pair.b, matrix))
        elif one.cell.id in left_out:
            yield Repeated(one.cell, name, reason=left_out[one.cell.id])
        else:
            state, reason = lost.get(one.cell.id, (FAILED, "it has no result"))
            told = f"{state} here: {reason.splitlines()[0]}"
            yield Repeated(one.cell, name, reason=told, failed=state == FAILED)


def only(run: Run, ids: set[str]) -> Run:
    """Return a run without the cells that were not asked for."""
    return replace(
        run,
        measured=tuple(one for one in run.measured if one.cell.id in ids),
        not_measured=tuple(one for one in run.not_measured if one.id in ids),
    )


def other_path(one: Measured, other: Measured, matrix: Matrix) -> tuple[str, ...]:
    """Return why two measurements did not run the same bytes through the same code path; empty: they did."""
    return tuple(_others(one, other, matrix))


def _others(one: Measured, other: Measured, matrix: Matrix) -> Iterator[str]:
    a, b = one.environment, other.environment
    if one.artifact["sha256"] != other.artifact["sha256"]:
        yield "another artifact"
    if one.dataset != other.dataset:
        yield f"other images ({other.dataset})"
    if a["lock"] != b["lock"]:
        names = [name for name in one.versions if one.versions[name] != other.versions.get(name)]
        yield f"other packages ({joined(names) or 'their wheels'})"
    if a["emulated"] != b["emulated"]:
        yield f"emulated {'there' if a['emulated'] else 'here'}"
    if a["threads"] != b["threads"]:
        yield f"{a['threads']} threads there, {b['threads']} here"
    if _path(one) != _path(other):
        ours, theirs = (
            highest(other.evidence["facts"]) or "unnamed",
            highest(one.evidence["facts"]) or "unnamed",
        )
        told = f"up to {theirs} there, {ours} here" if ours != theirs else "see the evidence"
        yield f"another code path ({told})"
    elif not _tells_all(one) and _levels(one, matrix) != _levels(other, matrix):
        at_first, at_last = (joined(_levels(side, matrix)) or "none" for side in (one, other))
        yield f"kernels that are not named, on other instruction sets ({at_first} there, {at_last} here)"


def _path(one: Measured) -> dict[str, Any]:
    """The kernel evidence that is the same whenever the same code ran.

    Of oneDNN's log that is which kernels it names: how often depends on what it had cached.
    """
    facts = dict(one.evidence["facts"])
    return {**facts, "onednn_kernels": sorted(facts.get("onednn_kernels", {}))}


def _tells_all(one: Measured) -> bool:
    """Whether the evidence tells the instruction set of every convolution and dense layer."""
    isa = one.evidence["facts"].get("isa") or {}
    return bool(isa.get("highest")) and not isa.get("unnamed")


def _levels(one: Measured, matrix: Matrix) -> list[str]:
    """The instruction-set levels of the CPU that measured."""
    flags = set(one.environment["cpu_flags"])
    return [isa.title for isa in matrix.isas.values() if set(isa.flags) <= flags]
