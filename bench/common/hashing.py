"""SHA-256 of files, of directories, and whether their content is what their name says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from bench.common.errors import ArtifactError

_CHUNK = 1 << 20


def sha256_file(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def digest_lines(pairs: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over the sorted lines "<sha256>  <name>"."""
    lines = sorted(f"{digest}  {name}\n" for digest, name in pairs)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def verify(directory: Path, sha256: str) -> None:
    """Raise ArtifactError unless the directory's content has this hash."""
    if not directory.is_dir():
        raise ArtifactError("artifact is not there", where=str(directory), remedy="prepare again")
    actual = directory_hash(directory)
    if actual != sha256:
        raise ArtifactError(
            f"artifact is corrupt: content hash {actual[:12]}, expected {sha256[:12]}",
            where=str(directory),
            remedy="delete this directory and prepare again",
        )


def directory_hash(directory: Path) -> str:
    """SHA-256 over the sorted lines "<file sha256>  <file name>" of a flat directory."""
    return digest_lines((sha256_file(p), p.name) for p in directory.iterdir())
