"""Which edgequant this is: version, commit, matrix."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any


def revision(root: Path) -> str:
    """Return the commit of the checkout, with "-dirty" if files differ; "unknown" outside git."""
    if not shutil.which("git"):
        return "unknown"
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def kit(root: Path) -> dict[str, Any]:
    """Which edgequant a checkout is: version, git revision and the matrix's hash."""
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    matrix = hashlib.sha256((root / "matrix.toml").read_bytes()).hexdigest()
    revision, changes = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain")
    return {
        "version": version,
        "revision": revision or "unknown",
        "dirty": bool(changes),
        "matrix_sha256": matrix,
    }


def _git(root: Path, *words: str) -> str:
    """Git's answer, or "" where this is no checkout or there is no git."""
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
