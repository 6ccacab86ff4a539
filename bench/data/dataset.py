"""Which dataset a run uses, by the word that names it: what the host has to know of it before it is read.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common.errors import UsageError, unknown
from bench.data import listing

#: Every dataset: the embedded one, and those of a folder.
DATASETS = ("fashion-mnist", "imagenet", "folder")
#: Test images of which FP32 reference logits are kept: as many as an accuracy run of minutes answers.
REFERENCE_IMAGES = 256
#: Images of the embedded dataset's splits.
EMBEDDED = {"test": 512, "calibration": 128}


@dataclass(frozen=True)
class Dataset:
    """A dataset that was found: `path` and `fingerprint` are those of a folder, None and "" if embedded.

    `test` and `calibration` count the images of the splits; `notes` are for the user to read.
    """

    name: str
    path: Path | None
    fingerprint: str
    test: int
    calibration: int
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name by which results know it: "fashion-mnist", "folder-1a2b3c4d"."""
        return label(self.name, self.fingerprint)

    def data(self, path: str, samples: int) -> dict[str, Any] | None:
        """The prepare spec's "data": `path` as prepare sees the folder, `samples` test images (0: all).

        Never fewer than the reference takes; all of them are always 0, so that profiles share arrays.
        """
        if self.path is None:
            return None
        asked = max(samples, REFERENCE_IMAGES) if samples else self.test
        return {"path": path, "fingerprint": self.fingerprint, "samples": 0 if asked >= self.test else asked}


def parse(word: str) -> tuple[str, Path | None]:
    """Split "fashion-mnist", "imagenet:PATH" or "folder:PATH" into name and absolute path.

    Raises UsageError for an unknown name, a path that is missing, or one too many.
    """
    name, _, path = word.partition(":")
    if name not in DATASETS:
        raise UsageError(unknown("dataset", name, DATASETS), where="--dataset")
    if name == "fashion-mnist":
        if path:
            raise UsageError("fashion-mnist is embedded, it has no path", where="--dataset")
        return name, None
    if not path:
        raise UsageError(
            f"{name} needs the folder of its images", where="--dataset", remedy=f"--dataset {name}:PATH"
        )
    return name, Path(path).expanduser().resolve()


def find(word: str) -> Dataset:
    """List the dataset a word names, without opening an image. Raises UsageError or ArtifactError.

    Under a second for 50,000 images.
    """
    name, path = parse(word)
    if path is None:
        return Dataset(name, None, "", EMBEDDED["test"], EMBEDDED["calibration"])
    found = listing.read(name, path)
    return Dataset(name, path, found.fingerprint, len(found.test), len(found.calibration), found.notes)


def label(name: str, fingerprint: str) -> str:
    """A dataset's name, told from others of its kind by the first digits of its fingerprint."""
    return f"{name}-{fingerprint[:8]}" if fingerprint else name


def label_of(spec: Mapping[str, Any]) -> str:
    """The label of a prepare spec's dataset."""
    data = spec.get("data")
    return label(spec["dataset"], data["fingerprint"] if data else "")
