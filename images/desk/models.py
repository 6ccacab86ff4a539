"""`invoke models`: make the plan's artifacts, or carry them."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from bench.convert import wanted
from images.choosing.session import Session
from images.preparing import transfer
from images.preparing.prepare import prepare, specification
from images.say import CONSOLE
from images.workspace import size


def show_models(session: Session, target: str, source: str) -> None:
    """Export, import or make the plan's artifacts, and print them."""
    if source:
        CONSOLE.print(f"{source}: {transfer.load(session.workspace, Path(source))}", soft_wrap=True)
    if wanted.missing(specification(session, str(session.workspace.cache))):
        session.build(quiet=True)
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
