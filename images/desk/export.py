"""`invoke export`."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from bench.common.errors import BuildError, ResultError
from bench.device.environment import ARCHES
from bench.plan.matrix import Matrix
from images.choosing.session import Session
from images.making import lock, tarball
from images.workspace import Workspace
from reports.deposit import crate, tabular
from reports.deposit.crate import Crate
from reports.deposit.hashes import digest
from reports.run import reading
from reports.run.results import Run


def show_export(session: Session) -> None:
    """Write the run's table and archive and say where the archive is."""
    made = export(reading.read(session.existing_run), session.matrix, session.workspace.root)
    print(f"{made.path}: {made.files} files, SHA-256 {made.sha256}")


def export(run: Run, matrix: Matrix, root: Path) -> Crate:
    """Write `run`'s table and archive into its folder export/; `root` is the checkout.

    Raises UsageError without a report, ResultError where neither the checkout nor its history has the matrix
    and the locks that the run was made with.
    """
    table = tabular.write(run, matrix)
    sources = _sources(run, matrix, root)
    sources |= {name: (root / name).read_bytes() for name in ("CITATION.cff", "LICENSE")}
    return crate.write(run, table, sources)


def _sources(run: Run, matrix: Matrix, root: Path) -> dict[str, bytes]:
    """The matrix and the locks that the run was made with: the checkout's, else its revision's."""
    kit = run.facts["kit"]
    found = _made_with(run, matrix, root)
    if found is not None:
        return found
    with tempfile.TemporaryDirectory() as folder:
        words = ["git", "-C", str(root), "archive", kit["revision"], "matrix.toml", "images/locks"]
        try:
            past = subprocess.run(words, capture_output=True).stdout
        except FileNotFoundError:
            past = b""
        if past:
            with tarfile.open(fileobj=io.BytesIO(past)) as archive:
                tarball.extract(archive, Path(folder))
        found = _made_with(run, matrix, Path(folder))
    if found is None:
        changed = " with changes" if kit["dirty"] else ""
        raise ResultError(
            f"neither this checkout nor {kit['revision']}{changed} has the run's matrix and locks",
            where=str(run.path),
            remedy="check that revision out, or run again with this one",
        )
    return found


def _made_with(run: Run, matrix: Matrix, root: Path) -> dict[str, bytes] | None:
    """The matrix and locks of `root` by name, None unless they are those of the run."""
    path = root / "matrix.toml"
    if not path.is_file() or digest(path) != run.facts["kit"]["matrix_sha256"]:
        return None
    found = {"matrix.toml": path.read_bytes()}
    for one in run.measured:
        image, arch = matrix.frameworks[one.cell.framework].image, ARCHES[one.environment["machine"]]
        path = Workspace(root).lock(image, arch)
        try:
            if lock.read(path).digest != one.environment["lock"]:
                return None
        except BuildError:
            return None
        found[f"locks/{path.name}"] = path.read_bytes()
    return found
