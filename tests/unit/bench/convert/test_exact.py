"""The probe's arithmetic: the same bits whatever the order of sums, and what it says it is."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest

from bench.common.errors import ArtifactError
from bench.convert.models import exact


def test_draws_are_the_same_on_every_machine_and_nearly_normal() -> None:
    drawn = exact.draw(np.random.PCG64(7), (1000, 8))
    digest = hashlib.sha256(drawn.astype("<f8").tobytes()).hexdigest()
    assert digest.startswith("b654064ba1b7"), digest
    assert abs(drawn.mean()) < 0.05
    assert abs(drawn.std() - 1) < 0.05


def test_a_product_of_integers_is_that_of_python() -> None:
    source = np.random.PCG64(1)
    left, _ = exact.coarse(exact.draw(source, (5, 700)), 20)
    right, _ = exact.coarse(exact.draw(source, (700, 3)), 20)
    made = exact.product(left, right)
    for row, column in itertools.product(range(5), range(3)):
        terms = [int(a) * int(b) for a, b in zip(left[row], right[:, column], strict=True)]
        assert made[row, column] == sum(terms)
    order = np.argsort(left[0])
    assert (exact.product(left[:, order], right[order]) == made).all()


def test_a_product_that_may_be_rounded_is_refused() -> None:
    large = np.full((1, 4), 2.0**26)
    with pytest.raises(ArtifactError, match="too large for an exact product"):
        exact.product(large, large.T)


@pytest.mark.parametrize("shape", [(16, 27), (24, 24), (96, 16), (64, 576)])
def test_orthogonal_rows_or_columns(shape: tuple[int, int]) -> None:
    made = exact.orthogonal(exact.draw(np.random.PCG64(3), shape))
    short = made if shape[0] <= shape[1] else made.T
    assert np.abs(short @ short.T - np.eye(len(short))).max() < 1e-5
    assert (made * 2**25 == np.round(made * 2**25)).all()
    order = np.argsort(made[0])
    again = exact.orthogonal(exact.draw(np.random.PCG64(3), shape)[:, order])
    assert (again == made[:, order]).all(), "another order of sums, the same bits"


def test_coarse_values_are_integers_of_so_many_bits() -> None:
    values = np.array([[0.3, -1.7], [0.01, 1.699]])
    whole, unit = exact.coarse(values, 7)
    assert (whole == np.round(whole)).all()
    assert np.abs(whole).max() < 2**7
    assert np.abs(whole * unit - values).max() <= unit


def test_the_inverse_of_a_symmetric_positive_definite_matrix() -> None:
    rows = exact.draw(np.random.PCG64(5), (30, 40))
    matrix = rows @ rows.T + 5 * np.eye(30)
    assert np.abs(exact.inverse(matrix) @ matrix - np.eye(30)).max() < 1e-10


def test_a_dot_product_is_rounded_once() -> None:
    left = np.array([1e16, 1.0, -1e16])
    assert exact.dot(left, np.ones(3)) == 1.0
