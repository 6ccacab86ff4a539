"""published.toml: what was pushed, pinned by digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from bench.common.errors import RegistryError
from bench.plan.tables import rule
from images.publishing import record

SCHEMA = 1
DIGEST = rule(pattern="^sha256:[0-9a-f]{64}$")
COMMENT = """What `invoke publish` pushed, pinned by digest. Written by it, do not edit.
index: the list of all architectures; digest: one architecture's manifest (pull this one: asked for a list's
digest, Docker 20.10 answers with whatever architecture it has); image: its id in an engine; size: what a
pull transfers, in bytes; lock: SHA-256 of the pins of its wheels (images/locks/)."""
REMEDY = "delete it and run `invoke publish` again"


@dataclass(frozen=True)
class Child:
    """One architecture of a published image; see COMMENT."""

    digest: Annotated[str, DIGEST]
    image: Annotated[str, DIGEST]
    size: Annotated[int, rule(minimum=1)]
    lock: str
    revision: str
    versions: dict[str, str]


@dataclass(frozen=True)
class PublishedImage:
    """One image as a registry has it: its repository there, its index, and its architectures."""

    repository: str
    index: Annotated[str, DIGEST]
    arches: dict[str, Child]


@dataclass(frozen=True)
class Pins:
    """The whole of published.toml."""

    schema: Annotated[int, rule(enum=[SCHEMA])]
    registry: str
    images: dict[str, PublishedImage]


def path_of(root: Path) -> Path:
    """Where the pins of a checkout are."""
    return root / "published.toml"


def read(root: Path) -> Pins | None:
    """Return the pins of a checkout, None where nothing was published; RegistryError for a wrong file."""
    path = path_of(root)
    return record.load(Pins, path, RegistryError, REMEDY) if path.exists() else None
