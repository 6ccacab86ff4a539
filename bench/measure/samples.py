"""The query sample library: images in memory, in load order, in the framework's layout.

LoadGen's Offline query repeats the loaded set in order and a MultiStream query takes consecutive
samples of it (wrapping at its end), so with one C-contiguous array in load order a batch is a window,
a zero-copy view. Anything else is gathered, which is correct and slower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.data.arrays import Images, open_array, open_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["Library", "open_images", "open_labels"]

_ALIGNMENT = 64  # bytes: a cache line, and the widest vector


def open_labels(data: Path) -> NDArray[np.int64]:
    """Read test-labels.npy, int64 (N,). Raises ArtifactError."""
    labels: NDArray[np.int64] = open_array(data / "test-labels.npy")
    return labels


class Library:
    """Samples for windows of `batch`, at most `capacity` loaded at once.

    Rows of `store`: the loaded samples; the first batch - 1 of them again, so that a window may wrap;
    `batch` rows of scratch for what has to be gathered. `loaded` is called after each load, when the
    windows can be bound; `release` before the scratch rows are written over, to return when no inference
    reads them any more.
    """

    def __init__(
        self, images: Array | Images, layout: str, batch: int, capacity: int, loaded: Callable[[], None]
    ) -> None:
        self._images = images
        self._layout = layout
        self._batch = batch
        self._loaded = loaded
        _, channels, height, width = images.shape
        shape = (channels, height, width) if layout == "NCHW" else (height, width, channels)
        self.store = _aligned((capacity + 2 * batch - 1, *shape))
        self._scratch = capacity + batch - 1
        self._order: list[int] = []
        self._position: dict[int, int] = {}
        self._in_scratch: list[int] = []
        self.release: Callable[[], None] = lambda: None

    def load(self, indices: Sequence[int]) -> None:
        """LoadGen's LoadSamplesToRam: copy these images, in this order, normalised; no clock is running.

        For MultiStream LoadGen pads the list with its own first samples. A sample stands in one place, so
        that every query of consecutive ones is a window: repeated ones would break the order at the end.
        """
        indices = list(dict.fromkeys(indices))
        count, extra = len(indices), self._batch - 1
        for row, index in enumerate(indices):
            self.store[row] = self._image(index)
        for row in range(extra):
            self.store[count + row] = self.store[row % count]
        self._order = [*indices, *(indices[row % count] for row in range(extra))]
        self._position = {index: row for row, index in enumerate(indices)}
        self._in_scratch = []
        self._loaded()

    @property
    def bytes(self) -> int:
        """Memory of the rows that were written: the loaded samples, those that wrap, used scratch."""
        rows = len(self._order) + (self._batch if self._in_scratch else 0)
        return rows * int(self.store[0].nbytes)

    def unload(self, indices: Sequence[int]) -> None:
        """LoadGen's UnloadSamplesFromRam: the memory is kept for the next load."""

    def starts(self) -> list[int]:
        """Every row a window may start at."""
        return [*range(len(self._position)), self._scratch]

    def window(self, indices: Sequence[int]) -> int:
        """The row where these samples (at most a batch) stand one after another, gathered if need be.

        A gathered window shorter than the batch is padded with its first sample. The same window again is
        there already: else TEST04, the same sample all the time, would time the gathering.
        """
        start = self._position[indices[0]]
        if self._batch == 1 or indices == self._order[start : start + self._batch]:
            return start
        if indices == self._in_scratch:
            return self._scratch
        self.release()
        self._in_scratch = list(indices)
        for offset in range(self._batch):
            index = indices[offset] if offset < len(indices) else indices[0]
            self.store[self._scratch + offset] = self.store[self._position[index]]
        return self._scratch

    def samples(self, start: int) -> list[int]:
        """The samples of the window at row `start`, those that pad it left out."""
        return self._in_scratch if start == self._scratch else self._order[start : start + self._batch]

    def _image(self, index: int) -> Array:
        image: Array = self._images[index]
        return image if self._layout == "NCHW" else np.moveaxis(image, 0, -1)


def _aligned(shape: tuple[int, ...]) -> Array:
    """Zeros, float32, C-contiguous, on a 64-byte boundary."""
    size = int(np.prod(shape))
    raw = np.zeros(size + _ALIGNMENT // 4, np.float32)
    offset = -raw.ctypes.data % _ALIGNMENT // 4
    return raw[offset : offset + size].reshape(shape)
