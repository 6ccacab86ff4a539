"""The embedded dataset, fashion-mnist: its splits, and their preprocessing as the paper's section IV-C.

Pure NumPy, Python 3.9. The arrays are exact: the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.data import arrays
from bench.data.arrays import MEAN, SIDE, STD

_CHUNK = 64  # images preprocessed at a time: 38 MB of float32


@dataclass(frozen=True)
class Split:
    """Grey images uint8 (N, H, W) and their labels int64 (N,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class EmbeddedDataset:
    """Three splits which share no image: `fit` for the probe head, `calibration`, `test`.

    Classes take turns within a split (0, 1, .. 9, 0, 1, ..), so that every prefix is balanced.
    """

    name: str
    classes: tuple[str, ...]
    licence: str
    splits: Mapping[str, Split]


def load() -> EmbeddedDataset:
    """Return the embedded dataset."""
    with np.load(Path(__file__).with_name("fashion_mnist.npz"), allow_pickle=False) as archive:
        splits = {
            part: Split(archive[f"{part}_images"], archive[f"{part}_labels"].astype(np.int64))
            for part in ("fit", "calibration", "test")
        }
        classes = tuple(str(label) for label in archive["classes"])
    return EmbeddedDataset("fashion-mnist", classes, "MIT (LICENSE.fashion-mnist)", splits)


def resize_bilinear(images: npt.NDArray[np.uint8], side: int = SIDE) -> npt.NDArray[np.float32]:
    """Enlarge square images (N, H, H) uint8 to (N, side, side) float32 in [0, 255].

    Bilinear with half-pixel centres and clamped borders, as PIL and torch (``align_corners=False``)
    enlarge. From 28 to 224 the weights are sixteenths, so every product and sum is exact in float32.
    """
    extent = images.shape[-1]
    centre = np.clip((np.arange(side) + 0.5) * (extent / side) - 0.5, 0, extent - 1)
    low = np.minimum(centre.astype(np.intp), extent - 2)
    weight = (centre - low).astype(np.float32)
    grey = images.astype(np.float32)
    rows = grey[:, low, :] * (1 - weight)[:, None] + grey[:, low + 1, :] * weight[:, None]
    enlarged: npt.NDArray[np.float32] = rows[:, :, low] * (1 - weight) + rows[:, :, low + 1] * weight
    return enlarged


def preprocess(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Turn grey images (N, H, H) uint8 into model inputs, float32 NCHW (N, 3, 224, 224), normalised."""
    scaled = (resize_bilinear(images) / np.float32(255))[:, None]
    mean = np.array(MEAN, np.float32)[:, None, None]
    std = np.array(STD, np.float32)[:, None, None]
    normalised: npt.NDArray[np.float32] = (scaled - mean) / std
    return normalised


def write(dataset: EmbeddedDataset, directory: Path) -> None:
    """Write the arrays a measurement needs, and manifest.json with their hashes, into `directory`.

    ``{test,calibration}-images.npy`` float32 NCHW, memory-mappable; ``-labels.npy`` int64. The fit split
    stays out: nothing but the making of the probe weights may see it.
    """
    names = []
    for part in ("test", "calibration"):
        split = dataset.splits[part]
        shape = (len(split.images), 3, SIDE, SIDE)
        images, labels = f"{part}-images.npy", f"{part}-labels.npy"
        mapped = np.lib.format.open_memmap(directory / images, mode="w+", dtype=np.float32, shape=shape)
        for start in range(0, len(split.images), _CHUNK):
            mapped[start : start + _CHUNK] = preprocess(split.images[start : start + _CHUNK])
        mapped.flush()
        np.save(directory / labels, split.labels)
        names += [images, labels]
    facts = {
        "dataset": dataset.name,
        "classes": dataset.classes,
        "licence": dataset.licence,
        "preprocessing": {"resize": "bilinear", "side": SIDE, "scale": "[0, 1]", "mean": MEAN, "std": STD},
    }
    arrays.describe(directory, names, facts)
