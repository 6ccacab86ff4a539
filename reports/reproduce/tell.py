"""A reproduction as HTML and JSON: nothing is computed here, only told."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict
from typing import Any

from bench.plan.matrix import Matrix
from reports.compare import tell as comparison
from reports.compare.judge import INCOMPARABLE
from reports.compare.pairs import group_of, variant_of
from reports.page.page import page
from reports.reproduce.judge import AGREES, DIFFERS, TOLERANCE, VERDICTS, JudgedCell, Reproduction
from reports.run.results import BASELINE
from reports.run.wording import counted, joined

SCHEMA = 1
BADGES = {AGREES: "good", DIFFERS: "bad", INCOMPARABLE: "warn"}


def written(found: Reproduction, matrix: Matrix) -> dict[str, str]:
    """Return the files of a reproduction by name; the runs are compared as `invoke compare` does it."""
    return {
        "reproduction.html": html(found, matrix),
        "reproduction.json": json.dumps(document(found), indent=1, ensure_ascii=False) + "\n",
        "comparison.html": comparison.html(found.comparison, matrix),
    }


def html(found: Reproduction, matrix: Matrix) -> str:
    """Return the side-by-side page, which needs nothing else."""
    groups: dict[str, list[JudgedCell]] = {}
    for one in found.cells:
        groups.setdefault(group_of(one.cell, matrix), []).append(one)
    return page(
        "reproduction.html.j2",
        found=found,
        a=found.comparison.a,
        b=found.comparison.b,
        groups=groups,
        summary=summary(found),
        badges=BADGES,
        verdicts=VERDICTS,
        agrees=AGREES,
        differs=DIFFERS,
        baseline=BASELINE,
        tolerance=TOLERANCE,
        median=statistics.median,
        variant=lambda one: variant_of(one.cell, matrix),
    )


def summary(found: Reproduction) -> str:
    """Return the outcome in a sentence."""
    words = {
        AGREES: ("agrees", "agree"),
        DIFFERS: ("differs", "differ"),
        INCOMPARABLE: ("is not comparable", "are not comparable"),
    }
    counts = [f"{n} {words[word][n != 1]}" for word in VERDICTS if (n := found.count(word))]
    return f"Of {counted(len(found.cells), 'published cell')} {joined(counts)}."


def document(found: Reproduction) -> dict[str, Any]:
    """Return the outcome as a JSON document; a ratio is here over there, in speed."""
    return {
        "schema": SCHEMA,
        "kind": "edgequant reproduction",
        "tolerance": TOLERANCE,
        "counts": {word: found.count(word) for word in VERDICTS},
        "images": dict(found.images),
        "cells": [_cell(one) for one in found.cells],
        "comparison": comparison.document(found.comparison),
    }


def _cell(one: JudgedCell) -> dict[str, Any]:
    gain, speed = (one.pair.gain, one.pair.speed) if one.pair else (None, None)
    test = speed.test if speed else None
    return {
        "id": one.cell.id,
        "name": one.name,
        "verdict": one.verdict,
        "outputs": asdict(one.outputs),
        "speedup": {**asdict(one.speedup), "over_fp32": gain and asdict(gain)},
        "speed": speed and {"ratio": speed.ratio, "low": test and test.low, "high": test and test.high},
    }
