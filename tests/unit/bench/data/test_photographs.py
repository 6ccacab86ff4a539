"""bench.data.photographs: pixels as the paper has them, arrays as the manifest says, or an error."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bench.common import hashing
from bench.common.errors import ArtifactError
from bench.data import arrays, dataset, photographs
from bench.data.embedded import preprocess
from bench.measure.samples import Library, open_images, open_labels


def photograph(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (30, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photographs")
    for label, name in enumerate(("cat", "dog", "fox")):
        for i in range(20):
            photograph(root / name / f"{i:02}.png", (label, i, 200))
    return root


def write(root: Path, target: Path, samples: int = 0) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    found = dataset.find(f"folder:{root}")
    data = found.data(str(root), samples)
    assert data is not None
    target.mkdir(exist_ok=True)
    photographs.write("folder", data, target, lambda done, total: told.append((done, total)))
    return told


@pytest.fixture(scope="module")
def written(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("arrays")
    assert write(folder, target)[-1] == (60, 60)
    return target


def test_arrays_hold_each_image_and_its_label(written: Path) -> None:
    for part, count in (("test", 45), ("calibration", 15)):
        stored = np.load(written / f"{part}-images.npy", mmap_mode="r")
        labels = np.load(written / f"{part}-labels.npy")
        assert (stored.shape, stored.dtype, labels.dtype) == ((count, 3, 224, 224), np.uint8, np.int64)
        assert np.array_equal(stored[:, 0, 0, 0], labels)  # red is the class
        assert np.bincount(labels).tolist() == [count // 3] * 3
        assert (stored == stored[:, :, :1, :1]).all()
    both = [np.load(written / f"{part}-images.npy")[:, :2, 0, 0] for part in ("test", "calibration")]
    assert len(np.unique(np.concatenate(both), axis=0)) == 60  # no image in both splits


def test_the_manifest_says_what_was_done(written: Path) -> None:
    manifest = json.loads((written / "manifest.json").read_text())
    named = {name: facts["sha256"] for name, facts in manifest["files"].items()}
    assert named == {name: hashing.sha256_file(written / name) for name in named}
    assert manifest["dataset"] == "folder"
    assert manifest["classes"] == ["cat", "dog", "fox"]
    assert manifest["calibration_source"] == "15 images, evenly spaced over all 60 sorted by class"
    assert manifest["files"]["test-images.npy"]["dtype"] == "uint8"
    assert set(manifest["files"]) == {path.name for path in written.iterdir()} - {"manifest.json"}


def test_fewer_samples_are_the_first_ones(
    folder: Path, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "REFERENCE_IMAGES", 32)
    assert write(folder, tmp_path, samples=33)[-1] == (48, 48)
    first, every = (np.load(path / "test-images.npy") for path in (tmp_path, written))
    assert np.array_equal(first, every[:33])
    calibration = [(path / "calibration-images.npy").read_bytes() for path in (tmp_path, written)]
    assert calibration[0] == calibration[1]


def test_a_model_gets_the_numbers_of_float32_preprocessing(written: Path) -> None:
    pixels = np.load(written / "test-images.npy")
    mean, std = (np.array(v, np.float32)[:, None, None] for v in (arrays.MEAN, arrays.STD))
    expected = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    images = open_images(written)
    assert (len(images), images.shape) == (45, (45, 3, 224, 224))
    assert images[3].dtype == np.float32
    for found, wanted in (
        (images[3], expected[3]),
        (images[2:9], expected[2:9]),
        (images[[4, 1]], expected[[4, 1]]),
    ):
        assert np.array_equal(found, wanted)
    assert np.array_equal(np.stack(list(images)), expected)
    for layout, axes in (("NCHW", (0, 1, 2, 3)), ("NHWC", (0, 2, 3, 1))):
        library = Library(images, layout, 2, 4, lambda: None)
        library.load([7, 0, 5, 1])
        assert np.array_equal(library.store[:4], expected[[7, 0, 5, 1]].transpose(axes))
    assert open_labels(written)[:4].tolist() == [0, 1, 2, 0]


def test_every_pixel_value_is_normalised_as_the_embedded_images_are() -> None:
    grey = np.arange(256, dtype=np.uint8).repeat(4).reshape(256, 2, 2)
    flat = np.broadcast_to(grey[:, None, :1, :1], (256, 3, 224, 224))
    assert np.array_equal(arrays.normalised(flat[:, :, :1, :1]), preprocess(grey)[:, :, :1, :1])


# ------------------------------------------------------------------------------------------------- pixels


@pytest.mark.parametrize("size", [(448, 256), (256, 449), (256, 256), (3 * 448, 3 * 256)])
def test_the_centre_is_kept(tmp_path: Path, size: tuple[int, int]) -> None:
    """A picture whose colour is its place, in units of the resized picture's pixels."""
    scale = min(size) / 256
    x, y = np.meshgrid(np.arange(size[0]) // scale, np.arange(size[1]) // scale)
    content = np.stack([x // 2, y // 2, 0 * x], -1).astype(np.uint8)
    Image.fromarray(content).save(tmp_path / "x.png")
    found = photographs.pixels(tmp_path / "x.png")
    left, top = round((size[0] / scale - 224) / 2), round((size[1] / scale - 224) / 2)
    assert found.shape == (3, 224, 224)
    assert np.abs(found[0, 0] - (left + np.arange(224)) // 2).max() <= 1
    assert np.abs(found[1, :, 0] - (top + np.arange(224)) // 2).max() <= 1


def test_the_short_side_is_resized_with_antialiasing(tmp_path: Path) -> None:
    """Lines one pixel wide become grey; without antialiasing some would vanish."""
    lines = np.zeros((1024, 1024, 3), np.uint8)
    lines[:, ::2] = 255
    Image.fromarray(lines).save(tmp_path / "x.png")
    found = photographs.pixels(tmp_path / "x.png")
    assert found.min() > 110
    assert found.max() < 145


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "LA", "RGBA", "1"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    Image.new("RGB", (300, 260), (255, 255, 255)).convert(mode).save(path)
    assert (photographs.pixels(path) == 255).all()


def test_an_exif_rotation_is_not_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (256, 256))
    image.paste((255, 255, 255), (0, 0, 256, 128))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    image.save(tmp_path / "x.jpg", exif=exif)
    found = photographs.pixels(tmp_path / "x.jpg")
    assert found[:, 0].min() > 250
    assert found[:, -1].max() < 5


def test_deep_pixels_are_refused_for_they_would_be_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((300, 300), 40_000, np.uint16)).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match="more than 8 bits a channel"):
        photographs.pixels(tmp_path / "x.png")


# ------------------------------------------------------------------------------------------------- errors


def test_damaged_images_are_all_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    whole = (tmp_path / "copy" / "cat" / "03.png").read_bytes()
    (tmp_path / "copy" / "cat" / "03.png").write_bytes(whole[:-30])
    (tmp_path / "copy" / "dog" / "05.png").write_bytes(b"<html>not found</html>")
    with pytest.raises(ArtifactError, match=r"cat/03.png: .*; dog/05.png: cannot identify") as caught:
        write(tmp_path / "copy", tmp_path / "arrays")
    assert caught.value.where == str(tmp_path / "copy")
    assert not (tmp_path / "arrays" / "manifest.json").exists()


def test_a_folder_that_changed_since_the_plan_is_refused(folder: Path, tmp_path: Path) -> None:
    data = {"path": str(folder), "fingerprint": "0" * 64, "samples": 0}
    with pytest.raises(ArtifactError, match="not what it was when the run was planned"):
        photographs.write("folder", data, tmp_path, lambda done, total: None)
    assert not list(tmp_path.iterdir())


def test_a_disk_without_space_is_said_before_anything_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000_000))
    with pytest.raises(ArtifactError, match=r"arrays of 60 images take 0.1 GB, and 0.0 GB are free"):
        write(folder, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_is_an_error_of_the_arrays(folder: Path, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(ArtifactError, match=r"cannot write the arrays: .*File too large"):
            write(folder, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
