"""bench.data.embedded: what is embedded, that its splits never mix, preprocessing as the paper's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.common import hashing
from bench.data import dataset, embedded, make_fashion_mnist

IDX_FILES = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(scope="module")
def fashion() -> embedded.EmbeddedDataset:
    return embedded.load()


def test_what_is_embedded(fashion: embedded.EmbeddedDataset) -> None:
    assert {part: split.images.shape for part, split in fashion.splits.items()} == {
        "fit": (1200, 28, 28),
        "calibration": (128, 28, 28),
        "test": (512, 28, 28),
    }
    assert len(fashion.classes) == 10
    assert fashion.classes[9] == "Ankle boot"
    archive = Path(embedded.__file__).with_name("fashion_mnist.npz")
    assert archive.stat().st_size < 1_100_000
    assert "MIT" in archive.with_name("LICENSE.fashion-mnist").read_text()


def test_splits_share_no_image(fashion: embedded.EmbeddedDataset) -> None:
    found = [{image.tobytes() for image in split.images} for split in fashion.splits.values()]
    assert len(set.union(*found)) == sum(map(len, found)) == 1200 + 128 + 512


def test_every_prefix_is_balanced(fashion: embedded.EmbeddedDataset) -> None:
    for split in fashion.splits.values():
        for length in (10, 32, 64, len(split.labels)):
            counts = np.bincount(split.labels[:length], minlength=10)
            assert counts.max() - counts.min() <= 1


def test_the_host_knows_how_many_images_are_embedded(fashion: embedded.EmbeddedDataset) -> None:
    found = dataset.find("fashion-mnist")
    assert (found.label, found.path, found.data("", 64)) == ("fashion-mnist", None, None)
    assert found.test == len(fashion.splits["test"].labels)
    assert found.calibration == len(fashion.splits["calibration"].labels)


def test_resize_is_exact_on_a_ramp() -> None:
    """Half-pixel centres: output pixel o reads input (o + 0.5) / 8 - 0.5, clamped at the borders."""
    ramp = np.tile(np.arange(28, dtype=np.uint8), (1, 28, 1))
    expected = np.clip((np.arange(224) + 0.5) / 8 - 0.5, 0, 27)
    resized = embedded.resize_bilinear(ramp)
    assert resized.dtype == np.float32
    assert np.array_equal(resized[0], np.tile(expected.astype(np.float32), (224, 1)))
    assert np.array_equal(embedded.resize_bilinear(ramp.transpose(0, 2, 1))[0].T, resized[0])


def test_preprocess_scales_and_normalises_as_the_paper() -> None:
    white = embedded.preprocess(np.full((2, 28, 28), 255, np.uint8))
    assert white.shape == (2, 3, 224, 224)
    assert white.dtype == np.float32
    expected = (1 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    assert np.allclose(white[0, :, 100, 100], expected, atol=1e-6)


def test_written_arrays_match_their_manifest(tmp_path: Path, fashion: embedded.EmbeddedDataset) -> None:
    small = {
        part: embedded.Split(split.images[:5], split.labels[:5]) for part, split in fashion.splits.items()
    }
    embedded.write(
        embedded.EmbeddedDataset("fashion-mnist", fashion.classes, fashion.licence, small), tmp_path
    )
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    named = {name: facts["sha256"] for name, facts in manifest["files"].items()}
    assert named == {name: hashing.sha256_file(tmp_path / name) for name in named}
    assert set(manifest["files"]) == {path.name for path in tmp_path.iterdir()} - {"manifest.json"}
    images = np.load(tmp_path / "test-images.npy", mmap_mode="r")
    assert list(images.shape) == manifest["files"]["test-images.npy"]["shape"] == [5, 3, 224, 224]
    assert np.array_equal(images, embedded.preprocess(fashion.splits["test"].images[:5]))
    assert np.load(tmp_path / "test-labels.npy").tolist() == [0, 1, 2, 3, 4]


@pytest.mark.skipif(not IDX_FILES.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_archive_is_made_byte_for_byte(tmp_path: Path) -> None:
    made = tmp_path / "made.npz"
    make_fashion_mnist.write(make_fashion_mnist.make(IDX_FILES), made)
    assert made.read_bytes() == Path(embedded.__file__).with_name("fashion_mnist.npz").read_bytes()
