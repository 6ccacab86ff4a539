"""The arrays of a dataset: how they are stored, described, and turned into what a model takes.

Pure NumPy (1.26 or 2), Python 3.9: every framework's image reads them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from bench.common.errors import ArtifactError
from bench.common.hashing import sha256_file

Index = Union[int, slice, Sequence[int]]

#: Input side of all three models, pixels.
SIDE = 224
#: Channel statistics of ImageNet, after scaling to [0, 1] (paper, section IV-C).
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class Images:
    """The images of a split as models take them: float32 NCHW (N, 3, H, W), normalised.

    Photographs are stored as uint8, a quarter of the space, and normalised whenever they are indexed (by
    a number, a slice or a list of numbers): the very numbers they would have been stored as.
    """

    def __init__(self, stored: npt.NDArray[Any]) -> None:
        self._stored = stored
        self.shape: tuple[int, ...] = stored.shape

    def __len__(self) -> int:
        return len(self._stored)

    def __getitem__(self, index: Index) -> npt.NDArray[np.float32]:
        found: npt.NDArray[Any] = self._stored[index]
        return normalised(found) if found.dtype == np.uint8 else found

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        return (self[index] for index in range(len(self)))


def open_images(data: Path, part: str = "test") -> Images:
    """Map a split's images, float32 or uint8 (N, 3, H, W). Raises ArtifactError."""
    stored = open_array(data / f"{part}-images.npy")
    if stored.dtype not in (np.float32, np.uint8) or stored.ndim != 4:
        raise ArtifactError(
            f"expected float32 or uint8 (N, 3, H, W), found {stored.dtype} {stored.shape}", where=str(data)
        )
    return Images(stored)


def open_array(path: Path) -> npt.NDArray[Any]:
    """Map an array of a data directory. Raises ArtifactError."""
    try:
        found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"cannot read the array: {error}", where=str(path), remedy="prepare again"
        ) from error
    return found


def normalised(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Scale pixels (.., 3, H, W) uint8 to [0, 1] and normalise them, as torchvision does: float32."""
    made = np.empty(images.shape, np.float32)
    for channel, table in enumerate(_table()):
        made[..., channel, :, :] = table[images[..., channel, :, :]]
    return made


@functools.cache
def _table() -> npt.NDArray[np.float32]:
    """What each pixel value becomes, float32 (3, 256): the same on every machine, quicker than arithmetic."""
    scaled = np.arange(256, dtype=np.float32) / np.float32(255)
    mean, std = (np.array(values, np.float32)[:, None] for values in (MEAN, STD))
    table: npt.NDArray[np.float32] = (scaled - mean) / std
    return table


def describe(directory: Path, names: Iterable[str], facts: Mapping[str, Any]) -> None:
    """Write manifest.json: `facts`, and shape, type and SHA-256 of the named arrays."""
    files = {}
    for name in names:
        array = open_array(directory / name)
        sha256 = sha256_file(directory / name)
        files[name] = {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": sha256}
    manifest = {"schema": 1, **facts, "files": files}
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
