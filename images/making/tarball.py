"""Deterministic tar streams: sorted names, one date, no owner but root.

A member is (name, content). Content is a path (a file, link or directory, with its mode), bytes
(mode 644), or a list of members: an archive in the archive. A name that ends in "/" is a directory.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.common.errors import BuildError
from images.workspace import epoch

CHUNK = 1 << 20
Member = tuple[str, Any]  # (name, Path | bytes | list of members); mypy knows no recursive list here


def entries(tree: Path, prefix: str = "") -> list[Member]:
    """Return everything under `tree` as members, sorted by name; `prefix` names its directories too."""
    parents = [prefix[: end + 1] for end, letter in enumerate(prefix) if letter == "/"]
    found = []
    for folder, folders, files in os.walk(tree):
        for name in (*folders, *files):
            path = Path(folder, name)
            found.append((prefix + path.relative_to(tree).as_posix(), path))
    return [*((name, b"") for name in parents), *sorted(found)]


def extract(tar: tarfile.TarFile, folder: Path, members: Iterable[tarfile.TarInfo] | None = None) -> None:
    """Unpack members (all by default) into `folder`; BuildError for one that would land outside.

    tarfile's own "data" filter does that since Python 3.11.4 (PEP 706), and Debian 12 has 3.11.2.
    """
    chosen = list(tar if members is None else members)
    for one in chosen:
        start = os.path.dirname(one.name) if one.issym() else ""  # a hard link's target is told from the top
        for target in (one.name, os.path.join(start, one.linkname)):
            if os.path.isabs(target) or os.path.normpath(target).startswith(".."):
                raise BuildError(f"{one.name!r} would be unpacked outside of its folder", where=str(tar.name))
    if hasattr(tarfile, "data_filter"):
        tar.extractall(folder, chosen, filter="data")
    else:
        tar.extractall(folder, chosen)  # noqa: S202 (looked at above)


def stream(members: Sequence[Member]) -> Iterator[bytes]:
    """Yield a tar archive of `members` piece by piece."""
    for name, content in members:
        header, size = _header(name, content)
        yield header
        if isinstance(content, bytes):
            yield content
        elif isinstance(content, list):
            yield from stream(content)
        elif size:
            with content.open("rb") as source:
                while chunk := source.read(CHUNK):
                    yield chunk
        yield bytes(-size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def length(members: Sequence[Member]) -> int:
    """Return how many bytes `stream` will yield, without reading a file."""
    total = 2 * tarfile.BLOCKSIZE
    for name, content in members:
        header, size = _header(name, content)
        total += len(header) + size + -size % tarfile.BLOCKSIZE
    return total


def _header(name: str, content: Any) -> tuple[bytes, int]:
    """Return a member's header and the size of its content in bytes."""
    info = tarfile.TarInfo(name)
    info.mtime = epoch()
    if name.endswith("/"):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif isinstance(content, bytes):
        info.size = len(content)
    elif isinstance(content, list):
        info.size = length(content)
    else:
        status = content.lstat()
        info.mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode):
            info.type = tarfile.DIRTYPE
        elif stat.S_ISLNK(status.st_mode):
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(content), 0o777
        else:
            info.size = status.st_size
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"), info.size
