"""reports/stats/by_round.py against hand calculation, published examples and its own invariants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.stats import by_round

POSITIVE = st.floats(min_value=1e-3, max_value=1e6)


def test_summary_is_median_and_range() -> None:
    found = by_round.summarize([3.0, 1.0, 2.0])
    assert found == by_round.Summary(2.0, 1.0, 3.0, 3)
    assert found.spread == 1.0
    assert found.unstable
    assert by_round.summarize([]) is None


def test_one_round_has_no_spread_and_is_not_unstable() -> None:
    found = by_round.summarize([5.0])
    assert found is not None
    assert found.spread == 0
    assert not found.unstable


def test_ranges_overlap_when_they_share_a_value() -> None:
    low, high = by_round.Summary(2, 1, 3, 3), by_round.Summary(4, 3, 5, 3)
    assert low.overlaps(high)
    assert not low.overlaps(by_round.Summary(4, 3.1, 5, 3))


def test_ratio_is_paired_by_round_number() -> None:
    # Unpaired, the medians (20 and 10) would say 2; within each round the ratio is 2, 4 and 4.
    found = by_round.paired_ratio({1: 20, 2: 40, 3: 8, 9: 1}, {3: 2, 1: 10, 2: 10, 7: 5})
    assert found is not None
    assert (found.value, found.low, found.high, found.pairs) == (4, 2, 4, 3)
    assert found.differs


def test_ratio_without_a_common_round_or_with_a_zero_is_none() -> None:
    assert by_round.paired_ratio({1: 2.0}, {2: 2.0}) is None
    assert by_round.paired_ratio({1: 2.0}, {1: 0.0}) is None


def test_a_single_pair_has_no_interval() -> None:
    found = by_round.paired_ratio({1: 3.0}, {1: 2.0})
    assert found == by_round.Ratio(1.5, None, None, 1)
    assert not found.differs


def test_an_interval_over_one_does_not_differ() -> None:
    found = by_round.paired_ratio({1: 0.9, 2: 1.2, 3: 1.0}, {1: 1.0, 2: 1.0, 3: 1.0})
    assert found is not None
    assert not found.differs


@given(st.lists(POSITIVE, min_size=2, max_size=9))
def test_bootstrap_stays_in_the_range_and_repeats(values: list[float]) -> None:
    low, high = by_round.bootstrap(values)
    assert low is not None
    assert high is not None
    assert min(values) <= low <= high <= max(values)
    assert by_round.bootstrap(values) == (low, high)


def test_bootstrap_narrows_with_many_rounds() -> None:
    low, high = by_round.bootstrap([float(i) for i in range(101)])
    assert low is not None
    assert high is not None
    assert 30 < low < 50 < high < 70


def test_best_coverage_of_a_range() -> None:
    assert by_round.best_coverage(1) == 0
    assert by_round.best_coverage(3) == 0.75
    assert by_round.best_coverage(5) < 0.95 < by_round.best_coverage(6)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17:857, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_newcombes_table(successes: int, trials: int, low: float, high: float) -> None:
    assert by_round.wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_nothing_is_none() -> None:
    assert by_round.wilson(0, 0) is None


@given(st.integers(1, 5000), st.data())
def test_wilson_holds_the_share(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    found = by_round.wilson(successes, trials)
    assert found is not None
    assert 0 <= found[0] <= successes / trials <= found[1] <= 1
