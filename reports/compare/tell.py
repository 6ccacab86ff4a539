"""A comparison as HTML, Markdown, JSON and lines for the screen: nothing is computed here, only told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from markupsafe import Markup

from bench.plan.cells import Cell
from bench.plan.matrix import Matrix
from reports.compare import judge
from reports.compare.pairs import Comparison, Only, Pair, group_of, variant_of
from reports.drawing import interval
from reports.page.page import page, template
from reports.page.parts import Reason
from reports.run import wording
from reports.run.results import Agreement, Measured, Run
from reports.run.wording import counted, decimals_for, joined, ratio
from reports.stats.by_round import Summary, summarize

SCHEMA = 1
# What a verdict looks like; the word itself is always beside it.
BADGES = {
    judge.FASTER: "good",
    judge.SLOWER: "bad",
    judge.HIGHER: "good",
    judge.LOWER: "bad",
    judge.INCOMPARABLE: "warn",
}


@dataclass(frozen=True)
class PairRow:
    """One pair: its medians, in the unit of its block, and its ratio drawn."""

    pair: Pair
    variant: str
    a: Summary | None
    b: Summary | None
    drawing: Markup


@dataclass(frozen=True)
class ScenarioPairs:
    """The pairs of one scenario at one batch, whose metric has `decimals`."""

    title: str
    batch: int
    label: str
    unit: str
    decimals: int
    rows: tuple[PairRow, ...]


@dataclass(frozen=True)
class ModelPairs:
    """The pairs of one model with its weights under one ISA cap."""

    title: str
    anchor: str
    blocks: tuple[ScenarioPairs, ...]
    variants: tuple[VariantPair, ...]

    @property
    def rows(self) -> tuple[PairRow, ...]:
        """The rows of all blocks."""
        return tuple(row for block in self.blocks for row in block.rows)


@dataclass(frozen=True)
class VariantPair:
    """What does not depend on the scenario: artifact, worst agreement with FP32, kernel evidence.

    `paths` are the code paths seen in A and in B, one a different scenario at most.
    """

    name: str
    a: Measured
    b: Measured
    agreements: tuple[Agreement | None, Agreement | None]
    paths: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def same_artifact(self) -> bool:
        """Whether both ran the same bytes."""
        return bool(self.a.artifact["sha256"] == self.b.artifact["sha256"])

    @property
    def same_path(self) -> bool:
        """Whether the frameworks told the same of both."""
        return self.paths[0] == self.paths[1]


def html(found: Comparison, matrix: Matrix) -> str:
    """Return the comparison as one HTML document that needs nothing else."""
    axis = _axis(found)
    groups = _groups(found, matrix, axis)
    return page("compare.html.j2", **_context(found), groups=groups, axis=axis)


def markdown(found: Comparison, matrix: Matrix) -> str:
    """Return the comparison in Markdown, for a comment or a job's summary."""
    groups = _groups(found, matrix, _axis(found))
    told = template("compare.md.j2", escape=False, md=_markdown_cell)
    return told.render(**_context(found), groups=groups)


def document(found: Comparison) -> dict[str, Any]:
    """Return the comparison as a JSON document: every ratio is B over A in speed."""
    return {
        "schema": SCHEMA,
        "kind": "edgequant comparison",
        "ratio": "B over A in speed: above 1, B is faster",
        "limits": {
            **asdict(found.limits),
            "accuracy_kept": judge.ACCURACY_KEPT,
            "min_rounds": judge.MIN_ROUNDS,
        },
        "a": _run(found.a),
        "b": _run(found.b),
        "tested": found.tested,
        "typical_ratio": found.typical,
        "failures": found.failures(),
        "differences": [asdict(one) for one in found.differences],
        "cells": [_cell(one) for one in found.pairs],
        "only": [{"run": one.run, "cell": asdict(one.cell), "reason": one.reason} for one in found.only],
    }


def summary(found: Comparison) -> str:
    """Return the comparison in a sentence or two."""
    if not found.pairs:
        return "No cell was measured by both runs."
    words = {judge.SAME: "the same"}
    order = (*judge.DECIDED, judge.UNDECIDED, judge.INCOMPARABLE)
    counts = [f"{words.get(verdict, verdict)} in {n}" for verdict in order if (n := found.count(verdict))]
    told = f"{counted(len(found.pairs), 'cell')} measured by both: B is {joined(counts)}."
    changes = [one.answers.verdict for one in found.pairs if one.answers.change]
    if not changes:
        return f"{told} Accuracy could be compared in none."
    counts = [f"{verdict} in {n}" for verdict in (judge.LOWER, judge.HIGHER) if (n := changes.count(verdict))]
    return f"{told} Accuracy was compared in {len(changes)}: {joined(counts) or judge.NO_CHANGE}."


def elsewhere(found: Comparison) -> str:
    """Return the warning that the machines differ, "" where they do not."""
    names = list(dict.fromkeys(name for one in found.pairs for name in one.elsewhere))
    if not names:
        return ""
    return (
        f"The machines differ ({joined(names)}): a difference in speed between them is no regression and "
        "does not fail the comparison."
    )


def drift(found: Comparison) -> str:
    """Return what the middle of all ratios says, "" where there are too few to speak of a middle."""
    if found.typical is None or len(found.pairs) < 4:
        return ""
    told = f"Over all cells the median ratio is {ratio(found.typical)}"
    if max(found.typical, 1 / found.typical) <= 1 + found.limits.threshold:
        return f"{told}."
    return (
        f"{told}: something common to them may have changed, such as the load of the machine. Measure both "
        "again, one right after the other, before you believe a verdict."
    )


def _context(found: Comparison) -> dict[str, Any]:
    return {
        "found": found,
        "a": found.a,
        "b": found.b,
        "limits": found.limits,
        "summary": summary(found),
        "elsewhere": elsewhere(found),
        "drift": drift(found),
        "only": _only(found.only),
        "badges": BADGES,
        "judge": judge,
    }


def _axis(found: Comparison) -> interval.LogAxis:
    bounds: list[float] = []
    for one in found.pairs:
        test = one.speed.test
        bounds += [one.speed.ratio] if one.speed.ratio else []
        bounds += [test.low, test.high] if test else []
    return interval.log_axis(bounds, found.limits.threshold)


def _groups(found: Comparison, matrix: Matrix, axis: interval.LogAxis) -> tuple[ModelPairs, ...]:
    grouped: dict[str, list[Pair]] = {}
    for one in found.pairs:
        grouped.setdefault(group_of(one.a.cell, matrix), []).append(one)
    return tuple(
        ModelPairs(title, f"cells-{number}", _blocks(pairs, matrix, axis), _variants(pairs, matrix))
        for number, (title, pairs) in enumerate(grouped.items(), 1)
    )


def _blocks(pairs: Iterable[Pair], matrix: Matrix, axis: interval.LogAxis) -> tuple[ScenarioPairs, ...]:
    blocks = []
    for (scenario, batch), of in groupby(pairs, key=lambda one: (one.a.cell.scenario, one.a.cell.batch)):
        rows = tuple(_row(one, matrix, axis) for one in of)
        speed = rows[0].pair.speed
        shown = [side.median for row in rows for side in (row.a, row.b) if side]
        name = wording.title(matrix.scenarios, scenario)
        blocks.append(ScenarioPairs(name, batch, speed.label, speed.unit, decimals_for(shown), rows))
    return tuple(blocks)


def _row(one: Pair, matrix: Matrix, axis: interval.LogAxis) -> PairRow:
    speed = one.speed
    drawing = Markup("")
    if speed.ratio:
        low, high = (speed.test.low, speed.test.high) if speed.test else (None, None)
        decided = speed.verdict in judge.DECIDED
        drawing = interval.draw(speed.ratio, low, high, decided, axis)
    return PairRow(one, variant_of(one.a.cell, matrix), summarize(speed.a), summarize(speed.b), drawing)


def _variants(pairs: Iterable[Pair], matrix: Matrix) -> tuple[VariantPair, ...]:
    grouped: dict[str, list[Pair]] = {}
    for one in pairs:
        grouped.setdefault(variant_of(one.a.cell, matrix), []).append(one)
    return tuple(_variant(name, of) for name, of in grouped.items())


def _variant(name: str, pairs: list[Pair]) -> VariantPair:
    sides = ([one.a for one in pairs], [one.b for one in pairs])
    worst = [
        max((one.agreement for one in side if one.agreement), key=lambda one: one.max_abs_diff, default=None)
        for side in sides
    ]
    paths = [tuple(dict.fromkeys(_path(one) for one in side)) for side in sides]
    return VariantPair(name, pairs[0].a, pairs[0].b, (worst[0], worst[1]), (paths[0], paths[1]))


def _path(one: Measured) -> str:
    return "; ".join([one.evidence["summary"], *(f"warning: {told}" for told in one.evidence["warnings"])])


def _only(cells: Iterable[Only]) -> dict[str, list[Reason]]:
    """Return the cells of only one run, by run and reason."""
    found: dict[str, dict[str, list[str]]] = {"A": {}, "B": {}}
    for one in cells:
        found[one.run].setdefault(one.reason, []).append(one.name)
    return {
        run: [Reason(f"only in {run}", reason, tuple(names)) for reason, names in reasons.items()]
        for run, reasons in found.items()
    }


def _run(run: Run) -> dict[str, Any]:
    kit = run.facts.get("kit") or {}
    return {
        "folder": run.path.name,
        "run": run.name,
        "platform": run.platform,
        "profile": run.profile,
        "updated": run.facts.get("updated"),
        "revision": kit.get("revision"),
        "dirty": kit.get("dirty"),
    }


def _cell(one: Pair) -> dict[str, Any]:
    return {
        "cell": {name: value for name, value in asdict(one.a.cell).items() if name in _KIND},
        "name": one.name,
        "a": _side(one.a),
        "b": _side(one.b),
        "machine_differs": one.elsewhere,
        "speed": asdict(one.speed),
        "speedup_over_fp32": one.gain and asdict(one.gain),
        "accuracy": {
            "verdict": one.answers.verdict,
            "reason": one.answers.reason,
            "change": one.answers.change and asdict(one.answers.change),
        },
        "regressed": one.regressed,
    }


_KIND = tuple(name for name in Cell.__dataclass_fields__ if name not in ("platform", "stack"))


def _side(one: Measured) -> dict[str, Any]:
    found = one.accuracy
    return {
        "id": one.cell.id,
        "platform": one.cell.platform,
        "stack": one.cell.stack,
        "artifact": dict(one.artifact),
        "accuracy": found and {"samples": found.samples, "top1": found.top1, "top5": found.top5},
        "agreement": one.agreement and asdict(one.agreement),
        "evidence": _path(one),
    }


def _markdown_cell(value: object) -> str:
    """Return text that cannot break out of a Markdown table's cell, nor bring HTML of its own."""
    told = " ".join(str(value).split())
    for special, safe in {"\\": "\\\\", "|": "\\|", "<": "&lt;", "`": "\\`", "*": "\\*", "_": "\\_"}.items():
        told = told.replace(special, safe)
    return told
