"""Which edgequant this is: version, commit, matrix."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any


def revision(root: Path) -> str:
    """Return the commit of the checkout, with "-dirty" if files differ; "unknown" outside git."""
    commit = _git(root, "rev-parse", "HEAD")
    return f"{commit}-dirty" if commit and _is_dirty(root) else commit or "unknown"


def kit(root: Path) -> dict[str, Any]:
    """Which edgequant a checkout is: version, git revision and the matrix's hash.

    Outside git the revision is "unknown", and counts as dirty: nobody can tell that nothing was changed.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "version": project["version"],
        "revision": _git(root, "rev-parse", "HEAD") or "unknown",
        "dirty": _is_dirty(root),
        "matrix_sha256": hashlib.sha256((root / "matrix.toml").read_bytes()).hexdigest(),
    }


def _is_dirty(root: Path) -> bool:
    return _git(root, "status", "--porcelain") != ""


def _git(root: Path, *words: str) -> str | None:
    """Git's answer of this very checkout, or None where it is none or there is no git.

    Not of a repository that holds a copy of the kit somewhere below, nor of one that a hook's GIT_DIR names.
    Files may be another owner's, as on a mounted disk: their code runs here already.
    """
    root = root.resolve()
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root)]
    answers = []
    for asked in (["rev-parse", "--show-toplevel"], [*words]):
        try:
            done = subprocess.run([*command, *asked], capture_output=True, check=False, env=variables)
        except OSError:
            return None
        if done.returncode:
            return None
        answers.append(os.fsdecode(done.stdout).strip())
    top, answer = answers
    return answer if Path(top).resolve() == root else None
