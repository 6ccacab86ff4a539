"""Hashes of what goes into an archive."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.common.hashing import sha256_file

Content = bytes | Path


def digest(content: Content) -> str:
    """Return the SHA-256 (hex) of bytes, or of a file."""
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else sha256_file(content)
