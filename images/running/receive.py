"""What a launch says while it runs: how each cell went, and from another machine its files.

The other end of bench/measure/launch.py, bench/measure/series.py and bench/measure/upload.py.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from bench.common import files
from bench.common.errors import EngineError

FOLDERS = ("cells", "loadgen")


class Receiver:
    """Hears the events of one launch or series.

    `heard` are the cell rounds that were spoken of, `ended` the exit codes of a series' launches by
    number; `failed` is told of each cell that did not succeed: id, round, reason. Files go into the run's
    folder; each appears whole, after its last piece, or not at all.
    """

    def __init__(self, run_dir: Path, failed: Callable[[str, int, str], None]) -> None:
        self.heard: set[tuple[str, int]] = set()
        self.ended: dict[int, int] = {}
        self._run_dir, self._failed = run_dir, failed
        self._pieces: dict[str, list[bytes]] = {}

    def take(self, line: str) -> None:
        """Take one line of the bench's output; EngineError for a file that arrived damaged or unasked."""
        event = json.loads(line)
        if event["event"] == "file":
            self._take_file(event)
        elif event["event"] == "ended":
            self.ended[event["launch"]] = event["exit_code"]
        else:
            self.heard.add((event["id"], event["round"]))
            if event["status"] != "ok":
                self._failed(event["id"], event["round"], event["reason"])

    def _take_file(self, event: Mapping[str, Any]) -> None:
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
