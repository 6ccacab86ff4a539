"""Inline SVG in the style of the paper's figures: grouped bars, markers on a second axis.

No script and no style attribute: colours are classes of page/templates/style.css, so charts follow
light, dark and print. Every bar carries its method and value as text, and a pattern of its own, so
that nothing hangs on colour. All lengths are SVG user units (CSS pixels at full size).
"""

from __future__ import annotations

import re
import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from reports.drawing.axes import Scale, nice_ticks
from reports.drawing.patterns import SLOTS

PITCH, WIDTH, GAP = 54.0, 36.0, 22.0  # of bars, and between groups
LEFT, RIGHT, TOP, PLOT, BOTTOM = 58.0, 58.0, 30.0, 210.0, 50.0
BAND = 0.42  # part of the plot kept for the markers, so that they never lie on bars
LINE, LETTER = 14.0, 8.0  # height of a line and width of a letter of a group's name
MARK = 11  # letters of a mark that fit under a bar
CLIP = 5.0  # a bar beyond this many medians is cut, and says so
PERCENT, TIMES = " %", "\N{MULTIPLICATION SIGN}"  # units of the second axis
BY_GROUP, BY_LABEL = "group", "label"  # which markers a line joins


@dataclass(frozen=True)
class Marker:
    """A value on the second axis, in its unit, with its interval; None where there is none."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Bar:
    """One bar. `value` None means not measured; `low` and `high` are the rounds' range.

    `text` is printed above the bar and `note` over it in small type, `mark` under the label; `title` is
    its tooltip; `slot` chooses colour and pattern.
    """

    group: str
    label: str
    slot: int
    value: float | None
    text: str
    title: str
    note: str = ""
    low: float | None = None
    high: float | None = None
    marker: Marker | None = None
    mark: str = ""


@dataclass(frozen=True)
class Chart:
    """A grouped bar chart. `clip` cuts bars far beyond the rest (never the axis start: it is 0).

    `reference` is a value of the second axis that is drawn as a line; `linked` joins the markers of a
    group, or of a label across groups, or none ("").
    """

    id: str
    title: str
    description: str
    y_label: str
    bars: Sequence[Bar]
    clip: bool = False
    marker_label: str = ""
    marker_unit: str = PERCENT
    reference: float | None = None
    linked: str = BY_GROUP


def draw(chart: Chart) -> Markup:
    """Return the chart as one <svg role="img"> with title and description."""
    xs, width = _positions(chart.bars)
    bottom = TOP + PLOT
    lower = LINE * (max((len(_wrapped(bar.group, chart.bars)) for bar in chart.bars), default=1) - 1)
    under = LINE * max((len(_mark(bar)) for bar in chart.bars), default=0)
    marked = any(bar.marker for bar in chart.bars)
    ticks = nice_ticks(0, _axis_top(chart))
    bars = Scale(0, ticks[-1], bottom, TOP + (PLOT * BAND if marked else 0))
    parts = [_axis(chart.y_label, bars, ticks, width)]
    parts += [_bar(bar, x, bars) for bar, x in zip(chart.bars, xs)]
    if marked:
        parts.append(_markers(chart, xs, width))
    parts.append(_groups(chart.bars, xs, bottom, under))
    return Markup(
        '<svg class="chart" role="img" aria-labelledby="{0}-t {0}-d" width="{1}" height="{2}" '
        'viewBox="0 0 {1} {2}"><title id="{0}-t">{3}</title><desc id="{0}-d">{4}</desc>{5}</svg>'
    ).format(
        chart.id,
        round(width),
        round(bottom + BOTTOM + under + lower),
        chart.title,
        chart.description,
        Markup("").join(parts),
    )


def size(drawn: str) -> tuple[int, int]:
    """Return the width and height of a drawn chart."""
    found = re.search(r'width="(\d+)" height="(\d+)"', drawn)
    assert found, "every chart tells its size"
    return int(found[1]), int(found[2])


def _positions(bars: Sequence[Bar]) -> tuple[list[float], float]:
    """Return the middle of each bar, and the width of the drawing."""
    xs: list[float] = []
    x = LEFT + GAP / 2
    for _, group in groupby(bars, key=lambda bar: bar.group):
        for _ in group:
            xs.append(x + PITCH / 2)
            x += PITCH
        x += GAP
    return xs, max(x - GAP / 2 + RIGHT, 320.0)


def _axis_top(chart: Chart) -> float:
    """Return the largest value the first axis must hold, cutting bars if the chart wants that."""
    values = [bar.value for bar in chart.bars if bar.value]
    if not values:
        return 1.0
    highest = max(max(bar.value or 0, bar.high or 0) for bar in chart.bars)
    limit = CLIP * statistics.median(values)
    if not chart.clip or highest <= limit:
        return highest
    return max(value for value in values if value <= limit) * 1.15


def _axis(label: str, scale: Scale, ticks: Sequence[float], width: float) -> Markup:
    lines = Markup("").join(
        Markup(
            '<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>'
            '<text class="tick end" x="{3}" y="{4}">{5}</text>'
        ).format(LEFT, width - RIGHT, scale.y(tick), LEFT - 6, scale.y(tick) + 3.5, f"{tick:,g}")
        for tick in ticks
    )
    return Markup('{0}<text class="axis" x="4" y="14">{1}</text>').format(lines, label)


def _bar(bar: Bar, x: float, scale: Scale) -> Markup:
    label = Markup('<text class="method" x="{}" y="{}">{}</text>').format(x, scale.bottom + 15, bar.label)
    label += Markup("").join(
        Markup('<text class="slowed" x="{}" y="{}">{}</text>').format(
            x, scale.bottom + 15 + LINE * line, words
        )
        for line, words in enumerate(_mark(bar), 1)
    )
    if bar.value is None:
        return Markup(
            '<g>{0}<title>{1}</title><text class="missing" x="{2}" y="{3}">'
            '<tspan x="{2}">not</tspan><tspan x="{2}" dy="11">measured</tspan></text></g>'
        ).format(label, bar.title, x, scale.bottom - 16)
    top = scale.y(bar.value)
    whisker, text_y = Markup(""), top - 5
    if bar.value > scale.high:
        whisker = _cut(x, top)
    elif bar.low is not None and bar.high is not None and bar.high > bar.low:
        line = f"M{x},{scale.y(bar.low)} V{scale.y(bar.high)}"
        ends = f"M{x - 4},{scale.y(bar.low)} h8 M{x - 4},{scale.y(bar.high)} h8"
        whisker = Markup('<path class="halo" d="{0}"/><path class="whisker" d="{0} {1}"/>').format(line, ends)
        text_y = min(text_y, scale.y(bar.high) - 4)
    note = Markup('<text class="note" x="{}" y="{}">{}</text>').format(x, text_y - 12, bar.note)
    return Markup(
        '<g><title>{0}</title><rect class="bar" fill="url(#p{1})" x="{2}" y="{3}" width="{4}" height="{5}"/>'
        '{6}<text class="value" x="{7}" y="{8}">{9}</text>{10}{11}</g>'
    ).format(
        bar.title,
        bar.slot % SLOTS,
        x - WIDTH / 2,
        top,
        WIDTH,
        round(scale.bottom - top, 1),
        whisker,
        x,
        text_y,
        bar.text,
        note if bar.note else "",
        label,
    )


def _mark(bar: Bar) -> list[str]:
    """Return the mark in lines that are not wider than the place of a bar."""
    return textwrap.wrap(bar.mark, MARK, break_long_words=False)


def _cut(x: float, top: float) -> Markup:
    """Return the break mark of a bar that goes on beyond the axis."""
    return Markup('<path class="cut" d="M{0},{1} l12,-5 l12,5 l16,-6"/>').format(x - 20, top + 16)


def _markers(chart: Chart, xs: Sequence[float], width: float) -> Markup:
    points = [(bar, x, bar.marker) for bar, x in zip(chart.bars, xs) if bar.marker]
    held = [value for _, _, m in points for value in (m.low, m.value, m.high) if value is not None]
    held += [] if chart.reference is None else [chart.reference]
    ticks = nice_ticks(min(held), max(held), 2)
    scale = Scale(ticks[0], ticks[-1], TOP + PLOT * (BAND - 0.09), TOP)
    parts = [_second_axis(chart, scale, ticks, width)]
    parts += [
        Markup('<polyline class="link" points="{}"/>').format(
            " ".join(f"{x},{scale.y(marker.value)}" for x, marker in line)
        )
        for line in _lines(chart.linked, points)
    ]
    for _, x, marker in points:
        whisker = Markup("")
        if marker.low is not None and marker.high is not None:
            whisker = Markup('<path class="whisker" d="M{0},{1} V{2}"/>').format(
                x, scale.y(marker.low), scale.y(marker.high)
            )
        diamond = Markup('<path class="mark" d="M{0},{1} l4,4 l-4,4 l-4,-4 z"/>')
        parts += [whisker, diamond.format(x, round(scale.y(marker.value) - 4, 1))]
    return Markup("").join(parts)


def _second_axis(chart: Chart, scale: Scale, ticks: Sequence[float], width: float) -> Markup:
    """Return grid, ticks and label of the markers' axis; the reference is the line that is not dashed."""
    end, factor = width - RIGHT, 100 if chart.marker_unit == PERCENT else 1
    lines = [
        Markup(
            '<line class="grid second" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>'
            '<text class="tick" x="{3}" y="{4}">{5}</text>'
        ).format(
            LEFT, end, scale.y(tick), end + 6, scale.y(tick) + 3.5, f"{factor * tick:g}{chart.marker_unit}"
        )
        for tick in ticks
    ]
    if chart.reference is not None:
        y = scale.y(chart.reference)
        lines.append(
            Markup('<line class="reference" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(LEFT, end, y, y)
        )
    label = Markup('<text class="axis end" x="{}" y="14">{}</text>').format(width - 4, chart.marker_label)
    return Markup("").join([*lines, label])


def _lines(linked: str, points: Sequence[tuple[Bar, float, Marker]]) -> list[list[tuple[float, Marker]]]:
    """Return the markers that a line joins, one list a line."""
    found: dict[str, list[tuple[float, Marker]]] = {}
    for bar, x, marker in points:
        if linked:
            found.setdefault(bar.group if linked == BY_GROUP else bar.label, []).append((x, marker))
    return list(found.values())


def _groups(bars: Sequence[Bar], xs: Sequence[float], bottom: float, under: float) -> Markup:
    """Return the name of each group under its bars and the lines of their marks, and the base line."""
    parts = []
    for name, group in groupby(zip(bars, xs), key=lambda pair: pair[0].group):
        inside = [x for _, x in group]
        parts.append(
            Markup(
                '<line class="base" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="group" y="{}">{}</text>'
            ).format(
                inside[0] - PITCH / 2,
                inside[-1] + PITCH / 2,
                bottom,
                bottom,
                bottom + 37 + under,
                Markup("").join(
                    Markup('<tspan x="{}" dy="{}">{}</tspan>').format(
                        (inside[0] + inside[-1]) / 2, LINE if number else 0, line
                    )
                    for number, line in enumerate(_wrapped(name, bars))
                ),
            )
        )
    return Markup("").join(parts)


def _wrapped(name: str, bars: Sequence[Bar]) -> list[str]:
    """Return a group's name in lines that fit over its bars and the gap beside them."""
    width = PITCH * sum(bar.group == name for bar in bars) + GAP - LETTER
    return textwrap.wrap(name, max(1, int(width / LETTER)), break_long_words=False) or [""]
