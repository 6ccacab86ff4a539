"""Check an archive of reports.deposit.crate: every file there, nothing else, every hash.

Nothing is unpacked: names are judged before any is used as a path, and no more is read of a file than the
archive's own metadata promise.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from bench.common.errors import ArchiveError
from reports.deposit.crate import METADATA, PROFILE
from reports.deposit.hashes import digest

_LARGEST_METADATA = 64 << 20  # bytes: some hundred thousand files
_CHUNK = 1 << 20
_SHOWN = 10
#: What zipfile raises for damage: its own error, and those of numbers, names and compressors it trusts.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
)
_REMEDY = "copy it again, or export it again"


@dataclass(frozen=True)
class Verified:
    """An archive that is what it says: its name, SHA-256 (hex), and what it holds."""

    name: str
    sha256: str
    files: int
    bytes: int


def verify(path: Path) -> Verified:
    """Check every file of the archive. Raises ArchiveError with what is wrong, in ten lines at most."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
            name, promised = _metadata(archive, members)
            wrong = _missing_or_extra(set(promised), set(members) - {METADATA})
            for one in sorted(set(promised) & set(members)):
                wrong += _differs(archive, members[one], promised[one])
    except FileNotFoundError:
        raise ArchiveError("no such file", where=str(path)) from None
    except ArchiveError as error:
        raise ArchiveError(error.message, where=str(path), remedy=_REMEDY) from None
    except _DAMAGE as error:
        raise ArchiveError(f"not a whole zip archive: {error}", where=str(path), remedy=_REMEDY) from None
    if wrong:
        more = [f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        lines = "\n".join(f"  {line}" for line in (*wrong[:_SHOWN], *more))
        raise ArchiveError(f"not what its metadata say:\n{lines}", where=str(path), remedy=_REMEDY)
    return Verified(name, digest(path), len(promised), sum(size for size, _ in promised.values()))


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's files by name; none may be a link, stand outside of the folder or be there twice."""
    infos = archive.infolist()
    for name, count in Counter(info.filename for info in infos).items():
        if count > 1:
            raise ArchiveError(f"{name!r} is in the archive {count} times")
    for info in infos:
        name = info.filename
        # ZipInfo cuts a name at a NUL; what an unpacker makes of the original is anybody's guess
        if info.orig_filename != name or "\\" in name or ":" in name or str(PurePosixPath(name)) != name:
            raise ArchiveError(f"{info.orig_filename!r} is not the plain name of a file")
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise ArchiveError(f"{name!r} would be written outside of the folder it is unpacked in")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ArchiveError(f"{name!r} is a link or a device, not a file")
    return {info.filename: info for info in infos}


def _metadata(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]
) -> tuple[str, dict[str, tuple[int, str]]]:
    """The crate's name, and size in bytes and SHA-256 of each file that its metadata promise."""
    if METADATA not in members:
        raise ArchiveError(f"not an RO-Crate: it has no {METADATA}")
    if members[METADATA].file_size > _LARGEST_METADATA:
        raise ArchiveError(f"{METADATA} is too large ({members[METADATA].file_size} bytes)")
    try:
        document = json.loads(archive.read(METADATA))
        graph = {entity["@id"]: entity for entity in document["@graph"]}
        if graph[METADATA]["conformsTo"]["@id"] != PROFILE:
            raise ArchiveError(f"conforms to {graph[METADATA]['conformsTo']['@id']!r}, expected {PROFILE!r}")
        root = graph[graph[METADATA]["about"]["@id"]]
        parts = [graph[part["@id"]] for part in root["hasPart"]]
        promised = {unquote(part["@id"]): _promise(part) for part in parts}
        return str(root["name"]), promised
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(f"{METADATA} is not what `invoke export` writes: {error!r}") from None


def _promise(part: Mapping[str, Any]) -> tuple[int, str]:
    return int(part["contentSize"]), str(part["sha256"])


def _missing_or_extra(promised: set[str], there: set[str]) -> list[str]:
    missing = [f"missing: {name}" for name in sorted(promised - there)]
    return missing + [f"extra: {name}" for name in sorted(there - promised)]


def _differs(archive: zipfile.ZipFile, info: zipfile.ZipInfo, promised: tuple[int, str]) -> list[str]:
    """Why a file is not the promised one, [] if it is."""
    size, sha256 = promised
    if info.file_size != size:
        return [f"{info.filename}: {info.file_size} bytes, expected {size}"]
    found = hashlib.sha256()
    try:
        with archive.open(info) as member:
            while chunk := member.read(_CHUNK):
                found.update(chunk)
    except zipfile.BadZipFile as error:
        return [f"{info.filename}: {error}"]
    return [] if found.hexdigest() == sha256 else [f"{info.filename}: its SHA-256 is {found.hexdigest()}"]
