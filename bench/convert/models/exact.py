"""Arithmetic that gives the same bits on every CPU, thread count and library.

A float64 sum of integers is exact while it stays under 2**53, in whatever order it is added and whether or
not a product and its sum are fused; a single operation on floats is rounded as IEEE 754 says. So here matrix
products are of integers (or of those times a power of two), all else goes element by element or through
math.fsum, and nothing calls a logarithm, a sine or LAPACK. Pure NumPy.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bench.common.errors import ArtifactError

Matrix = npt.NDArray[np.float64]

#: Integers up to here, and their sums, are exact in float64.
EXACT = 2.0**53
_UNIT = 2.0**25  # steps of an orthogonal matrix: its products stay under 2**51
_ITERATIONS = 60
_PARTS = 4  # uniform 16-bit integers in one draw
_DEVIATION = math.sqrt(_PARTS * (2.0**32 - 1) / 12)  # of a draw


def draw(source: np.random.PCG64, shape: tuple[int, ...]) -> Matrix:
    """Return integers of mean 0 and unit deviation, nearly normal: the sum of four uniform ones, scaled.

    Only the generator's raw words are read: their sequence is part of its definition.
    """
    drawn: Matrix = np.empty(shape)
    for row in drawn:  # one by one: VGG-19 has a layer of 100 million weights
        words = source.random_raw(row.size).astype("<u8").view("<u2").reshape(*row.shape, _PARTS)
        row[...] = (words.sum(-1, dtype=np.int64) - _PARTS * (2**16 - 1) / 2) / _DEVIATION
    return drawn


def coarse(values: Matrix, bits: int) -> tuple[Matrix, float]:
    """Round values to integers of at most `bits` bits times one power of two; return both."""
    unit = 2.0 ** (math.frexp(max(float(values.max()), -float(values.min())))[1] - bits)
    whole = values / unit
    np.round(whole, out=whole)
    np.clip(whole, 1 - 2.0**bits, 2.0**bits - 1, out=whole)
    return whole, unit


def product(left: Matrix, right: Matrix) -> Matrix:
    """Return left @ right, (m, k) by (k, n), of integers; ArtifactError where it may not be exact.

    By Cauchy and Schwarz no sum of some products of a row and a column exceeds the product of their norms.
    """
    norms = [float(np.square(one).sum(axis).max(initial=0)) for one, axis in ((left, 1), (right, 0))]
    if not math.sqrt(norms[0]) * math.sqrt(norms[1]) < EXACT / 2:  # the norms themselves are rounded
        raise ArtifactError("integers too large for an exact product")
    made: Matrix = left @ right
    return made


def orthogonal(matrix: Matrix) -> Matrix:
    """Return the nearest matrix (m, n) of orthogonal rows, or columns if m > n, to one of random entries.

    These are of deviation 1.
    Newton's iteration for the polar decomposition (Higham, Functions of Matrices, section 8.3, in the form of
    Schulz, which has products only), rounded to steps of 2**-25 at every step.
    """
    rows, columns = matrix.shape
    if rows > columns:
        return orthogonal(matrix.T).T
    found = np.round(matrix * (_UNIT / (math.sqrt(rows) + math.sqrt(columns))))  # largest singular value: 1
    for _ in range(_ITERATIONS):
        rest = np.round(_UNIT * np.eye(rows) - product(found, found.T) / _UNIT)
        if np.abs(rest).max() <= math.sqrt(columns):  # what the rounding itself leaves
            return found / _UNIT
        found += np.round(product(rest, found) / (2 * _UNIT))
    raise ArtifactError(f"no orthogonal matrix of shape {matrix.shape} after {_ITERATIONS} iterations")


def inverse(matrix: Matrix) -> Matrix:
    """Return the inverse of a symmetric positive definite matrix, by Gauss and Jordan, element by element."""
    found = matrix.copy()
    update = np.empty_like(found)
    for pivot in range(len(found)):
        column = found[:, pivot].copy()
        row = found[pivot] / column[pivot]
        row[pivot] = 1 / column[pivot]
        column[pivot], found[:, pivot], found[pivot] = 0, 0, row
        np.multiply(column[:, None], row, out=update)
        found -= update
    return found


def dot(left: Matrix, right: Matrix) -> float:
    """Return the sum of the products of two vectors, as if added without rounding."""
    return math.fsum((left * right).tolist())
