"""Results as events: how a container on another machine sends back the files it wrote.

A file travels base64-coded in pieces, one event a piece; with the last piece goes its SHA-256. An
event is shorter than the 16 KiB at which an engine's log cuts a line.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from bench.common.events import Emit

PIECE = 9000  # bytes; 12,000 in base64


class Upload:
    """Sends what appears under `root`, each file once; a file that changed goes again."""

    def __init__(self, root: Path, emit: Emit) -> None:
        self._root, self._emit = root, emit
        self._sent: dict[str, str] = {}

    def send(self) -> None:
        """Send every new or changed file: logs first, so that no result names a log that is not there."""
        paths = [path for path in self._root.rglob("*") if path.is_file() and path.name[0] != "."]
        for path in sorted(paths, key=lambda one: (one.suffix == ".json", one)):
            name, content = path.relative_to(self._root).as_posix(), path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            if self._sent.get(name) != digest:
                self._sent[name] = digest
                self._send(name, content, digest)

    def known(self, path: Path) -> None:
        """The other side has this file already."""
        name = path.relative_to(self._root).as_posix()
        self._sent[name] = hashlib.sha256(path.read_bytes()).hexdigest()

    def _send(self, name: str, content: bytes, digest: str) -> None:
        pieces = [content[start : start + PIECE] for start in range(0, len(content), PIECE)] or [b""]
        for number, piece in enumerate(pieces, 1):
            event = {"event": "file", "path": name, "piece": base64.b64encode(piece).decode("ascii")}
            self._emit({**event, "sha256": digest if number == len(pieces) else None})
