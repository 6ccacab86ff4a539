"""A checkout and a run in it, driven by command lines as a user types them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# Words of a report that go with a timing.
TIMINGS = re.compile(r"\b(?:p50|p90|p99|throughput|speedup|samples/s|images/s)\b", re.IGNORECASE)
# Parts of a report that say what was asked, or quote the paper, and never what was measured.
_UNMEASURED = re.compile(
    r'<style>.*?</style>|<details class="against-itself">.*?</details>|<h3 id="table-i">.*?</table>',
    re.DOTALL,
)
Done = subprocess.CompletedProcess[str]
# The wrapper's last line, in this environment: what ./invoke runs.
DOOR = re.search(r"^door='(.*)'$", (ROOT / "invoke").read_text(), re.MULTILINE)[1]  # type: ignore[index]


@dataclass
class Kit:
    """A checkout and one named run in it."""

    root: Path
    name: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:8]}")

    @property
    def run_dir(self) -> Path:
        return self.root / "out" / self.name

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-I", "-c", DOOR, str(self.root), *words]

    def do(self, *words: str, env: dict[str, str] | None = None) -> Done:
        """Run one command line to its end."""
        return subprocess.run(
            self.command(*words),
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=1500,
            env={**os.environ, "COLUMNS": "220", **(env or {})},
        )

    def run(self, *words: str, env: dict[str, str] | None = None) -> Done:
        """`invoke run` of this kit's run, profile smoke."""
        return self.do("run", "--profile", "smoke", "--name", self.name, *words, env=env)

    def results(self) -> dict[str, dict[str, Any]]:
        files = sorted((self.run_dir / "cells").glob("*.json"))
        return {path.stem: json.loads(path.read_text()) for path in files}

    def told(self) -> str:
        """The text of the report, without Table I's criteria and the paper's quoted claims."""
        source = (self.run_dir / "report.html").read_text()
        return re.sub(r"<[^>]*>", " ", _UNMEASURED.sub(" ", source))


def assert_kept(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> None:
    """What was measured is not measured twice; what was timed and not yet judged is judged, no more."""
    for name, result in before.items():
        assert after[name]["rounds"] == result["rounds"], name
        assert after[name] == result or not result["judged"], name
