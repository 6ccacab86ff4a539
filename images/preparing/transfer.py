"""Carry prepared artifacts between machines as one archive, so that a Pi can run what a Xeon ran.

The archive is a gzipped tar: `manifest.json` (index entries by recipe key, with every hash), then
`<recipe key>/<file>`. The same artifacts give the same bytes. Nothing is believed on import: each
artifact's content is hashed again before the index names it.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common import hashing
from bench.common.errors import ArtifactError
from bench.convert import wanted
from bench.data import dataset
from bench.store import artifacts as store
from bench.store.artifacts import Artifact
from bench.store.recipes import Recipe
from images.choosing.session import Session
from images.making.tarball import Member, stream
from images.preparing.prepare import specification
from images.workspace import Workspace

SCHEMA = 2  # 1 named artifacts by framework
MANIFEST = "manifest.json"
OWN = ("sha256", "bytes", "files", "recipe")  # of an index entry; the rest are facts of the maker


def export(session: Session, target: Path, *, images: bool = False) -> list[str]:
    """Write what the plan needs and the cache has to `target`; return the datasets that were left out.

    A user's own images are left out without `images`: they may be private, or another's to give away.
    """
    cache = session.workspace.cache
    found = [store.lookup(cache, recipe) for recipe in wanted.recipes(specification(session, str(cache)))]
    there = [artifact for artifact in found if artifact is not None]
    private = [] if images else [artifact for artifact in there if _is_users_images(artifact)]
    write([artifact for artifact in there if artifact not in private], target)
    return [artifact.entry["recipe"]["dataset"] for artifact in private]


def _is_users_images(artifact: Artifact) -> bool:
    recipe = artifact.entry["recipe"]
    return bool(recipe["format"] == "dataset" and recipe["dataset"] != dataset.DATASETS[0])


def write(chosen: list[Artifact], target: Path) -> None:
    """Write an archive; `target` appears whole or not at all."""
    entries = {artifact.key: dict(artifact.entry) for artifact in chosen}
    manifest = json.dumps({"schema": SCHEMA, "entries": entries}, indent=1).encode()
    members: list[Member] = [(MANIFEST, manifest)]
    for artifact in chosen:
        members += [(f"{artifact.key}/{name}", artifact.directory / name) for name in artifact.files]
    partial = target.with_name(f"{target.name}.partial")
    try:
        with partial.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed:
            for chunk in stream(members):
                packed.write(chunk)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@dataclass(frozen=True)
class Loaded:
    """How many artifacts an archive holds, and the labels of those that took another one's place."""

    count: int
    replaced: tuple[str, ...]

    def __str__(self) -> str:
        if not self.replaced:
            return f"{self.count} artifacts imported"
        return (
            f"{self.count} artifacts imported, in the place of what was made here: {', '.join(self.replaced)}"
        )


def load(workspace: Workspace, source: Path) -> Loaded:
    """Add an archive's artifacts to the cache; they take the place of others of the same recipes.

    Two machines may make other bytes of one recipe, and who imports wants those that were measured.
    Raises ArtifactError for a damaged archive, one of another kit, or content that is not what the
    manifest says; artifacts before it are kept, the one in question is not.
    """
    try:
        with tarfile.open(source, "r:gz") as tar, store.exclusive(workspace.cache):
            entries = _manifest(tar)
            replaced = [_load_one(workspace.cache, tar, key, entry) for key, entry in entries.items()]
    except FileNotFoundError:
        raise ArtifactError("no such file", where=str(source)) from None
    except (
        tarfile.TarError,
        zlib.error,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        gzip.BadGzipFile,
    ) as error:
        raise ArtifactError(
            f"not a whole archive of artifacts: {error}",
            where=str(source),
            remedy="copy it again, or export it again",
        ) from None
    return Loaded(len(entries), tuple(filter(None, replaced)))


def _manifest(tar: tarfile.TarFile) -> dict[str, dict[str, Any]]:
    stream_ = tar.extractfile(MANIFEST)
    document = json.load(stream_) if stream_ else {}
    if document.get("schema") != SCHEMA:
        raise ValueError(f"schema {document.get('schema')!r}, expected {SCHEMA}")
    entries: dict[str, dict[str, Any]] = document["entries"]
    return entries


def _load_one(cache: Path, tar: tarfile.TarFile, key: str, entry: dict[str, Any]) -> str:
    """Load one artifact; return its label if another one was there, else ""."""
    facts = entry["recipe"]
    recipe = Recipe(**{**facts, "inputs": tuple(facts["inputs"])})
    if recipe.key != key:
        raise ValueError(f"the recipe of {recipe.label} is not the one its key names")
    if recipe.format == "dataset" and recipe.source != wanted.dataset_source(recipe):
        raise ArtifactError(
            f"the archive's {recipe.dataset} arrays are of another version of the kit",
            remedy="export and import with the same commit",
        )
    here = store.lookup(cache, recipe)
    if here and here.sha256 == entry["sha256"]:
        return ""
    with store.workspace(cache, recipe) as directory:
        for name in entry["files"]:
            content = tar.extractfile(f"{key}/{name}")
            if Path(name).name != name or content is None:
                raise ValueError(f"{name!r} is not a file of {recipe.label}")
            with content, (directory / name).open("wb") as target:
                shutil.copyfileobj(content, target)
        hashing.verify(directory, entry["sha256"])
        store.store(cache, recipe, directory, {k: v for k, v in entry.items() if k not in OWN})
    return recipe.label if here else ""
