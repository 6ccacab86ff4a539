"""Content-addressed artifacts: the index, look-ups, integrity checks, atomic storage.

An *artifact* is a directory of model files named by the SHA-256 of its content; a *recipe* says what it
is and how it is made. The index maps recipe keys to artifacts, so that the host decides in a fraction of
a second whether anything has to be made. Pure standard library, Python 3.9: imported by the host, by the
prepare image and by every framework's image.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.common import files
from bench.common.errors import ArtifactError
from bench.common.hashing import directory_hash
from bench.store.recipes import SCHEMA, Recipe


@dataclass(frozen=True)
class Artifact:
    """An artifact that is there: its recipe key, content hash, directory and index entry."""

    key: str
    sha256: str
    directory: Path
    bytes: int
    files: tuple[str, ...]
    entry: Mapping[str, Any]


def made_on(artifact: Artifact) -> str:
    """Docker's word for the architecture that made an artifact; before kits said so it was amd64 alone."""
    return str(artifact.entry.get("maker", {}).get("arch", "amd64"))


def read_index(cache: Path) -> dict[str, Any]:
    """Index entries by recipe key; empty where nothing was prepared yet. A damaged index is an error."""
    path = cache / "artifacts" / "index.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']!r}, expected {SCHEMA}")
        entries: dict[str, Any] = document["entries"]
        return entries
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"damaged artifact index: {error}", where=str(path), remedy="delete the file and prepare again"
        ) from error


def lookup(cache: Path, recipe: Recipe) -> Artifact | None:
    """The recipe's artifact, or None when it is not (wholly) there. Sizes are checked, hashes are not."""
    return find(cache, recipe, read_index(cache))


def directory_of(cache: Path, recipe: Recipe, sha256: str) -> Path:
    """Where an artifact is kept: by its content; arrays by their recipe, since they are hashed seldom."""
    if recipe.format == "dataset":
        return cache / "data" / recipe.key[:16]
    return cache / "artifacts" / sha256


def find(cache: Path, recipe: Recipe, index: Mapping[str, Any]) -> Artifact | None:
    """The recipe's artifact as `index` (see read_index) has it, or None when it is not (wholly) there."""
    entry = index.get(recipe.key)
    if entry is None:
        return None
    directory = directory_of(cache, recipe, entry["sha256"])
    try:
        size = sum((directory / name).stat().st_size for name in entry["files"])
    except FileNotFoundError:
        return None
    if size != entry["bytes"]:
        return None
    return Artifact(recipe.key, entry["sha256"], directory, size, tuple(entry["files"]), entry)


@contextlib.contextmanager
def exclusive(cache: Path) -> Iterator[None]:
    """Hold the cache for one prepare at a time, and clear what an interrupted one left behind."""
    for name in ("artifacts", "data"):
        (cache / name).mkdir(parents=True, exist_ok=True)
    with open(cache / "artifacts" / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in ("artifacts", "data"):
            for stale in (cache / name).glob(".tmp-*"):
                if stale.is_dir():
                    shutil.rmtree(stale)
                else:
                    stale.unlink()
        yield


@contextlib.contextmanager
def _turn(cache: Path) -> Iterator[None]:
    """Change the index alone: the processes of one prepare take turns, and a killed one gives up its turn."""
    directory = os.open(cache / "artifacts", os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


@contextlib.contextmanager
def workspace(cache: Path, recipe: Recipe) -> Iterator[Path]:
    """A new empty directory on the cache's file system; whatever is left in it goes at the end."""
    parent = cache / ("data" if recipe.format == "dataset" else "artifacts")
    directory = Path(tempfile.mkdtemp(prefix=".tmp-", dir=parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def store(cache: Path, recipe: Recipe, directory: Path, facts: Mapping[str, Any]) -> Artifact:
    """Move a finished workspace to its place and name it in the index (under `exclusive`).

    `facts` go into the entry beside the recipe: "maker" (architecture and lock of the prepare environment),
    "versions", "notes", "agreement". A kill before the last step leaves the index as it was; the artifact in
    flight is all that is lost.
    """
    names = tuple(sorted(p.name for p in directory.iterdir()))
    size = sum((directory / name).stat().st_size for name in names)
    digest = directory_hash(directory)
    target = directory_of(cache, recipe, digest)
    for name in names:
        (directory / name).chmod(0o644)  # whatever the umask: containers read it as another user
        files.sync(directory / name)
    directory.chmod(0o755)
    if target.exists():  # same name, made before: either identical, or damaged since
        shutil.rmtree(target)
    directory.rename(target)
    content = {"sha256": digest, "bytes": size, "files": list(names), "recipe": asdict(recipe), **facts}
    entry = json.loads(json.dumps(content))  # what a later look-up reads
    with _turn(cache):
        entries = read_index(cache)
        entries[recipe.key] = entry
        document = json.dumps({"schema": SCHEMA, "entries": entries}, indent=1, sort_keys=True)
        files.replace(cache / "artifacts" / "index.json", document)
    return Artifact(recipe.key, digest, target, size, names, entry)
