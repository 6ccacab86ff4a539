"""Two methods on the same images: which answers changed, and whether that is more than noise.

Independent proportions would throw away that both saw the same samples; what counts is only the
samples that one had right and the other wrong (the discordant ones).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.stats.by_round import Z95, wilson

ALPHA = 0.05


@dataclass(frozen=True)
class Paired:
    """A method against another on the `samples` both answered: `lost` were right only under the other,
    `won` only under this one. `change` (a share) is this top-1 minus the other's, `low` and `high` its
    95 % interval, `p` McNemar's exact p-value, `adjusted` the same after Holm's correction."""

    samples: int
    lost: int
    won: int
    change: float
    low: float
    high: float
    p: float
    adjusted: float

    @property
    def below(self) -> bool:
        """Whether top-1 fell by more than noise."""
        return self.adjusted < ALPHA and self.lost > self.won

    @property
    def above(self) -> bool:
        """Whether top-1 rose by more than noise."""
        return self.adjusted < ALPHA and self.won > self.lost


def compare(one: Accuracy, base: Accuracy) -> Paired | None:
    """Compare `one` with `base` over the first samples that both answered; None where there are none.

    `adjusted` is `p` as it stands: correct() knows how many comparisons there are.
    """
    samples = min(one.samples, base.samples)
    if not samples:
        return None
    ours, theirs = one.bits >> (one.samples - samples), base.bits >> (base.samples - samples)
    both = (ours & theirs).bit_count()
    lost, won = (theirs & ~ours).bit_count(), (ours & ~theirs).bit_count()
    low, high = difference(both, won, lost, samples - both - won - lost)
    p = mcnemar(lost, won)
    return Paired(samples, lost, won, (won - lost) / samples, low, high, p, p)


def changes(pairs: Sequence[Accuracy]) -> tuple[float, float, float, int] | None:
    """Compare two changes of top-1: (first minus second) minus (third minus fourth), sample by sample.

    Returns the difference of shares, its 95 % normal interval and the samples; None where there are none.
    The sum over samples of the square of (a + d) - (b + c) needs only counts of bits.
    """
    samples = min(one.samples for one in pairs)
    if not samples:
        return None
    a, b, c, d = (one.bits >> (one.samples - samples) for one in pairs)
    total = a.bit_count() + d.bit_count() - b.bit_count() - c.bit_count()
    squares = sum(one.bit_count() for one in (a, b, c, d))
    squares += 2 * ((a & d).bit_count() + (b & c).bit_count())
    squares -= 2 * sum((one & other).bit_count() for one in (a, d) for other in (b, c))
    mean = total / samples
    half = Z95 * math.sqrt(max(0.0, squares / samples - mean * mean) / samples)
    return mean, mean - half, mean + half, samples


def mcnemar(lost: int, won: int) -> float:
    """Return McNemar's (1947) exact two-sided p-value of the discordant counts; 1.0 for none.

    Under "no difference" each discordant sample is a fair coin: twice the binomial tail, at most 1.
    The tail is summed outward from its largest term, so that 50,000 samples take no time; below the
    smallest double it is 0.0.
    """
    count, few = lost + won, min(lost, won)
    logarithm = math.lgamma(count + 1) - math.lgamma(few + 1) - math.lgamma(count - few + 1)
    term = math.exp(logarithm - count * math.log(2))
    total = 0.0
    for k in range(few, -1, -1):
        total += term
        if term <= total * 1e-17:
            break
        term *= k / (count - k + 1)
    return min(1.0, 2 * total)


def holm(values: Sequence[float]) -> tuple[float, ...]:
    """Return Holm's (1979) adjusted p-values, in the order given.

    With m comparisons, an adjusted value below 0.05 holds the chance of even one false alarm at 5 %.
    """
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=lambda i: values[i])):
        highest = max(highest, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = highest
    return tuple(adjusted)


def difference(both: int, first: int, second: int, neither: int) -> tuple[float, float]:
    """Return the 95 % interval of a difference of paired shares: first minus second.

    The counts are samples that both had right, only the first, only the second, neither; not all 0.
    Newcombe (1998), Statistics in Medicine 17:2635, method 10: two Wilson intervals, joined with the
    correlation of the pairs.
    """
    count = both + first + second + neither
    p, q = (both + first) / count, (both + second) / count
    one, two = wilson(both + first, count), wilson(both + second, count)
    assert one is not None
    assert two is not None
    product = float(both * neither - first * second)
    if product > 0:
        product = max(product - count / 2, 0.0)
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    phi = product / math.sqrt(margins) if margins else 0.0
    below = _joined(p - one[0], two[1] - q, phi)
    above = _joined(q - two[0], one[1] - p, phi)
    return p - q - below, p - q + above


def _joined(a: float, b: float, phi: float) -> float:
    return math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))


@dataclass(frozen=True)
class Accuracy:
    """Counts of LoadGen's AccuracyOnly mode. `bits` holds one bit a sample, the first sample highest:
    whether top-1 was right."""

    scenario: str
    samples: int
    top1: int
    top5: int
    bits: int
