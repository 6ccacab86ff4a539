"""The end of `invoke reproduce`: judge, write the page and the document, tell the screen, raise."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.common import files
from bench.common.errors import DisagreesError
from bench.plan.matrix import Matrix
from reports.compare import tell
from reports.compare.judge import INCOMPARABLE
from reports.compare.pairs import group_of, variant_of
from reports.page.page import page
from reports.reproduce.judge import (
    AGREES,
    DIFFERS,
    TOLERANCE,
    VERDICTS,
    JudgedCell,
    Reproduction,
    only,
    reproduction,
)
from reports.run.results import BASELINE, Run, read
from reports.run.wording import counted, joined

SCHEMA = 1
BADGES = {AGREES: "good", DIFFERS: "bad", INCOMPARABLE: "warn"}
SHOWN = 12  # cells named in the error; the files name all


def report(
    published: Path,
    run_dir: Path,
    matrix: Matrix,
    ids: set[str],
    left_out: Mapping[str, str],
    images: Mapping[str, str],
) -> Reproduction:
    """Compare the cells `ids` of the set `published` with the run in `run_dir`; write into `run_dir`.

    `left_out` says by cell id why a cell was not tried, `images` what an image is that is not the published
    one ("": it is). Raises DisagreesError unless every comparable cell agrees and there is one.
    """
    theirs = only(read(published), ids)
    ours = only(read(run_dir), ids) if (run_dir / "run.json").exists() else _nothing(theirs, run_dir)
    found = reproduction(
        theirs, ours, matrix, left_out, {name: told for name, told in images.items() if told}
    )
    for name, text in (
        ("reproduction.html", html(found, matrix)),
        ("reproduction.json", json.dumps(document(found), indent=1, ensure_ascii=False) + "\n"),
        ("comparison.html", tell.html(found.comparison, matrix)),
    ):
        files.replace(run_dir / name, text)
    _show(found, run_dir / "reproduction.html")
    _decide(found)
    return found


def _nothing(published: Run, run_dir: Path) -> Run:
    """The run of a machine on which no cell could be tried."""
    facts: dict[str, Any] = {"host": {}, "engine": {}, "kit": {}}
    return Run(
        run_dir, run_dir.name, published.platform, published.profile, False, False, facts, (), (), (), (), ()
    )


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
        "comparison": tell.document(found.comparison),
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


def _show(found: Reproduction, path: Path) -> None:
    console = Console()

    def say(words: str) -> None:
        console.print(words, markup=False, highlight=False, soft_wrap=True)

    for word in (DIFFERS, INCOMPARABLE):
        reasons: dict[str, list[str]] = {}
        for one in found.cells:
            if one.verdict == word:
                reasons.setdefault(one.reason, []).append(one.name)
        for reason, names in reasons.items():
            say(f"{word} ({counted(len(names), 'cell')}): {reason}")
            for name in names[:SHOWN]:
                say(f"  {name}")
            if len(names) > SHOWN:
                say(f"  and {len(names) - SHOWN} more")
    say(f"{summary(found)} Report: {path}")


def _decide(found: Reproduction) -> None:
    bad = [f"{one.name}: {one.reason}" for one in found.cells if one.verdict == DIFFERS]
    if bad:
        more = [f"and {len(bad) - SHOWN} more"] if len(bad) > SHOWN else []
        lines = "\n   ".join([*bad[:SHOWN], *more])
        raise DisagreesError(f"{counted(len(bad), 'cell')} of the published set not reproduced:\n   {lines}")
    if not found.count(AGREES):
        raise DisagreesError(
            "no cell of the published set is comparable here",
            remedy="the report says why; the same instruction sets, packages and artifacts are needed",
        )
