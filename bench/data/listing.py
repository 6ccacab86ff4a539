"""What a folder of photographs holds: files, labels, splits; no image is opened.

Standard library only: the host lists a folder to know its fingerprint and its size, and the prepare
image lists it again to read it. A folder is laid out in one of the ways README.md shows.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from bench.common.errors import ArtifactError, UsageError
from bench.data import labels, matfile
from bench.data.labels import CLASSES, Labelled

#: Where images may be, relative to the dataset's folder; label files are in the folder itself.
BASES = ("", "images", "val", "ILSVRC2012_img_val")
#: Where the devkit's files may be.
DEVKIT = ("", "data", "ILSVRC2012_devkit_t12/data")
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
#: MLPerf's calibration lists, the first found counts.
CALIBRATION_LISTS = ("cal_image_list_option_1.txt", "cal_image_list_option_2.txt")

#: Calibration images at most, as many as MLPerf's lists name; and at most a quarter of all.
CALIBRATION_IMAGES = 500

_SUFFIXES = (".jpeg", ".jpg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm")


class Photograph(NamedTuple):
    """An image file, POSIX path relative to the dataset's folder; its class index; its size in bytes."""

    file: str
    label: int
    size: int


@dataclass(frozen=True)
class Listing:
    """The two splits of a folder, which share no file. `classes` is empty where nothing names them.

    `test`: ImageNet in the order of file names (which is random in class); otherwise classes take
    turns. Every prefix is thus about balanced. `notes` says what a user should know of the choices.
    """

    test: tuple[Photograph, ...]
    calibration: tuple[Photograph, ...]
    classes: tuple[str, ...]
    calibration_source: str
    notes: tuple[str, ...]

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over split, class index, size and name of every image, in order, and class names.

        A file added, removed, renamed, of another size, label or split changes it. An image replaced by
        another of the very same size does not: reading 50,000 images takes minutes, this under a second.
        """
        lines = [f"class {name}" for name in self.classes]
        for part, photographs in (("test", self.test), ("calibration", self.calibration)):
            lines += [f"{part} {image.label} {image.size} {image.file}" for image in photographs]
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


class _Found(NamedTuple):
    photographs: list[Photograph]
    classes: tuple[str, ...]
    notes: list[str]


def read(name: str, root: Path) -> Listing:
    """List the folder of an `imagenet` or `folder` dataset. Raises UsageError or ArtifactError."""
    if not root.is_dir():
        raise UsageError("no such folder", where=str(root), remedy=f"--dataset {name}:PATH names a folder")
    found = _imagenet(root) if name == "imagenet" else _folder(root)
    listed = next((root / name for name in CALIBRATION_LISTS if (root / name).is_file()), None)
    if name == "imagenet" and listed:
        calibration = _listed(found.photographs, listed)
        source = f"{listed.name}: the {len(calibration)} images it names"
    else:
        calibration = _spaced(root, found.photographs)
        source = f"{len(calibration)} images, evenly spaced over all {len(found.photographs)} sorted by class"
    taken = {image.file for image in calibration}
    rest = [image for image in found.photographs if image.file not in taken]
    if not rest:
        raise ArtifactError("every image is a calibration image, none is left to test", where=str(root))
    test = sorted(rest, key=_file_name) if name == "imagenet" else _take_turns(rest)
    notes = (*found.notes, f"calibration: {source}; they are not tested")
    return Listing(tuple(test), tuple(calibration), found.classes, source, notes)


# ------------------------------------------------------------------------------------------------ layouts


def _imagenet(root: Path) -> _Found:
    if (root / "val_map.txt").is_file():
        return _located(root, root / "val_map.txt", labels.val_map)
    for place in DEVKIT:
        if (root / place / GROUND_TRUTH).is_file():
            return _devkit(root, root / place / GROUND_TRUTH)
    for base in BASES:
        if any(matfile.WNID.fullmatch(name) for name in _folders(root / base)):
            return _class_folders(root, base)
    raise ArtifactError(
        "no labels: there is no val_map.txt, no devkit ground truth and no folder named by a wnid",
        where=str(root),
        remedy=f'put val_map.txt ("file index" a line), or the devkit\'s {GROUND_TRUTH} and meta.mat, there',
    )


def _folder(root: Path) -> _Found:
    if (root / "labels.csv").is_file():
        return _located(root, root / "labels.csv", labels.labels_csv)
    if (root / "val_map.txt").is_file():
        return _located(root, root / "val_map.txt", labels.val_map)
    return _class_folders(root, "")


def _located(root: Path, path: Path, parse: Callable[[Path], list[Labelled]]) -> _Found:
    """The images a label file names, all in the first of BASES that has the first of them."""
    entries = parse(path)
    holders = (base for base in BASES if (root / base / entries[0].file).is_file())
    base = next(holders, "images" if (root / "images").is_dir() else "")
    photographs, missing = [], []
    for entry in entries:
        file = f"{base}/{entry.file}" if base else entry.file
        try:
            photographs.append(Photograph(file, entry.label, os.stat(f"{root}/{file}").st_size))
        except OSError:
            missing.append(f"line {entry.line}: no file {file}")
    labels.refuse(path, missing, f"images are sought in {root}, or its {', '.join(BASES[1:])}")
    notes = [f"labels: {path.name}"]
    named = {image.file for image in photographs}
    extra = sum(image.file not in named for image in _images(root, base, 0))
    if extra:
        notes.append(f"{extra} images are left out: {path.name} does not name them")
    return _Found(photographs, (), notes)


def _devkit(root: Path, path: Path) -> _Found:
    """The ground truth's order is that of the file names; its ids become wnids, sorted wnids indices."""
    identities = labels.ground_truth(path)
    meta = path.with_name("meta.mat")
    if not meta.is_file():
        raise ArtifactError(
            f"{path.name} gives ILSVRC ids, which only the devkit's meta.mat translates into classes",
            where=str(path),
            remedy="copy meta.mat beside it, or use a val_map.txt",
        )
    by_identity = matfile.wnids(meta)
    classes = tuple(sorted(by_identity.values()))
    index = {wnid: position for position, wnid in enumerate(classes)}
    photographs = next(filter(None, (_images(root, base, 0) for base in BASES)), [])
    if len(photographs) != len(identities):
        raise ArtifactError(
            f"{len(identities)} labels, but {len(photographs)} images in {root}",
            where=str(path),
            remedy="the ground truth is for the whole validation set; for a part of it, use a val_map.txt",
        )
    pairs = zip(sorted(photographs, key=_file_name), identities)
    labelled = [image._replace(label=index[by_identity[identity]]) for image, identity in pairs]
    return _Found(labelled, classes, [f"labels: {path.name} and {meta.name}"])


def _class_folders(root: Path, base: str) -> _Found:
    """A folder a class, sorted; its position is the class index."""
    names = _folders(root / base)
    wnids = sum(bool(matfile.WNID.fullmatch(name)) for name in names)
    if wnids and not wnids == len(names) == CLASSES:
        raise ArtifactError(
            f"{wnids} of {len(names)} folders are named by a wnid; only all {CLASSES} tell a class's index",
            where=str(root / base),
            remedy="add a val_map.txt, or a labels.csv (columns file, class_index; --dataset folder:PATH)",
        )
    if not 2 <= len(names) <= CLASSES:
        raise ArtifactError(
            f"{len(names)} class folders, expected 2 to {CLASSES}, and no label file",
            where=str(root / base),
            remedy="one folder a class, or a labels.csv (columns file, class_index), or a val_map.txt",
        )
    photographs: list[Photograph] = []
    empty = []
    for label, name in enumerate(names):
        found = _images(root, f"{base}/{name}" if base else name, label)
        photographs += found
        if not found:
            empty.append(name)
    labels.refuse(root / base, [f"no image in {name}" for name in empty])
    return _Found(photographs, tuple(names), [f"labels: {len(names)} class folders"])


def _images(root: Path, base: str, label: int) -> list[Photograph]:
    """The images right in a folder, none where there is no folder."""
    if not (root / base).is_dir():
        return []
    prefix = f"{base}/" if base else ""
    with os.scandir(root / base) as entries:
        return [
            Photograph(prefix + entry.name, label, entry.stat().st_size)
            for entry in entries
            if entry.name.lower().endswith(_SUFFIXES) and entry.name[0] != "." and entry.is_file()
        ]


def _folders(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and entry.name[0] != ".")


# ------------------------------------------------------------------------------------------------- splits


def _listed(photographs: Sequence[Photograph], path: Path) -> list[Photograph]:
    """The images that MLPerf's list names, in its order; it names files without their folder."""
    by_name = {_file_name(image)[0]: image for image in photographs}
    names = labels.image_list(path)
    unknown = [f"line {number}: {name} is not among the images" for number, name in names]
    labels.refuse(path, [text for text, (_, name) in zip(unknown, names) if name not in by_name])
    return [by_name[name] for _, name in names]


def _spaced(root: Path, photographs: Sequence[Photograph]) -> list[Photograph]:
    """Evenly spaced images, sorted by class so that none is left out by the stride."""
    count = min(CALIBRATION_IMAGES, len(photographs) // 4)
    if not count:
        raise ArtifactError(
            f"{len(photographs)} images: too few for a calibration and a test split", where=str(root)
        )
    ordered = sorted(photographs, key=lambda image: (image.label, image.file))
    chosen = [ordered[(2 * i + 1) * len(ordered) // (2 * count)] for i in range(count)]
    return _take_turns(chosen)


def _take_turns(photographs: Iterable[Photograph]) -> list[Photograph]:
    """The first image of each class, then the second of each, ..; each class in file order."""
    seen: Counter[int] = Counter()
    turns = []
    for image in sorted(photographs, key=lambda image: image.file):
        turns.append((seen[image.label], image.label, image))
        seen[image.label] += 1
    return [image for _, _, image in sorted(turns)]


def _file_name(image: Photograph) -> tuple[str, str]:
    return PurePosixPath(image.file).name, image.file
