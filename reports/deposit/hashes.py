"""Hashes of what goes into an archive."""

from __future__ import annotations

import hashlib
from pathlib import Path

Content = bytes | Path


def digest(content: Content) -> str:
    """Return the SHA-256 (hex) of bytes, or of a file."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
