"""`invoke models`: make the plan's artifacts, or carry them."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from bench.common.errors import UsageError
from images.choosing.session import Session
from images.preparing import transfer
from images.preparing.prepare import missing, prepare
from images.say import CONSOLE
from images.workspace import size


def show_models(session: Session, target: str, source: str, *, images: bool = False) -> None:
    """Export, import or make the plan's artifacts, and print them.

    Raises UsageError, before anything is made, for a place where the export cannot be written.
    """
    if target and not Path(target).absolute().parent.is_dir():
        raise UsageError(
            "its folder is not there", where=f"--export {target}", remedy="make the folder first"
        )
    if source:
        CONSOLE.print(f"{source}: {transfer.load(session.workspace, Path(source))}", soft_wrap=True)
    if missing(session):
        session.workbench.build(session.arch, [], prepares=True, quiet=True)
    prepared = prepare(session)
    table = Table("framework", "method", "model", "architecture", "size", "SHA-256")
    for row in prepared.rows():
        names = (row["framework"], row["method"], row["model"], row["arch"])
        table.add_row(*names, size(row["bytes"]), row["sha256"][:12])
    CONSOLE.print(table)
    if target:
        path = Path(target)
        left = transfer.export(session, path, images=images)
        CONSOLE.print(f"exported to {path}, {size(path.stat().st_size)}", soft_wrap=True)
        for name in left:
            told = f"left out: your images ({name}); the other machine reads its own copy of the folder"
            CONSOLE.print(f"{told}, or --images takes them along", soft_wrap=True)
