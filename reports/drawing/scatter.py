"""A scatter of variants in inline SVG: time across (logarithmic), accuracy up, the front joined by steps.

Each method has a shape and a colour of its own, and each dot its name beside it, put where it hides
least. All lengths are SVG user units.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from reports.drawing.axes import Scale, nice_ticks
from reports.drawing.patterns import SLOTS

WIDTH, HEIGHT = 560.0, 330.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 30.0, 46.0
LETTER, LINE, REACH = 6.1, 13.0, 7.0  # a label's letter and line, and half a dot with some air
ROOM = 1.35  # the first axis goes on beyond the outermost dots by this factor
SHAPES = (
    "m-5,0 a5,5 0 1,0 10,0 a5,5 0 1,0 -10,0 z",
    "m-5.5,-4 h11 l-5.5,9.5 z",
    "m-4.5,-4.5 h9 v9 h-9 z",
    "m0,-6.5 l6.5,6.5 l-6.5,6.5 l-6.5,-6.5 z",
    "m-5.5,4 h11 l-5.5,-9.5 z",
    "m0,-6 l6,4.5 l-2.4,6.5 h-7.2 l-2.4,-6.5 z",
    "m-2,-6 h4 v4 h4 v4 h-4 v4 h-4 v-4 h-4 v-4 h4 z",
    "m-6,-3 h12 v6 h-12 z",
)
assert len(SHAPES) == SLOTS


@dataclass(frozen=True)
class Dot:
    """A variant: `slot` chooses shape and colour, `x` is positive with the range of its rounds, `y_range`
    an interval or None; `front` where it is joined and printed bold."""

    name: str
    slot: int
    x: float
    x_range: tuple[float, float]
    y: float
    y_range: tuple[float, float] | None
    front: bool


@dataclass(frozen=True)
class Scatter:
    """A chart of `dots`, of which there is one or more."""

    id: str
    title: str
    description: str
    x_label: str
    y_label: str
    dots: Sequence[Dot]


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: _Box) -> float:
        """The area that both cover."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, across) * max(0.0, down)


class _Place(NamedTuple):
    """Where a label may stand: its anchor's x and base line, whether it ends there, and its cost."""

    x: float
    y: float
    end: bool
    cost: float

    def box(self, name: str) -> _Box:
        """What a label there covers."""
        width = LETTER * len(name)
        left = self.x - width if self.end else self.x
        return _Box(left, self.y - LINE + 3, left + width, self.y + 3)


def draw(chart: Scatter) -> Markup:
    """Return the chart as one <svg role="img"> with title and description."""
    low, high = (f(dot.x for dot in chart.dots) for f in (min, max))
    across = Scale(math.log10(low / ROOM), math.log10(high * ROOM), LEFT, WIDTH - RIGHT)
    held = [value for dot in chart.dots for value in (dot.y, *(dot.y_range or ()))]
    ticks = nice_ticks(min(held), max(held), 4)
    up = Scale(ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP)
    places = [(across.y(math.log10(dot.x)), up.y(dot.y)) for dot in chart.dots]
    parts = [_axes(chart, across, up, ticks), _front(chart.dots, places)]
    parts += [_whiskers(dot, across, up) for dot in chart.dots]
    parts += [
        Markup('<path class="mark dot s{0}" d="M{1},{2} {3}"/>').format(
            dot.slot % SLOTS, x, y, SHAPES[dot.slot % SLOTS]
        )
        for dot, (x, y) in zip(chart.dots, places)
    ]
    parts += _labels(chart.dots, places, up)
    return Markup(
        '<svg class="chart scatter" role="img" aria-labelledby="{0}-t {0}-d" width="{1:g}" height="{2:g}" '
        'viewBox="0 0 {1:g} {2:g}"><title id="{0}-t">{3}</title><desc id="{0}-d">{4}</desc>{5}</svg>'
    ).format(chart.id, WIDTH, HEIGHT, chart.title, chart.description, Markup("").join(parts))


def _axes(chart: Scatter, across: Scale, up: Scale, ticks: Sequence[float]) -> Markup:
    end, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [
        Markup(
            '<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>'
            '<text class="tick end" x="{3}" y="{4}">{5}</text>'
        ).format(LEFT, end, up.y(tick), LEFT - 6, up.y(tick) + 3.5, f"{tick:+g}" if tick else "0")
        for tick in ticks
    ]
    parts += [
        Markup(
            '<line class="grid" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/><text x="{0}" y="{3}">{4:,g}</text>'
        ).format(across.y(math.log10(tick)), TOP, bottom, bottom + 15, tick)
        for tick in _log_ticks(across)
    ]
    parts.append(
        Markup(
            '<line class="reference" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/><text class="axis" x="4" y="14">{3}'
            '</text><text class="axis end" x="{4}" y="{5}">{6}</text>'
        ).format(LEFT, end, up.y(0), chart.y_label, end, HEIGHT - 10, chart.x_label)
    )
    return Markup("").join(parts)


def _log_ticks(across: Scale) -> list[float]:
    """Return 1, 2 and 5 of every power of ten within the axis."""
    powers = range(math.floor(across.low), math.ceil(across.high) + 1)
    found = [round(k * 10.0**power, 12) for power in powers for k in (1, 2, 5)]
    return [tick for tick in found if across.low <= math.log10(tick) <= across.high]


def _front(dots: Sequence[Dot], places: Sequence[tuple[float, float]]) -> Markup:
    """Return the steps through the front; between two members the less accurate one rules."""
    corners = sorted((place for dot, place in zip(dots, places) if dot.front), key=lambda place: -place[1])
    if len(corners) < 2:
        return Markup("")
    x, y = corners[0]
    steps = " ".join(f"H{x} V{y}" for x, y in corners[1:])
    return Markup('<path class="front-line" d="M{},{} {}"/>').format(x, y, steps)


def _whiskers(dot: Dot, across: Scale, up: Scale) -> Markup:
    x, y = across.y(math.log10(dot.x)), up.y(dot.y)
    line = f"M{across.y(math.log10(dot.x_range[0]))},{y} H{across.y(math.log10(dot.x_range[1]))}"
    if dot.y_range:
        line += f" M{x},{up.y(dot.y_range[0])} V{up.y(dot.y_range[1])}"
    return Markup('<path class="whisker thin" d="{}"/>').format(line)


def _labels(dots: Sequence[Dot], places: Sequence[tuple[float, float]], up: Scale) -> list[Markup]:
    """Return the names; those of the front choose their places first."""
    marks = [_Box(x - REACH, y - REACH, x + REACH, y + REACH) for x, y in places]
    lines = [
        _Box(x - 1, up.y(dot.y_range[1]), x + 1, up.y(dot.y_range[0]))
        for dot, (x, _) in zip(dots, places)
        if dot.y_range
    ]
    taken: list[_Box] = []
    parts = []
    for dot, (x, y) in sorted(zip(dots, places), key=lambda pair: (not pair[0].front, pair[1])):

        def cost(place: _Place, name: str = dot.name) -> float:
            box = place.box(name)
            outside = (
                box.left < LEFT
                or box.right > WIDTH - 4
                or box.top < TOP - LINE
                or box.bottom > HEIGHT - BOTTOM
            )
            covered = sum(box.overlap(one) for one in (*taken, *marks))
            return place.cost + 1000 * outside + covered + 0.3 * sum(box.overlap(one) for one in lines)

        best = min(_candidates(x, y), key=cost)
        taken.append(best.box(dot.name))
        if abs(best.y - 4 - y) > LINE:
            parts.append(
                Markup('<path class="leader" d="M{},{} L{},{}"/>').format(x, y, best.x, round(best.y - 4, 1))
            )
        parts.append(
            Markup('<text class="method{}{}" x="{}" y="{}">{}</text>').format(
                " front" if dot.front else "", " end" if best.end else "", best.x, round(best.y, 1), dot.name
            )
        )
    return parts


def _candidates(x: float, y: float) -> Iterator[_Place]:
    """Yield places for a dot's name: right and left of it, then lines above and below."""
    for step in range(9):
        for sign in (-1, 1) if step else (1,):
            away = sign * step * LINE
            for end in (False, True):
                side = -REACH - 2 if end else REACH + 2
                yield _Place(x + side, y + 4 + away, end, 3.0 * step + end)
