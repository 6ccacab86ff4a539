"""The report's statistics: rounds, ratios of rounds, and proportions.

Machines are noisy, so a figure is the median of its rounds, and two methods are compared round by
round. Standard library only, and seeded: the same results always give the same report.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key")
SEED = 20230101
RESAMPLES = 1000
Z95 = 1.959963984540054  # 97.5 % point of the normal distribution

# Rounds spread wider than this are "unstable". pyperf warns when the standard deviation passes
# 10 % of the mean; for three normal samples the expected range is 1.69 standard deviations.
UNSTABLE_SPREAD = 0.17


@dataclass(frozen=True)
class Summary:
    """The median of some rounds and their range, in the unit of the values."""

    median: float
    low: float
    high: float
    count: int

    @property
    def spread(self) -> float:
        """The range over the median (0.1 is 10 %); 0 for one round or a median of 0."""
        return (self.high - self.low) / self.median if self.median else 0.0

    @property
    def unstable(self) -> bool:
        """Whether the rounds disagree by more than UNSTABLE_SPREAD."""
        return self.spread > UNSTABLE_SPREAD

    def overlaps(self, other: Summary) -> bool:
        """Whether the two ranges of rounds have a value in common."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True)
class Ratio:
    """A ratio of two methods: the median over the paired rounds, with a 95 % bootstrap interval.

    `low` and `high` are None for a single pair, which says nothing about noise.
    """

    value: float
    low: float | None
    high: float | None
    pairs: int

    @property
    def differs(self) -> bool:
        """Whether the interval leaves out 1, so that the rounds tell the two methods apart."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high


def summarize(values: Sequence[float]) -> Summary | None:
    """Return the median and range of `values`, or None where there are none."""
    if not values:
        return None
    return Summary(statistics.median(values), min(values), max(values), len(values))


def paired_ratio(above: Mapping[Key, float], below: Mapping[Key, float]) -> Ratio | None:
    """Return above / below, paired by round (and whatever else makes a pair); None without a common one.

    The statistic is the median of the rounds' ratios; its interval is the percentile bootstrap
    (Efron 1979) over pairs. Rounds whose lower figure is 0 are left out.
    """
    ratios = [above[number] / below[number] for number in above if below.get(number)]
    if not ratios:
        return None
    low, high = bootstrap(ratios)
    return Ratio(statistics.median(ratios), low, high, len(ratios))


def bootstrap(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the 95 % percentile-bootstrap interval of the median; (None, None) for one value."""
    count = len(values)
    if count < 2:
        return None, None
    draw = random.Random(SEED)  # noqa: S311 - resampling, not secrets
    drawn = draw.choices(values, k=count * RESAMPLES)
    medians = sorted(statistics.median(drawn[start : start + count]) for start in range(0, len(drawn), count))
    cut = int(0.025 * RESAMPLES)
    return medians[cut], medians[-1 - cut]


def best_coverage(count: int) -> float:
    """Return how often the range of `count` rounds holds the true median, at most (sign test).

    A bootstrap interval of the median cannot be wider than that range: 0.75 for three rounds,
    above 0.95 from six on.
    """
    return 1 - 2.0 ** (1 - count) if count > 0 else 0.0


def wilson(successes: int, trials: int) -> tuple[float, float] | None:
    """Return the Wilson (1927) score interval, 95 %, of a proportion; None for no trials."""
    if trials <= 0:
        return None
    rate = successes / trials
    scale = 1 + Z95**2 / trials
    centre = (rate + Z95**2 / (2 * trials)) / scale
    half = Z95 / scale * math.sqrt(rate * (1 - rate) / trials + Z95**2 / (4 * trials**2))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return low, high
