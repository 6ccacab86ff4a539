"""reports/stats/two_samples.py against enumeration, published tables and its own symmetry."""

from __future__ import annotations

import itertools
import random
import statistics
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.stats import two_samples
from reports.stats.two_samples import compare, mann_whitney, smallest_p

FEW = st.lists(st.integers(1, 9).map(float), min_size=1, max_size=5)
POSITIVE = st.lists(st.floats(min_value=1e-3, max_value=1e6), min_size=2, max_size=7)


def wins(above: tuple[float, ...], below: list[float]) -> float:
    return sum((a > b) + 0.5 * (a == b) for a in above for b in below)


def brute_force(above: list[float], below: list[float]) -> tuple[float, float]:
    """U by counting pairs, p by trying every way to deal the pooled values into two samples."""
    pooled, half = [*above, *below], len(above) * len(below) / 2
    seen = wins(tuple(above), below)
    far = total = 0
    for chosen in itertools.combinations(range(len(pooled)), len(above)):
        rest = [value for index, value in enumerate(pooled) if index not in chosen]
        far += abs(wins(tuple(pooled[i] for i in chosen), rest) - half) >= abs(seen - half)
        total += 1
    return seen, far / total


@given(FEW, FEW)
def test_u_and_p_are_those_of_enumeration_ties_and_all(above: list[float], below: list[float]) -> None:
    u, p, exact = mann_whitney(above, below)
    assert exact
    assert (u, p) == brute_force(above, below)


@given(POSITIVE, POSITIVE)
def test_swapped_samples_give_the_inverse_ratio_and_the_same_p(
    above: list[float], below: list[float]
) -> None:
    one, other = compare(above, below), compare(below, above)
    assert one is not None
    assert other is not None
    assert other.ratio == pytest.approx(1 / one.ratio)
    assert (other.low, other.high) == pytest.approx((1 / one.high, 1 / one.low))
    assert (one.u + other.u, one.p, one.apart) == (one.pairs, other.p, other.apart)


@given(POSITIVE, POSITIVE)
def test_the_interval_is_no_wider_than_the_rounds(above: list[float], below: list[float]) -> None:
    found = compare(above, below)
    assert found is not None
    assert found.low <= found.high
    assert min(above) / max(below) <= found.low * (1 + 1e-12)
    assert found.high <= max(above) / min(below) * (1 + 1e-12)
    assert found == compare(above, below)


@given(POSITIVE)
def test_a_sample_does_not_differ_from_itself(values: list[float]) -> None:
    found = compare(values, values)
    assert found is not None
    assert (found.ratio, found.p, found.u) == (1, 1, found.pairs / 2)
    assert not found.differs


@given(st.lists(st.integers(1, 9).map(float), min_size=2, max_size=5))
def test_the_bootstrap_counts_every_draw(values: list[float]) -> None:
    draws = Counter(statistics.median(draw) for draw in itertools.product(values, repeat=len(values)))
    counted: Counter[float] = Counter()
    for median, ways in two_samples._medians(values):
        counted[median] += ways
    assert +counted == draws


def test_three_against_three_separated_is_all_that_three_can_say() -> None:
    found = compare([3.0, 3.1, 3.2], [1.0, 1.1, 1.2])
    assert found is not None
    assert found.separated
    assert found.differs
    assert found.p == smallest_p(3, 3) == pytest.approx(0.1)


@pytest.mark.parametrize("power", [1, 4])
def test_rounds_that_do_not_differ_seldom_lie_clearly_apart(power: int) -> None:
    draw, trials = random.Random(5), 4000
    found = [
        compare(*([draw.lognormvariate(0, 0.05) ** power for _ in range(3)] for _ in "ab"))
        for _ in range(trials)
    ]
    assert sum(one.separated for one in found if one) == pytest.approx(0.1 * trials, rel=0.1)
    assert sum(one.apart for one in found if one) < 0.01 * trials


@pytest.mark.parametrize(("size", "other", "p"), [(4, 4, 2 / 70), (5, 5, 2 / 252), (3, 5, 2 / 56)])
def test_the_smallest_p_is_that_of_complete_separation(size: int, other: int, p: float) -> None:
    above, below = [10.0 + i for i in range(size)], [float(i + 1) for i in range(other)]
    assert mann_whitney(above, below)[0] == size * other
    assert mann_whitney(above, below)[1] == pytest.approx(p)
    assert smallest_p(size, other) == pytest.approx(p)


def test_u_of_a_published_example() -> None:
    # Hollander and Wolfe, Nonparametric Statistical Methods, example 4.1 (permeability constants of
    # the human chorioamnion): W = 30 of ten and five values, P(W >= 30) = 0.127 one-sided.
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    u, p, exact = mann_whitney(early, term)
    assert (u, exact) == (15, True)
    assert p == pytest.approx(2 * 0.1272, abs=5e-4)


@settings(max_examples=20)
@given(st.permutations(range(22)))
def test_the_approximation_is_near_the_exact_value(order: list[int]) -> None:
    above, below = order[:12], order[12:]
    exact = mann_whitney(above, below)
    limit, two_samples.EXACT = two_samples.EXACT, 0
    try:
        near = mann_whitney(above, below)
    finally:
        two_samples.EXACT = limit
    assert (exact[2], near[2]) == (True, False)
    assert near[1] == pytest.approx(exact[1], abs=0.01)


def test_one_value_in_all_rounds_is_no_difference() -> None:
    assert mann_whitney([2.0] * 20, [2.0] * 20) == (200, 1.0, False)
    assert compare([1.0], [1.0, 2.0]) is None
