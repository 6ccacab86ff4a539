"""Parts that several pages are made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """A reason and all that it holds for."""

    state: str
    reason: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of text; the first column heads its row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
