"""pip, as this kit calls it: always in a subprocess, always for a named architecture."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from bench.device.environment import MACHINES
from images.workspace import PYTHON

GLIBC = 36  # of the base's Debian suite: wheels up to manylinux_2_36 run there

# pip evaluates environment markers for the machine it runs on, whatever --platform says; without
# this, torch for arm64 locked on amd64 would drag in the GPU libraries of x86.
_PIP_AS = """
import platform, runpy, sys
machine = sys.argv.pop(1)
platform.machine = lambda: machine
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__")
"""


def pip(
    command: str, *arguments: str, arch: str, python: str = PYTHON, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `pip COMMAND ARGUMENTS` choosing wheels for `arch` and `python`; never raises for a failure."""
    return subprocess.run(
        [
            sys.executable,
            "-I",  # no module of the working directory, none that PYTHONPATH names
            "-c",
            _PIP_AS,
            MACHINES[arch],
            *command.split(),
            *wheels_for(arch, python),
            *arguments,
        ],
        check=False,
        capture_output=True,
        text=True,
        env={**(os.environ if env is None else env), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )


def wheels_for(arch: str, python: str) -> list[str]:
    """Return pip's options that choose wheels for `arch`, whatever machine pip runs on.

    `manylinux_2_28` does not imply the older tags, so each one is named, newest first.
    """
    machine = MACHINES[arch]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC, 16, -1)]
    tags += [f"manylinux2014_{machine}"]
    if arch == "amd64":
        tags += [f"manylinux_2_{minor}_{machine}" for minor in range(16, 4, -1)]
        tags += [f"manylinux2010_{machine}", f"manylinux1_{machine}"]
    platforms = [word for tag in tags for word in ("--platform", tag)]
    abi = "cp" + python.replace(".", "")
    versions = f"--python-version {python} --implementation cp --abi {abi} --only-binary :all:"
    return [*platforms, *versions.split()]
