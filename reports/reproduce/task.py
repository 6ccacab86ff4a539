"""The end of `invoke reproduce`: judge, write the page and the document, tell the screen, raise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.common import files
from bench.common.errors import DisagreesError
from bench.plan.matrix import Matrix
from reports.compare.judge import INCOMPARABLE
from reports.reproduce import tell
from reports.reproduce.judge import AGREES, DIFFERS, Reproduction, judge
from reports.reproduce.pairs import only
from reports.run.reading import read
from reports.run.results import Run
from reports.run.wording import counted

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
    found = judge(theirs, ours, matrix, left_out, {name: told for name, told in images.items() if told})
    for name, text in tell.written(found, matrix).items():
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
    say(f"{tell.summary(found)} Report: {path}")


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
