"""Replace a file so that a reader, a kill or a power cut sees the old one or the new one, never half."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def folder(path: Path) -> Path:
    """Make a folder of the kit's that every user may enter and read, whatever the umask; return it.

    A container reads it as another user than the root who makes it. Another user's stays as it is.
    """
    path.mkdir(parents=True, exist_ok=True)
    if path.stat().st_uid == os.getuid():
        path.chmod(path.stat().st_mode | 0o755)
    return path


def replace(path: Path, text: str) -> None:
    """Write `text` to a temporary file beside `path`, fsync it, rename it, fsync the folder.

    Makes the folder where it is missing. OSError (a full disk) passes; the old file is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)  # mkstemp gives 0600, but results and reports are for reading
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Ask the disk to have this file or folder now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
