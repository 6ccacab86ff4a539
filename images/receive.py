"""The other end of bench/courier.py: files that a container on another machine sends as events."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from bench import files
from bench.errors import EngineError

FOLDERS = ("cells", "loadgen")


class Receiver:
    """Puts arriving files into a run's folder; each appears whole, after its last piece, or not at all."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._pieces: dict[str, list[bytes]] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one "file" event; EngineError for a file that arrived damaged or has no business here."""
        name = event["path"]
        pieces = self._pieces.setdefault(name, [])
        pieces.append(base64.b64decode(event["piece"]))
        if event["sha256"] is None:
            return
        content = b"".join(self._pieces.pop(name))
        parts = PurePosixPath(name).parts
        if hashlib.sha256(content).hexdigest() != event["sha256"]:
            raise EngineError(f"{name} arrived damaged", remedy="the same command measures its cell again")
        if len(parts) < 2 or parts[0] not in FOLDERS or ".." in parts:
            raise EngineError(f"the container sent {name!r}, which is no file of a run")
        self._write(self._run_dir.joinpath(*parts), content)

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_bytes(content)
        files.sync(partial)
        os.replace(partial, path)
        files.sync(path.parent)
