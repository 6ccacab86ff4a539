"""A comparison as HTML, Markdown, JSON and lines for the screen: nothing is computed here, only told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from bench.plan.cells import Cell
from bench.plan.matrix import Matrix
from reports.compare import judge
from reports.compare.pairs import Comparison, Only, Pair
from reports.compare.rows import by_model, code_path, ratio_axis
from reports.page.page import page, template
from reports.page.parts import Reason
from reports.run.results import Measured, Run
from reports.run.wording import counted, joined, ratio

SCHEMA = 1
# What a verdict looks like; the word itself is always beside it.
BADGES = {
    judge.FASTER: "good",
    judge.SLOWER: "bad",
    judge.HIGHER: "good",
    judge.LOWER: "bad",
    judge.INCOMPARABLE: "warn",
}


def html(found: Comparison, matrix: Matrix) -> str:
    """Return the comparison as one HTML document that needs nothing else."""
    axis = ratio_axis(found)
    return page("compare.html.j2", **_context(found), groups=by_model(found, matrix, axis), axis=axis)


def markdown(found: Comparison, matrix: Matrix) -> str:
    """Return the comparison in Markdown, for a comment or a job's summary."""
    groups = by_model(found, matrix, ratio_axis(found))
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
    order = (*judge.DECIDED, judge.UNDECIDED, judge.NOT_JUDGED, judge.INCOMPARABLE)
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
        f"The machines differ ({joined(names)}): a difference in speed between them is shown and not judged."
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
        "evidence": code_path(one),
    }


def _markdown_cell(value: object) -> str:
    """Return text that cannot break out of a Markdown table's cell, nor bring HTML of its own."""
    told = " ".join(str(value).split())
    for special, safe in {"\\": "\\\\", "|": "\\|", "<": "&lt;", "`": "\\`", "*": "\\*", "_": "\\_"}.items():
        told = told.replace(special, safe)
    return told
