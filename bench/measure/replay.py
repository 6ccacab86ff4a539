"""Outputs as LoadGen gets them are kept and compared with the reference: none is computed twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from bench.common.errors import MeasureError

if TYPE_CHECKING:
    from bench.measure.samples import Library
    from bench.runtimes.base import Array, Runner
    from bench.runtimes.evidence import Evidence


class Replay:
    """A runner that remembers the first logits of every sample it ran, or of samples 0 to `keep`'s.

    Copying costs time inside the clock, so it is for runs whose timings are never shown: accuracy runs, and
    emulated ones, where an image costs seconds.
    """

    def __init__(self, runner: Runner, library: Library) -> None:
        self.batch = runner.batch
        self._runner = runner
        self._library = library
        self._logits: dict[int, Array] = {}
        self._kept: int | None = None

    def keep(self, samples: int) -> None:
        """Remember no sample from this one on: those that the reference does not have."""
        self._kept = samples
        self._logits = {index: row for index, row in self._logits.items() if index < samples}

    @property
    def empty(self) -> bool:
        """Whether nothing that is kept has run."""
        return not self._logits

    def bind(self, store: Array, starts: Iterable[int]) -> None:
        """See Runner."""
        self._runner.bind(store, starts)

    def run(self, start: int) -> Array:
        """See Runner."""
        logits = self._runner.run(start)
        for index, row in zip(self._library.samples(start), logits):
            if index not in self._logits and (self._kept is None or index < self._kept):
                self._logits[index] = row.copy()
        return logits

    def evidence(self) -> Evidence:
        """See Runner."""
        return self._runner.evidence()

    def against(self, reference: Array) -> tuple[Array, Array]:
        """The logits of samples that the reference has, and the reference's own, both (n, classes).

        Reference logits are those of samples 0, 1, ..; raises MeasureError where none of these ran.
        """
        both = sorted(index for index in self._logits if index < len(reference))
        if not both:
            raise MeasureError("no image of the reference was run, so no output can be compared")
        return np.stack([self._logits[index] for index in both]), reference[both]
