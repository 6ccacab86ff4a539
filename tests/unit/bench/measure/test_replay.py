"""Emulated cells: outputs are compared as they come, with the sample that each of them belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.common.errors import MeasureError
from bench.measure.replay import Replay
from bench.measure.samples import Library
from bench.runtimes.evidence import Evidence

if TYPE_CHECKING:
    from bench.runtimes.base import Array

IMAGES = np.arange(12, dtype=np.float32)[:, None, None, None].repeat(3, axis=1)
REFERENCE = np.array([[10 * index, 10 * index + 1] for index in range(8)], np.float32)


class Model:
    """Logits 10 i and 10 i + 1 for the image filled with i; one buffer for all calls, as real ones have."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self._logits = np.zeros((batch, 2), np.float32)

    def bind(self, store: Array, starts: Iterable[int]) -> None:
        self._store = store

    def run(self, start: int) -> Array:
        self._logits[:] = 10 * self._store[start : start + self.batch, 0, 0, :1] + [0, 1]
        return self._logits

    def evidence(self) -> Evidence:
        raise NotImplementedError


def recorder(batch: int) -> tuple[Replay, Library]:
    library = Library(IMAGES, "NCHW", batch, 12, lambda: None)
    found = Replay(Model(batch), library)
    found.bind(library.store, library.starts())
    return found, library


@given(data=st.data(), batch=st.integers(1, 5))
def test_each_output_is_compared_with_its_own_sample(data: st.DataObject, batch: int) -> None:
    found, library = recorder(batch)
    loaded = data.draw(st.permutations(range(12)))
    library.load(loaded)
    queries = data.draw(st.lists(st.lists(st.sampled_from(loaded), min_size=1, max_size=batch), min_size=1))
    for query in queries:
        found.run(library.window(query))
    ran = {index for query in queries for index in query if index < len(REFERENCE)}
    if not ran:
        with pytest.raises(MeasureError, match="no image of the reference was run"):
            found.against(REFERENCE)
        return
    ours, theirs = found.against(REFERENCE)
    # A short query that is a view runs its neighbours too: they are compared as well.
    assert len(ours) >= len(ran)
    np.testing.assert_array_equal(ours, theirs)


def test_what_pads_a_short_query_is_not_counted() -> None:
    found, library = recorder(4)
    library.load([5, 1, 7, 3])
    found.run(library.window([7, 5]))
    ours, _ = found.against(REFERENCE)
    assert len(ours) == 2


def test_a_wrong_output_is_seen() -> None:
    found, library = recorder(1)
    library.load([0, 1, 2])
    for index in (1, 2):
        found.run(library.window([index]))
    ours, theirs = found.against(REFERENCE[::-1])
    assert np.abs(ours - theirs).max() > 0
