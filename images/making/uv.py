"""uv, as this kit calls it: it resolves for every platform and Python at once, whatever runs it."""

from __future__ import annotations

import subprocess


def uv(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `uv COMMAND ARGUMENTS` with the uv of this environment; never raises for a failure."""
    from uv import find_uv_bin  # late: most commands need none

    return subprocess.run([find_uv_bin(), *command.split(), *arguments], capture_output=True, text=True)
