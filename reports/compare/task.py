"""`invoke compare A B`: find the two runs, compare them, write what was asked for, show a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.common import files
from bench.common.errors import RegressionError, UsageError, unknown
from bench.plan import reading
from bench.plan.matrix import Matrix
from reports.compare import judge, tell
from reports.compare.judge import Limits
from reports.compare.pairs import Comparison, Pair, compare, group_of, variant_of
from reports.run.reading import read
from reports.run.wording import counted, ratio

# What can be written, by suffix.
FORMATS: Mapping[str, Callable[[Comparison, Matrix], str]] = {
    "html": tell.html,
    "json": lambda found, _: json.dumps(tell.document(found), indent=1, ensure_ascii=False) + "\n",
    "md": tell.markdown,
}
USUAL = ("html", "json")
COLOURS = {judge.FASTER: "green", judge.SLOWER: "red", judge.LOWER: "red", judge.HIGHER: "green"}
SHOWN = 12  # failures named in the error; the files name all


def compare_runs(
    root: Path, names: tuple[str, str], threshold: float, chosen: Sequence[str], strict: bool
) -> None:
    """Compare the runs called `names` (A, B) and write out/compare-A-B with the `chosen` suffixes of FORMATS.

    Without a choice it is HTML and JSON. `threshold` is in per cent.
    Raises RegressionError when B is slower or less accurate, UsageError when nothing can be compared.
    """
    if not 0 <= threshold < 100:
        raise UsageError(f"{threshold:g} is not a change in per cent from 0 to 100", where="--threshold")
    matrix = reading.load(root / "matrix.toml")
    paths = [locate(root, name) for name in names]
    if paths[0].samefile(paths[1]):
        raise UsageError(f"A and B are the same folder, {paths[0].name}", where="compare")
    found = compare(read(paths[0]), read(paths[1]), matrix, Limits(threshold / 100))
    console = Console()
    _show(console, found, matrix)
    for suffix in chosen or USUAL:
        target = root / "out" / f"compare-{paths[0].name}-{paths[1].name}.{suffix}"
        files.replace(target, FORMATS[suffix](found, matrix))
        console.print(f"wrote {target}", soft_wrap=True, markup=False, highlight=False)
    if not found.pairs:
        raise UsageError(
            "no kind of cell was measured by both runs",
            where="compare",
            remedy="compare runs that share framework, model, weights, method, scenario, batch and ISA cap",
        )
    if failures := found.failures(strict):
        more = [f"and {len(failures) - SHOWN} more"] if len(failures) > SHOWN else []
        what = "not shown to hold up in B" if strict else "slower or less accurate in B"
        lines = [f"{counted(len(failures), 'cell')} {what}", *failures[:SHOWN], *more]
        raise RegressionError("\n   ".join(lines))


def locate(root: Path, name: str) -> Path:
    """Return the folder of a run: of out/, a path, or of reports/published/; UsageError for none."""
    shelves = (root / "out", root / "reports" / "published")
    for path in (shelves[0] / name, Path(name).expanduser(), shelves[1] / name):
        if (path / "run.json").is_file():
            return path.resolve()
    known = [path.parent.name for shelf in shelves for path in shelf.glob("*/run.json")]
    raise UsageError(
        unknown("run", name, known),
        where="compare",
        remedy="name a folder of out/ or reports/published/, or give a path that holds run.json and cells/",
    )


def _show(console: Console, found: Comparison, matrix: Matrix) -> None:
    for group, pairs in groupby(found.pairs, key=lambda one: group_of(one.a.cell, matrix)):
        console.print(_table(group, list(pairs), matrix))
    for row in found.differences:
        console.print(f"differs, {row.name}: {row.a} -> {row.b}", markup=False, highlight=False)
    if found.only:
        console.print(f"{counted(len(found.only), 'cell')} in one run only; the files say which and why")
    for line in (tell.elsewhere(found), tell.drift(found), tell.summary(found)):
        if line:
            console.print(line, markup=False, highlight=False)


def _table(group: str, pairs: list[Pair], matrix: Matrix) -> Table:
    """Return the verdicts of a group, a column for each scenario; the reasons are in the files."""
    columns = list(dict.fromkeys(_scenario(one) for one in pairs))
    told = {(variant_of(one.a.cell, matrix), _scenario(one)): _verdict(one) for one in pairs}
    title = f"{group}: speed of B over A (above 1: B is faster)"
    table = Table("", *columns, title=escape(title), title_justify="left", pad_edge=False)
    for variant in dict.fromkeys(variant for variant, _ in told):
        table.add_row(escape(variant), *(told.get((variant, column), "") for column in columns))
    return table


def _scenario(one: Pair) -> str:
    return f"{one.a.cell.scenario} b{one.a.cell.batch}"


def _verdict(one: Pair) -> str:
    words = [ratio(one.speed.ratio)] if one.speed.ratio else []
    words.append(_coloured(one.speed.verdict))
    if one.answers.verdict in (judge.LOWER, judge.HIGHER):
        words.append(f"(top-1 {_coloured(one.answers.verdict)})")
    return " ".join(words)


def _coloured(verdict: str) -> str:
    colour = COLOURS.get(verdict)
    return f"[{colour}]{verdict}[/]" if colour else verdict
