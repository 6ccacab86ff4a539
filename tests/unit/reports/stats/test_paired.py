"""reports/stats/paired_answers.py against exact arithmetic, published examples and its own invariants."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.stats import paired_answers
from reports.stats.paired_answers import Accuracy


def accuracy(right: list[bool]) -> Accuracy:
    bits = int("".join("01"[one] for one in right) or "0", 2)
    return Accuracy("Offline", len(right), sum(right), sum(right), bits)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial(lost: int, won: int) -> None:
    tail = sum(math.comb(lost + won, k) for k in range(min(lost, won) + 1))
    exact = min(Fraction(1), Fraction(2 * tail, 2 ** (lost + won)))
    assert paired_answers.mcnemar(lost, won) == pytest.approx(float(exact), rel=1e-12)
    assert paired_answers.mcnemar(lost, won) == paired_answers.mcnemar(won, lost)


def test_mcnemar_of_a_published_table() -> None:
    # Fagerland, Lydersen and Laake (2014), Statistics in Medicine 33:2850, airway data: 1 against 7.
    assert paired_answers.mcnemar(7, 1) == pytest.approx(0.0703, abs=5e-5)


def test_mcnemar_of_fifty_thousand_samples_takes_no_time() -> None:
    start = time.perf_counter()
    even, some, all_lost = (
        paired_answers.mcnemar(25_000, 25_000),
        paired_answers.mcnemar(25_400, 24_600),
        paired_answers.mcnemar(50_000, 0),
    )
    assert time.perf_counter() - start < 0.1
    assert even == 1
    # The normal approximation with continuity correction is exact to three digits here.
    assert some == pytest.approx(math.erfc(799 / math.sqrt(50_000) / math.sqrt(2)), rel=0.01)
    assert all_lost == 0


def test_holm_is_the_textbook_example() -> None:
    # Holm (1979): each value times how many are not smaller, never below the one before it.
    assert paired_answers.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert paired_answers.holm([]) == ()


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_a_value_and_keeps_their_order(values: list[float]) -> None:
    found = paired_answers.holm(values)
    assert all(value <= adjusted <= 1 for value, adjusted in zip(values, found))
    ranked = [adjusted for _, adjusted in sorted(zip(values, found))]
    assert ranked == sorted(ranked)


def test_difference_is_newcombes_interval_of_a_published_table() -> None:
    # Fagerland et al. (2014), same table: square-and-add interval of (1 + 1)/21 - (1 + 7)/21.
    assert paired_answers.difference(1, 1, 7, 12) == pytest.approx((-0.507, -0.026), abs=5e-4)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_a_comparison_counts_what_changed_and_holds_the_change(pairs: list[tuple[bool, bool]]) -> None:
    found = paired_answers.compare(accuracy([one for one, _ in pairs]), accuracy([base for _, base in pairs]))
    assert found is not None
    assert found.samples == len(pairs)
    assert found.lost == sum(base and not one for one, base in pairs)
    assert found.won == sum(one and not base for one, base in pairs)
    assert found.change == pytest.approx((found.won - found.lost) / len(pairs))
    assert -1 - 1e-9 <= found.low <= found.change + 1e-9
    assert found.change - 1e-9 <= found.high <= 1 + 1e-9
    assert not (found.below and found.above)


def test_the_samples_both_answered_are_the_first_ones() -> None:
    found = paired_answers.compare(accuracy([True, False, True]), accuracy([True, True, False, True, True]))
    assert found is not None
    assert (found.samples, found.lost, found.won) == (3, 1, 1)
    assert paired_answers.compare(accuracy([]), accuracy([True])) is None


def test_what_is_more_than_noise_has_a_direction() -> None:
    right, wrong = accuracy([True] * 20), accuracy([False] * 20)
    down, up = paired_answers.compare(wrong, right), paired_answers.compare(right, wrong)
    assert down is not None
    assert up is not None
    assert (down.below, down.above, up.below, up.above) == (True, False, False, True)
