"""Two synthetic runs to compare, FOR TESTS ONLY: one is the other with planted changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fixtures_results as fixtures

from bench.plan.cells import Cell, Filters
from reports.compare.judge import Limits
from reports.compare.pairs import Comparison, Pair, compare
from reports.run.reading import read

ONE_FRAMEWORK = Filters(frameworks=("openvino",), models=("mobilenet_v2",))
Document = dict[str, Any]


def runs(folder: Path, filters: Filters = ONE_FRAMEWORK) -> tuple[Path, Path]:
    """Write the runs "a" and "b", alike to the byte."""
    return fixtures.write_run(folder / "a", filters=filters), fixtures.write_run(
        folder / "b", filters=filters
    )


def alter(
    run: Path, mend: Callable[[Document], None], wanted: Callable[[Cell], bool] = lambda _: True
) -> None:
    """Change the result documents of the wanted cells in place."""
    for path in (run / "cells").glob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        if wanted(Cell(**document["cell"])):
            mend(document)
            path.write_text(json.dumps(document), encoding="utf-8")


def slow_down(*factors: float) -> Callable[[Document], None]:
    """Make round after round slower: as many rounds as factors, of the first round's figures."""

    def mend(document: Document) -> None:
        first = document["rounds"][0]
        document["rounds"] = [
            {
                **first,
                "round": number,
                "samples_per_second": first["samples_per_second"] / factor,
                "latency_ns": first["latency_ns"]
                and {name: value * factor for name, value in first["latency_ns"].items()},
            }
            for number, factor in enumerate(factors, 1)
        ]

    return mend


def rename(run: Path, **cell: str) -> None:
    """Give every cell of a run another platform or stack, in its results and in run.json."""
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    for path in list((run / "cells").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        document["cell"].update(cell)
        document["id"] = Cell(**document["cell"]).id
        fixtures.save(run, document["id"], document)
    for row in facts["planned"]:
        row.update(cell)
        row["id"] = Cell(**{name: value for name, value in row.items() if name != "id"}).id
    facts["platform"] = cell.get("platform", facts["platform"])
    (run / "run.json").write_text(json.dumps(facts), encoding="utf-8")


def compared(a: Path, b: Path, **limits: float) -> Comparison:
    """Compare two run folders by the project's own matrix."""
    return compare(read(a), read(b), fixtures.matrix(), Limits(**limits))


def pair(found: Comparison, method: str, scenario: str) -> Pair:
    """The pair of this method and scenario."""
    (one,) = (p for p in found.pairs if (p.a.cell.method, p.a.cell.scenario) == (method, scenario))
    return one
