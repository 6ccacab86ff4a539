"""Kernel evidence by variant: which code path ran, and the highest instruction set it shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.plan.matrix import Matrix
from reports.run.chapters import Chapter, Variant
from reports.run.results import Measured
from reports.run.wording import joined


@dataclass(frozen=True)
class CodePath:
    """Which code path ran, for the scenarios in which it was the same one.

    `isa` is the highest instruction set seen, "" where the framework does not show it.
    """

    variant: Variant
    scenarios: str
    summary: str
    warnings: tuple[str, ...]
    isa: str
    facts: str


def code_paths(chapter: Chapter, matrix: Matrix) -> tuple[CodePath, ...]:
    """Return one row for each different code path of each variant."""
    return tuple(row for variant in chapter.variants for row in _rows(variant, matrix))


def highest(facts: Mapping[str, Any]) -> str:
    """Return the highest level of the evidence, by its name in bench/runtimes/isa.py; "" for none."""
    isa = facts.get("isa")
    return str(isa.get("highest") or "") if isinstance(isa, Mapping) else ""


def highest_isa(facts: Mapping[str, Any], matrix: Matrix) -> str:
    """Return the highest level of the evidence, as the matrix titles it; "" for none."""
    name = highest(facts)
    level = matrix.isas.get(name.upper())
    return level.title if level else name


def _rows(variant: Variant, matrix: Matrix) -> list[CodePath]:
    paths: dict[tuple[str, tuple[str, ...], str, str], list[str]] = {}
    for one in variant.measured:
        facts = one.evidence["facts"]
        told = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False)
        path = (
            one.evidence["summary"],
            tuple(one.evidence["warnings"]),
            highest_isa(facts, matrix),
            told,
        )
        paths.setdefault(path, []).append(_scenario(one))
    return [CodePath(variant, joined(names), *path) for path, names in paths.items()]


def _scenario(one: Measured) -> str:
    return f"{one.cell.scenario} (batch {one.cell.batch})"
