"""Two independent samples of rounds: is one run faster than the other, and could chance say so?

The rounds of two runs have nothing in common but their number, so nothing is paired here. Standard
library only, and without chance: swapping the samples gives the inverse ratio and interval, and the same p.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Above this many rounds in all the distribution of U is no longer counted out but approximated.
EXACT = 24


@dataclass(frozen=True)
class TwoSampleTest:
    """Sample `above` over sample `below`: the ratio of their medians with a 95 % bootstrap interval.

    `u` is Mann and Whitney's: the pairs in which `above` is the larger, a tie counting half, of the
    `pairs` there are. `p` is two-sided, and `exact` where every split of the ranks was counted. `gap` is
    the ratio of the two values nearest to each other of separated samples (below 1 where they overlap),
    `spread` the larger of the two samples' largest over smallest value.
    """

    ratio: float
    low: float
    high: float
    u: float
    pairs: int
    p: float
    exact: bool
    gap: float
    spread: float

    @property
    def differs(self) -> bool:
        """Whether the interval leaves out 1."""
        return not self.low <= 1 <= self.high

    @property
    def separated(self) -> bool:
        """Whether every round of one sample lies on one side of every round of the other."""
        return self.u in (0, self.pairs)

    @property
    def apart(self) -> bool:
        """Whether the samples lie further apart than either's rounds among themselves.

        Of three rounds against three that do not differ, 10 % are separated by chance, but under 1 % are
        that far apart (tests/unit/reports/stats/test_two_samples.py draws them).
        """
        return self.separated and self.gap > self.spread


def compare(above: Sequence[float], below: Sequence[float]) -> TwoSampleTest | None:
    """Compare two samples of positive figures; None where one has fewer than two.

    The interval is the percentile bootstrap (Efron 1979) of the ratio of medians, both samples drawn anew,
    with every draw there is counted instead of some of them tried. Like every bootstrap of few rounds it
    cannot be wider than the rounds themselves.
    """
    if min(len(above), len(below)) < 2:
        return None
    low, high = _interval(above, below)
    u, p, exact = mann_whitney(above, below)
    ratio = statistics.median(above) / statistics.median(below)
    gap = max(min(above) / max(below), min(below) / max(above))
    spread = max(max(values) / min(values) for values in (above, below))
    return TwoSampleTest(ratio, low, high, u, len(above) * len(below), p, exact, gap, spread)


def _interval(above: Sequence[float], below: Sequence[float]) -> tuple[float, float]:
    ratios = sorted(
        (top / bottom, ways * others) for top, ways in _medians(above) for bottom, others in _medians(below)
    )
    return _quantile(ratios), _quantile(ratios[::-1])


def _quantile(weighted: Sequence[tuple[float, int]]) -> float:
    """Return the first value at which 2.5 % of all ways are reached; the weights are whole numbers."""
    total, reached = sum(ways for _, ways in weighted), 0
    for value, ways in weighted:
        reached += ways
        if 40 * reached >= total:
            return value
    raise AssertionError("no value")


def _medians(values: Sequence[float]) -> Iterator[tuple[float, int]]:
    """Yield each median that n draws with replacement can have, and how many of the n^n draws have it."""
    ordered, count = sorted(values), len(values)
    rank = (count + 1) // 2

    def ways(largest: int) -> int:
        """In how many draws the `rank`-th smallest is among the `largest` first values."""
        rest = count - largest
        return sum(math.comb(count, t) * largest**t * rest ** (count - t) for t in range(rank, count + 1))

    for i in range(1, count + 1):
        here = ways(i) - ways(i - 1)
        if count % 2 == 0:  # the median is half-way between the two middle draws, here x_i and x_j
            for j in range(i + 1, count + 1):
                apart = i**rank - (i - 1) ** rank, (count - j + 1) ** rank - (count - j) ** rank
                both = math.comb(count, rank) * apart[0] * apart[1]
                yield (ordered[i - 1] + ordered[j - 1]) / 2, both
                here -= both
        yield ordered[i - 1], here


def mann_whitney(above: Sequence[float], below: Sequence[float]) -> tuple[float, float, bool]:
    """Return Mann and Whitney's (1947) U of `above`, its two-sided p, and whether p is exact.

    Up to EXACT rounds p is the share of all splits of the pooled midranks whose rank sum is at least as
    far from its mean, which is right with ties too; beyond it is the normal approximation, corrected
    for ties and continuity.
    """
    ranks = _doubled_midranks([*above, *below])
    size, other = len(above), len(below)
    total, mean = sum(ranks[:size]), size * (size + other + 1)
    u = (total - size * (size + 1)) / 2
    if size + other > EXACT:
        return u, _normal_p(ranks, size, abs(total - mean) / 2), False
    ways = _rank_sums(ranks, size)
    far = sum(count for one, count in ways.items() if abs(one - mean) >= abs(total - mean))
    return u, far / math.comb(size + other, size), True


def smallest_p(size: int, other: int) -> float:
    """Return the smallest two-sided p that samples of these sizes can give: 0.1 for 3 against 3."""
    return 2 / math.comb(size + other, size)


def _doubled_midranks(values: Sequence[float]) -> list[int]:
    """Return twice the midrank of each value: equal values share the mean of their ranks."""
    counts = Counter(values)
    doubled, before = {}, 0
    for value in sorted(counts):
        doubled[value] = 2 * before + counts[value] + 1
        before += counts[value]
    return [doubled[value] for value in values]


def _rank_sums(ranks: Sequence[int], size: int) -> Counter[int]:
    """Return in how many ways `size` of `ranks` add up to each sum."""
    ways: list[Counter[int]] = [Counter({0: 1}), *(Counter() for _ in range(size))]
    for rank in ranks:
        for chosen in range(size, 0, -1):
            for total, count in ways[chosen - 1].items():
                ways[chosen][total + rank] += count
    return ways[size]


def _normal_p(ranks: Sequence[int], size: int, away: float) -> float:
    """Return the two-sided p of a rank sum that is `away` from its mean."""
    count = len(ranks)
    ties = sum(tied**3 - tied for tied in Counter(ranks).values())
    variance = size * (count - size) / 12 * (count + 1 - ties / (count * (count - 1)))
    if not variance:
        return 1.0
    return math.erfc(max(0.0, away - 0.5) / math.sqrt(2 * variance))
