"""Verified Debian packages as a tree, on any system, as any user: a package is an ar archive of two tars.

No maintainer script runs, so any architecture will do. /bin, /sbin and /lib are links into /usr, as on every
Debian today (packages of bookworm still name files by the old paths).
"""

from __future__ import annotations

import contextlib
import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from bench.common.errors import BuildError

_MERGED = re.compile(r"(bin|sbin|lib|lib32|lib64|libx32)(/|$)")
STATUS = "var/lib/dpkg/status"


def unpack(files: Sequence[Path], root: Path, exclude: Sequence[str] = ()) -> None:
    """Unpack `files` into the empty folder `root`, without what matches `exclude` (dpkg's path patterns).

    Modes are as packed (no set-uid), owners are not; an absolute link becomes a relative one, so that it
    stays in the tree wherever that lies. dpkg's status file lists the packages, as unpacked. BuildError for
    a file that is no Debian package.
    """
    root.mkdir(parents=True, exist_ok=True)
    links, told = {"bin", "sbin", "lib"}, []
    for file in files:
        with _opened(file) as (control, data):
            paragraph = control.extractfile("./control")
            assert paragraph is not None
            first, *others = paragraph.read().decode().strip().splitlines()
            told.append("\n".join([first, "Status: install ok unpacked", *others, "", ""]))
            links |= _unpack_one(data, root, exclude)
    for name in links:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    status = root / STATUS
    status.parent.mkdir(parents=True, exist_ok=True)
    status.write_text("".join(told), encoding="utf-8")


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarFile]]:
    """The tars of a package: what it says of itself, and its files. BuildError for what is none."""
    import arpy  # late: most commands unpack nothing

    try:
        with file.open("rb") as stream, arpy.Archive(fileobj=stream) as archive:
            parts = {name.decode().partition(".")[0]: name for name in archive.namelist()}
            with (
                tarfile.open(fileobj=archive.open(parts["control"])) as control,
                tarfile.open(fileobj=archive.open(parts["data"])) as data,
            ):
                yield control, data
    except (arpy.ArchiveFormatError, tarfile.TarError, EOFError, KeyError) as error:
        raise BuildError(f"no Debian package that can be unpacked: {error!r}", where=str(file)) from None


def _unpack_one(packed: tarfile.TarFile, root: Path, exclude: Sequence[str]) -> set[str]:
    """Unpack one package's files; return which top folders of theirs were merged into /usr."""
    merged = set()
    for member in packed:
        name = os.path.normpath(str(member.name)).lstrip("/")
        if found := _MERGED.match(name):
            merged.add(found[1])
            name = f"usr/{name}"
        if name == "." or any(fnmatchcase(f"/{name}", pattern) for pattern in exclude):
            continue
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.resolve().is_relative_to(root.resolve()):
            raise tarfile.ExtractError(f"{name} leads out of the tree")
        if member.isdir():
            target.mkdir(exist_ok=True)
        elif member.issym():
            target.symlink_to(_within(member.linkname, name))
        elif member.isreg() or member.islnk():  # a hard link becomes a file of its own
            content = packed.extractfile(member)
            assert content is not None
            target.write_bytes(content.read())
            target.chmod(member.mode & 0o755)
        else:
            raise tarfile.ExtractError(f"{name} is neither a file, a folder nor a link")
    return merged


def _within(link: str, name: str) -> str:
    """What the link `name` of a tree points to, by a path that does not leave the tree."""
    return os.path.relpath(link, f"/{os.path.dirname(name)}") if link.startswith("/") else link
