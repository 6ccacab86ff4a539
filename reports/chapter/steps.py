"""One dimension taken through its values (batch, ISA cap): each quantized variant beside its own FP32.

Shared by Figure 6 (by_batch.py) and Figure 7 (by_isa.py). A step is one value of the dimension in one
scenario, told by a timings.Block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from reports.chapter.timings import Block, Row, bar
from reports.drawing import charts
from reports.run.results import BASELINE
from reports.run.wording import significant


@dataclass(frozen=True)
class Step:
    """A quantized variant and its framework's FP32 at one value, `label`, of the dimension.

    `decimals` are those of the metric in a column of all steps.
    """

    label: str
    decimals: int
    block: Block
    row: Row
    base: Row | None

    @property
    def valid(self) -> bool:
        """Whether both were measured in common rounds and LoadGen called every round VALID."""
        return bool(self.row.speedup and self.row.valid and self.base and self.base.valid)

    @property
    def slowed(self) -> str:
        """What slowed the machine during one of the two, with its sign; "" where nothing is known to."""
        return self.row.slowed or (self.base.slowed if self.base else "")

    @property
    def gain(self) -> float:
        """The speedup over FP32; 0 where there is none."""
        return self.row.speedup.value if self.row.speedup else 0.0


@dataclass(frozen=True)
class Series:
    """A quantized variant along the dimension; a value that was not planned has no step."""

    framework: str
    framework_title: str
    name: str
    steps: tuple[Step, ...]

    @property
    def method(self) -> str:
        """The quantization method."""
        return self.steps[0].row.variant.method

    @property
    def best(self) -> Step | None:
        """The step of the largest speedup, None where no step is VALID."""
        return max((one for one in self.steps if one.valid), key=lambda one: one.gain, default=None)


def series(blocks: Sequence[tuple[str, Block]]) -> tuple[Series, ...]:
    """Return every quantized variant that has two steps or more in `blocks`, (label, block) in order."""
    found: dict[tuple[str, str], list[Step]] = {}
    decimals = min((b.rate_decimals if b.throughput else b.decimals for _, b in blocks), default=0)
    for label, block in blocks:
        rows = {(row.variant.framework, row.variant.method): row for row in block.rows}
        for (framework, method), row in rows.items():
            if method != BASELINE:
                step = Step(label, decimals, block, row, rows.get((framework, BASELINE)))
                found.setdefault((framework, method), []).append(step)
    return tuple(
        Series(framework, steps[0].row.variant.framework_title, steps[0].row.variant.name, tuple(steps))
        for (framework, _), steps in found.items()
        if len(steps) > 1
    )


def by_framework(found: Sequence[Series]) -> list[tuple[str, list[Series]]]:
    """Return the series of each framework: (its title, its series)."""
    grouped: dict[str, list[Series]] = {}
    for one in found:
        grouped.setdefault(one.framework_title, []).append(one)
    return list(grouped.items())


def chart(anchor: str, name: str, of: Sequence[Series], methods: list[str], linked: bool) -> Markup:
    """Return the chart of one framework's series: bars by step, speedups as diamonds on the second axis.

    `linked` joins the diamonds of a method by a line. Empty where nothing was measured.
    """
    labels = dict.fromkeys(step.label for one in of for step in one.steps)
    bars = [one for label in labels for one in _group(label, of, methods)]
    block = of[0].steps[0].block
    if not any(one.value for one in bars):
        return Markup("")
    better = "higher" if block.throughput else "lower"
    told = "; ".join(f"{one.name} at {step.label}: {_told(step)}" for one in of for step in one.steps)
    return charts.draw(
        charts.Chart(
            id=f"chart-{anchor}",
            title=f"{name}: {block.metric_label} and speedup over FP32",
            description=f"Grouped bars, {better} is better; diamonds are speedups. {told}.",
            y_label=f"{block.metric_label} ({block.unit}), {better} is better",
            marker_label=f"speedup over {BASELINE}",
            marker_unit=charts.TIMES,
            reference=1.0,
            linked=charts.BY_LABEL if linked else "",
            bars=bars,
        )
    )


def _group(label: str, of: Sequence[Series], methods: list[str]) -> list[charts.Bar]:
    """Return the bars of one step: FP32, then each method."""
    steps = [step for one in of for step in one.steps if step.label == label]
    base = steps[0].base
    bars = [bar(steps[0].block, base, methods)] if base else []
    for step in steps:
        gain = step.row.speedup
        marker = charts.Marker(gain.value, gain.low, gain.high) if gain else None
        bars.append(replace(bar(step.block, step.row, methods), marker=marker))
    return [replace(one, group=label) for one in bars]


def _told(step: Step) -> str:
    return f"{significant(step.gain)} times FP32" if step.gain else "not measured"
