"""The arrays of a folder of photographs: decoded, resized and cropped once, by every core.

Needs Pillow. Preprocessing is torchvision's (and the paper's, section IV-C) to the bit: RGB; short side
to 256, bilinear with antialiasing; the centre 224 x 224. Scaling and normalisation are left to the
reader of the arrays (`bench.data.arrays.Images`), so that they take a quarter of the space.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image

from bench.common.errors import ArtifactError
from bench.data import arrays, labels
from bench.data.arrays import MEAN, SIDE, STD
from bench.data.listing import Listing, Photograph, read

#: Told how many images of how many are done, about once a second and at the end.
Progress = Callable[[int, int], None]

SHORT_SIDE = 256  # pixels, before the crop

_IMAGE_BYTES = 3 * SIDE * SIDE
_CHUNK = 16  # images a task: a fifth of a second
_RESERVE = 64 << 20  # bytes of disk to leave free
#: Modes with more than 8 bits a channel: Pillow's conversion to RGB would clip them, and say nothing.
_DEEP = ("F", "I", "I;16", "I;16B", "I;16L", "I;16N")


class _Task(NamedTuple):
    """Write the images `files` to `target`, one after the other from byte `offset` on."""

    target: Path
    offset: int
    root: Path
    files: tuple[str, ...]


def write(name: str, data: Mapping[str, Any], directory: Path, progress: Progress) -> Listing:
    """Write the arrays of dataset `name`; `data` is the prepare spec's. Returns what the folder holds.

    The first data["samples"] test images (0: all) and the calibration images become
    ``{test,calibration}-images.npy``, uint8 NCHW (N, 3, 224, 224), memory-mappable, and ``-labels.npy``,
    int64; manifest.json describes them. Raises ArtifactError if the folder is not what `data` says it is,
    naming the damaged images, or when the disk has no space; the caller discards `directory` then.
    """
    root = Path(data["path"])
    listing = read(name, root)
    if listing.fingerprint != data["fingerprint"]:
        raise ArtifactError(
            "the folder is not what it was when the run was planned",
            where=str(root),
            remedy="run again; a container sees no file that a link outside the folder points to",
        )
    parts = {"test": listing.test[: data["samples"] or None], "calibration": listing.calibration}
    _check_space(directory, sum(map(len, parts.values())))
    try:
        tasks: list[_Task] = []
        for part, photographs in parts.items():
            tasks += _tasks(directory / f"{part}-images.npy", root, photographs)
            found = np.array([image.label for image in photographs], np.int64)
            np.save(directory / f"{part}-labels.npy", found)
        damaged = _run(tasks, progress)
    except OSError as error:
        raise ArtifactError(f"cannot write the arrays: {error}", where=str(directory)) from error
    labels.refuse(root, damaged, "every image must be whole: get these again, or take them off the labels")
    facts = {
        "dataset": name,
        "classes": listing.classes,
        "licence": "the user's own",
        "fingerprint": listing.fingerprint,
        "calibration_source": listing.calibration_source,
        "notes": listing.notes,
        "preprocessing": {
            "resize": f"short side {SHORT_SIDE}, bilinear with antialiasing (Pillow {PIL.__version__})",
            "crop": "centre",
            "side": SIDE,
            "scale": "[0, 1], when read",
            "mean": MEAN,
            "std": STD,
        },
    }
    names = [f"{part}-{kind}.npy" for part in parts for kind in ("images", "labels")]
    arrays.describe(directory, names, facts)
    return listing


def pixels(path: Path) -> npt.NDArray[np.uint8]:
    """Decode, resize and crop one image: uint8 CHW (3, 224, 224).

    Grey, palette and CMYK images become RGB as Pillow converts them, transparency is dropped. An EXIF
    rotation is not applied: ImageNet's models were trained and are judged without. Raises what Pillow
    raises (OSError, SyntaxError, ValueError, ..) for a file which is no whole image.
    """
    with Image.open(path) as opened:
        if opened.mode in _DEEP:
            raise ValueError(f"more than 8 bits a channel (mode {opened.mode})")
        image = opened.convert("RGB")
    width, height = image.size
    short = min(width, height)
    width, height = SHORT_SIDE * width // short, SHORT_SIDE * height // short
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - SIDE) / 2), round((height - SIDE) / 2)
    cropped = resized.crop((left, top, left + SIDE, top + SIDE))
    made: npt.NDArray[np.uint8] = np.asarray(cropped).transpose(2, 0, 1)
    return made


def _check_space(directory: Path, images: int) -> None:
    needed, free = images * _IMAGE_BYTES + _RESERVE, shutil.disk_usage(directory).free
    if needed > free:
        raise ArtifactError(
            f"the arrays of {images} images take {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free",
            where=str(directory.parent),
            remedy="free some disk space, or ask for fewer accuracy_samples",
        )


def _tasks(target: Path, root: Path, photographs: Sequence[Photograph]) -> Iterator[_Task]:
    """Make the array's file, its header and the space for its data; split the work on it."""
    shape = (len(photographs), 3, SIDE, SIDE)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with open(target, "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        start = stream.tell()
        stream.truncate(start + len(photographs) * _IMAGE_BYTES)
    for first in range(0, len(photographs), _CHUNK):
        files = tuple(image.file for image in photographs[first : first + _CHUNK])
        yield _Task(target, start + first * _IMAGE_BYTES, root, files)


def _run(tasks: Sequence[_Task], progress: Progress) -> list[str]:
    """Do the tasks on every core this process may use; return what is wrong with which image."""
    # "spawn": a forked child of a process with torch and TensorFlow in it may hang
    pool = ProcessPoolExecutor(len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn"))
    total, done, told = sum(len(task.files) for task in tasks), 0, time.monotonic()
    damaged: list[str] = []
    try:
        running = {pool.submit(_do, task): task for task in tasks}
        for finished in as_completed(running):
            damaged += finished.result()
            done += len(running[finished].files)
            if done == total or time.monotonic() >= told + 1:
                told = time.monotonic()
                progress(done, total)
    except BrokenProcessPool as error:
        raise ArtifactError(
            "a process that reads images was killed", remedy="free some memory; `invoke doctor` shows it"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
    return sorted(damaged)


def _do(task: _Task) -> list[str]:
    """Read the images of one task and write them; return the messages of those that cannot be read.

    Written, not mapped: on a full disk a write fails with a message, a mapped page kills the process.
    """
    damaged = []
    with open(task.target, "r+b") as stream:
        stream.seek(task.offset)
        for file in task.files:
            try:
                made = pixels(task.root / file)
            except Exception as error:  # Pillow's decoders raise all kinds; each means a damaged image
                damaged.append(f"{file}: {error}")
                stream.seek(_IMAGE_BYTES, os.SEEK_CUR)
            else:
                stream.write(made.tobytes())
    return damaged
