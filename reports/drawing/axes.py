"""Axes of the charts: round ticks, and values to places."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Maps values to y: `low` lies at `bottom`, `high` at `top`."""

    low: float
    high: float
    bottom: float
    top: float

    def y(self, value: float) -> float:
        """Return the place of `value`; what lies beyond the axis is put at its end."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / (self.high - self.low)
        return round(self.bottom - share * (self.bottom - self.top), 1)


def nice_ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Return about `wanted` round numbers from <= low to >= high (steps of 1, 2, 2.5 or 5)."""
    span = high - low
    if span <= 0:
        return [low, low + 1]
    power = 10.0 ** math.floor(math.log10(span / wanted))
    step = next(k * power for k in (1, 2, 2.5, 5, 10) if k * power * wanted >= span * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]
