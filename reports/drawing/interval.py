"""A ratio with its interval as a small drawing in a table's row, all rows of a page on one scale.

The numbers stand beside it, so it is hidden from screen readers; shape, not colour, says what is decided.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT, EDGE = 132.0, 18.0, 7.0
WIDEST = math.log(10)  # beyond ten times (or a tenth) a mark stands at the edge


@dataclass(frozen=True)
class LogAxis:
    """A logarithmic axis around 1, from 1/`end` to `end`; within `threshold` of 1 it is shaded."""

    end: float
    threshold: float

    def x(self, ratio: float) -> float:
        """Return the place of a ratio, in user units; at most the edge."""
        share = max(-1.0, min(1.0, math.log(ratio) / math.log(self.end)))
        return WIDTH / 2 + share * (WIDTH / 2 - EDGE)


def log_axis(ratios: Iterable[float], threshold: float) -> LogAxis:
    """Return the axis that holds all `ratios` and at least twice the threshold."""
    furthest = max([abs(math.log(one)) for one in ratios], default=0.0)
    return LogAxis(math.exp(min(WIDEST, max(furthest, 2 * math.log(1 + threshold)))), threshold)


def draw(ratio: float, low: float | None, high: float | None, decided: bool, on: LogAxis) -> Markup:
    """Return the drawing: a filled diamond where the verdict is decided, else an open circle."""
    x, y = on.x(ratio), HEIGHT / 2
    left, right = on.x(1 / (1 + on.threshold)), on.x(1 + on.threshold)
    parts = [
        Markup('<rect class="band" x="{:.1f}" y="0" width="{:.1f}" height="{:.0f}"/>').format(
            left, right - left, HEIGHT
        ),
        Markup('<path class="reference" d="M{:.1f},0 V{:.0f}"/>').format(WIDTH / 2, HEIGHT),
    ]
    if low is not None and high is not None:
        whisker = Markup(
            '<path class="whisker" d="M{0:.1f},{2:.1f} H{1:.1f} M{0:.1f},5 V13 M{1:.1f},5 V13"/>'
        )
        parts.append(whisker.format(on.x(low), on.x(high), y))
    if decided:
        parts.append(Markup('<path class="decided" d="M{:.1f},{:.1f} l5,5 -5,5 -5,-5 z"/>').format(x, y - 5))
    else:
        parts.append(Markup('<circle class="mark" cx="{:.1f}" cy="{:.1f}" r="4"/>').format(x, y))
    head = Markup(
        '<svg class="forest" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" '
        'aria-hidden="true">'
    )
    return head.format(WIDTH, HEIGHT) + Markup("").join(parts) + Markup("</svg>")
