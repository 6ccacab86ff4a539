"""Debian packages unpacked by mmdebstrap: no maintainer script runs, so any architecture will do."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.common.errors import BuildError
from images.workspace import epoch


def extract(
    suite: str, arch: str, packages: Sequence[str], target: Path, exclude: Sequence[str] = ()
) -> None:
    """Write the packages and what they need as one tar; `exclude` are dpkg's path patterns.

    Raises BuildError with apt's words. An unprivileged user needs Debian's uidmap.
    """
    if not shutil.which("mmdebstrap"):
        raise BuildError("mmdebstrap is missing", remedy="apt-get install mmdebstrap arch-test")
    command = ["mmdebstrap", "--quiet", "--mode=auto", "--variant=extract"]
    command += [f"--architectures={arch}", f"--include={','.join(packages)}"]
    command += ["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in exclude]
    command += [suite, str(target)]
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch())}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if line.startswith(("E:", "Err:"))]
        raise BuildError(
            "mmdebstrap failed:\n" + "\n".join(reasons[:6] or [done.stderr[-500:]]),
            where=f"Debian {suite} for {arch}",
            remedy="check that apt reaches a Debian mirror; apt-get install debian-archive-keyring uidmap",
        )
