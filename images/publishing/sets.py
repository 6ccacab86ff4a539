"""A published set: a run as it was measured, and what it takes to measure it again elsewhere.

reports/published/<name>/ holds set.toml, run.json and cells/*.json exactly as measured, and report.html.
LoadGen's own logs are left out for size: what they say is in the cells. set.toml pins all of it by hash,
beside the images, the locks of their wheels and the artifacts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from bench.common.errors import ResultError
from bench.common.hashing import sha256_file
from bench.plan.tables import rule
from images.publishing import record

SCHEMA = 2  # 1 named artifacts by framework
SHA256 = rule(pattern="^[0-9a-f]{64}$")
COMMENT = """A published set, written by `invoke freeze`; check it with `invoke reproduce` and this folder.
cells: SHA-256 of cells/<id>.json; images: what measured (image: id in the engine; digest: manifest in the
repository; lock: SHA-256 of the pins of its wheels); artifacts: every file that a cell read, by SHA-256.
LoadGen's own logs are left out: their figures are in the cells."""
REMEDY = "take the folder from a clean checkout again"


@dataclass(frozen=True)
class PinnedImage:
    """One image of a set; `image`, `repository` and `digest` are "" where the set pins only its lock."""

    arch: str
    lock: Annotated[str, SHA256]
    image: str = ""
    repository: str = ""
    digest: Annotated[str, rule(pattern="^$|^sha256:[0-9a-f]{64}$")] = ""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pinned:
    """One artifact of a set, by what it is (see bench.store.recipes.Recipe); `bytes` is its size."""

    format: str
    method: str
    model: str
    weights: str
    arch: str
    sha256: Annotated[str, SHA256]
    bytes: int

    @property
    def label(self) -> str:
        """For messages: "tflite INT8-SQ mobilenet_v2 amd64"."""
        return " ".join(word for word in (self.format, self.method, self.model, self.arch) if word != "any")

    @property
    def what(self) -> tuple[str, ...]:
        """What it is, whatever its content."""
        return self.format, self.method, self.model, self.weights, self.arch


@dataclass(frozen=True)
class Archive:
    """The set's artifacts as one file (images/preparing/transfer.py), beside the set or somewhere else."""

    sha256: Annotated[str, SHA256]
    bytes: int


@dataclass(frozen=True)
class Kit:
    """Which edgequant measured."""

    version: str
    revision: str
    dirty: bool
    matrix: Annotated[str, SHA256]


@dataclass(frozen=True)
class Device:
    """The machine that measured."""

    cpu_model: str
    cores: int
    threads: int
    memory_bytes: int
    os: str
    kernel: str


@dataclass(frozen=True)
class PublishedSet:
    """The whole of set.toml."""

    schema: Annotated[int, rule(enum=[SCHEMA])]
    name: str
    created: str
    platform: str
    profile: str
    dataset: str
    engine: Annotated[str, rule(enum=["docker", "native"])]
    run: Annotated[str, SHA256]
    kit: Kit
    device: Device
    images: dict[str, PinnedImage]
    artifacts: tuple[Pinned, ...]
    cells: dict[str, Annotated[str, SHA256]]
    archives: dict[str, Archive] = field(default_factory=dict)


def read(folder: Path) -> PublishedSet:
    """Read a set and check every file of it; ResultError for a wrong record or a changed file."""
    found = record.load(PublishedSet, folder / "set.toml", ResultError, REMEDY)
    pinned = {"run.json": found.run, **{f"cells/{name}.json": sha for name, sha in found.cells.items()}}
    there = {"run.json", *(f"cells/{path.name}" for path in (folder / "cells").glob("*"))}
    for name in sorted(pinned.keys() | there):
        path = folder / name
        if name not in pinned or not path.is_file() or sha256_file(path) != pinned[name]:
            what = "is not of the set" if name not in pinned else "is not what set.toml pins"
            raise ResultError(
                f"the file {what if path.is_file() else 'is missing'}", where=str(path), remedy=REMEDY
            )
    return found
