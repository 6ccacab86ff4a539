"""Instruction sets (Figure 7): what INT8 gains over FP32 under each ISA cap, and proof of the cap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from bench.plan.matrix import Matrix
from bench.runtimes.isa import NATIVE
from reports.chapter.steps import Series, Step, by_framework, chart, series
from reports.chapter.timings import Block
from reports.run.chapters import Chapter, Variant, isa_rank, isa_title
from reports.run.kernels import highest_isa
from reports.run.wording import NOT_RECORDED, joined, ratio, title


@dataclass(frozen=True)
class IsaRow:
    """A quantized variant under one cap: the ISA its kernels and FP32's show, a step a scenario."""

    name: str
    fp32: str
    cap: str
    seen: str
    seen_fp32: str
    steps: tuple[Step | None, ...]


@dataclass(frozen=True)
class IsaView:
    """A family of chapters side by side. `charts` are (framework and scenario, SVG); `told` sentences;
    `without` are the frameworks that cannot be capped, with their reasons."""

    id: str
    title: str
    scenarios: tuple[Block, ...]
    rows: tuple[IsaRow, ...]
    charts: tuple[tuple[str, Markup], ...]
    told: tuple[str, ...]
    without: tuple[tuple[str, str], ...]

    @property
    def by_name(self) -> list[tuple[str, list[IsaRow]]]:
        """The rows of each variant: (its name, its rows)."""
        return [(name, list(rows)) for name, rows in groupby(self.rows, key=lambda row: row.name)]

    def covers(self, block: Block) -> bool:
        """Whether every variant of `block` is compared here, so that it need not be told in full again."""
        names = {row.name for row in self.rows} | {row.fp32 for row in self.rows}
        return {row.variant.name for row in block.rows} <= names


def isa_view(family: Sequence[tuple[Chapter, Sequence[Block]]], matrix: Matrix) -> IsaView | None:
    """Compare the chapters of a family, each with one block a scenario; None where nothing is compared."""
    ordered = sorted(family, key=lambda pair: isa_rank(matrix, pair[0].setting.isa))
    scenarios = {block.scenario: block for _, blocks in ordered for block in blocks}
    found = {
        name: series(
            [
                (isa_title(matrix, chapter.setting.isa), block)
                for chapter, blocks in ordered
                for block in blocks
                if block.scenario == name
            ]
        )
        for name in matrix.scenarios
        if name in scenarios
    }
    if not any(found.values()):
        return None
    name = f"{title(matrix.models, ordered[0][0].setting.model)} by instruction set"
    anchor = f"{family[0][0].anchor}-by-isa"
    return IsaView(
        anchor,
        name,
        tuple(scenarios[one] for one in found),
        _rows([chapter for chapter, _ in ordered], found, matrix),
        _charts(anchor, name, found, scenarios, matrix),
        _told(found, scenarios, matrix),
        tuple((one.title, one.uncapped) for one in matrix.frameworks.values() if one.uncapped),
    )


def _rows(
    ordered: Sequence[Chapter], found: dict[str, tuple[Series, ...]], matrix: Matrix
) -> tuple[IsaRow, ...]:
    names = dict.fromkeys((one.framework, one.method) for group in found.values() for one in group)
    rows = []
    for framework, method in names:
        for chapter in ordered:
            variant = chapter.find(framework, method)
            if variant is None:
                continue
            cap = isa_title(matrix, chapter.setting.isa)
            steps = tuple(_step(group, framework, method, cap) for group in found.values())
            base = chapter.baseline(framework)
            rows.append(
                IsaRow(
                    variant.name,
                    base.name if base else "",
                    cap,
                    _seen(variant, matrix),
                    _seen(base, matrix) if base else "",
                    steps,
                )
            )
    return tuple(rows)


def _step(group: Sequence[Series], framework: str, method: str, label: str) -> Step | None:
    for one in group:
        if (one.framework, one.method) == (framework, method):
            return next((step for step in one.steps if step.label == label), None)
    return None


def _seen(variant: Variant, matrix: Matrix) -> str:
    """Return the highest ISA that the variant's kernels show, over all its cells."""
    seen = dict.fromkeys(highest_isa(one.evidence["facts"], matrix) for one in variant.measured)
    return joined(one for one in seen if one) or NOT_RECORDED


def _charts(
    anchor: str, name: str, found: dict[str, tuple[Series, ...]], scenarios: dict[str, Block], matrix: Matrix
) -> tuple[tuple[str, Markup], ...]:
    """Return the charts by framework, then by scenario."""
    drawn: dict[str, list[tuple[str, Markup]]] = {}
    for scenario, group in found.items():
        for framework, of in by_framework(group):
            label = f"{framework}, {scenarios[scenario].title}"
            part = f"{anchor}-{of[0].framework}-{scenario.lower()}"
            svg = chart(part, f"{name}, {label}", of, list(matrix.methods), linked=False)
            if svg:
                drawn.setdefault(framework, []).append((label, svg))
    return tuple(one for charts in drawn.values() for one in charts)


def _told(
    found: dict[str, tuple[Series, ...]], scenarios: dict[str, Block], matrix: Matrix
) -> tuple[str, ...]:
    """Return one sentence a quantized variant, on Offline where there is one, as the paper does."""
    offline = [name for name, block in scenarios.items() if block.throughput]
    chosen = [*offline, *found][0]
    told = []
    for one in found[chosen]:
        gains = [
            f"{ratio(step.gain)} {_under(step.label, matrix)}{'' if step.valid else ' (not VALID)'}"
            + (f" ({step.slowed})" if step.slowed else "")
            for step in one.steps
            if step.row.speedup
        ]
        if gains:
            told.append(f"{one.name} over FP32, {scenarios[chosen].title}: {joined(gains)}.")
    return tuple(told)


def _under(label: str, matrix: Matrix) -> str:
    return "without a cap" if label == isa_title(matrix, NATIVE) else f"capped to {label}"
