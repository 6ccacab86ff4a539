"""How much of Table III a run measured."""

from __future__ import annotations

from dataclasses import dataclass

from bench.plan.matrix import Matrix
from reports.run.chapters import Chapter


@dataclass(frozen=True)
class Grid:
    """Table III of this run: `rows` are (method title, one state a framework)."""

    title: str
    frameworks: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def grid(chapter: Chapter, matrix: Matrix) -> Grid:
    """Return how much of every framework x method of `chapter` was measured."""
    variants = {(one.framework, one.method): one for one in chapter.variants}
    rows = []
    for method in matrix.methods:
        states = []
        for framework in matrix.frameworks:
            one = variants.get((framework, method))
            if one:
                states.append(f"{len(one.measured)} of {len(one.measured) + len(one.missing)} cells")
            else:
                exists = matrix.reason_impossible(framework, method) is None
                states.append("not asked for" if exists else "cannot exist")
        rows.append((method, tuple(states)))
    return Grid(chapter.title, tuple(one.title for one in matrix.frameworks.values()), tuple(rows))
