"""`invoke models`: make the plan's artifacts, or carry them."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from images.choosing.session import Session
from images.preparing import transfer
from images.preparing.prepare import missing, prepare
from images.say import CONSOLE
from images.workspace import size


def show_models(session: Session, target: str, source: str) -> None:
    """Export, import or make the plan's artifacts, and print them."""
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
        transfer.export(session, path)
        CONSOLE.print(f"exported to {path}, {size(path.stat().st_size)}")
