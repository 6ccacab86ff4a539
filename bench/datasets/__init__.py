"""Images, labels and their splits; preprocessing as the paper's section IV-C; the arrays every image mounts.

Pure NumPy, Python 3.9. The arrays are exact: the same bytes on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import ArtifactError, unknown
from bench.recipes import sha256_file

DATASETS = ("fashion-mnist",)

#: Input side of all three models, pixels.
SIDE = 224
#: Channel statistics of ImageNet, after scaling to [0, 1] (paper, section IV-C).
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

_CHUNK = 64  # images preprocessed at a time: 38 MB of float32


@dataclass(frozen=True)
class Split:
    """Grey images uint8 (N, H, W) and their labels int64 (N,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Dataset:
    """Three splits which share no image: `fit` for the probe head, `calibration`, `test`.

    Classes take turns within a split (0, 1, .. 9, 0, 1, ..), so that every prefix is balanced.
    """

    name: str
    classes: tuple[str, ...]
    licence: str
    splits: Mapping[str, Split]


def load(name: str) -> Dataset:
    """Return an embedded dataset; ArtifactError names the near match for an unknown one."""
    if name not in DATASETS:
        raise ArtifactError(unknown("dataset", name, DATASETS))
    with np.load(Path(__file__).with_name("fashion_mnist.npz"), allow_pickle=False) as archive:
        splits = {
            part: Split(archive[f"{part}_images"], archive[f"{part}_labels"].astype(np.int64))
            for part in ("fit", "calibration", "test")
        }
        classes = tuple(str(label) for label in archive["classes"])
    return Dataset(name, classes, "MIT (LICENSE.fashion-mnist)", splits)


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


def write(dataset: Dataset, directory: Path) -> None:
    """Write the arrays a measurement needs, and manifest.json with their hashes, into `directory`.

    ``{test,calibration}-images.npy`` float32 NCHW, memory-mappable; ``-labels.npy`` int64. The fit split
    stays out: nothing but the making of the probe weights may see it.
    """
    files: dict[str, dict[str, Any]] = {}
    for part in ("test", "calibration"):
        split = dataset.splits[part]
        shape = (len(split.images), 3, SIDE, SIDE)
        path = directory / f"{part}-images.npy"
        mapped = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        for start in range(0, len(split.images), _CHUNK):
            mapped[start : start + _CHUNK] = preprocess(split.images[start : start + _CHUNK])
        mapped.flush()
        files[path.name] = {"shape": list(shape), "dtype": "float32", "sha256": sha256_file(path)}
        path = directory / f"{part}-labels.npy"
        np.save(path, split.labels)
        files[path.name] = {"shape": [shape[0]], "dtype": "int64", "sha256": sha256_file(path)}
    manifest = {
        "schema": 1,
        "dataset": dataset.name,
        "classes": dataset.classes,
        "licence": dataset.licence,
        "preprocessing": {"resize": "bilinear", "side": SIDE, "scale": "[0, 1]", "mean": MEAN, "std": STD},
        "files": files,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
