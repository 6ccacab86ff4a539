"""Programs in the prepare environment: torch, TensorFlow and ONNX, as on engine native."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from checkout import ROOT

from bench.plan import reading
from images.making.bytecode import image_python
from images.making.wheelhouse import ensure_site, site_of
from images.workspace import Workspace

MATRIX = reading.load(ROOT / "matrix.toml")


def run(program: str, *arguments: str, folder: Path) -> Any:
    """Run a program; returns what it prints as JSON in its last line."""
    site = site_of(Workspace(ROOT), "prepare", MATRIX.images["prepare"], "amd64")
    if not site.is_dir():
        image, snapshot = MATRIX.images["prepare"], MATRIX.base.snapshot
        ensure_site(Workspace(ROOT), "prepare", image, "amd64", snapshot, print)
    python = image_python()
    assert python
    paths = os.pathsep.join(map(str, (site, ROOT, Path(__file__).parent)))
    done = subprocess.run(
        [python, "-s", "-S", "-c", program, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
