"""arm64 images are made on any machine without executing arm64 code, and run under QEMU's Cortex-A72."""

# ruff: noqa: F401 (fixtures come by import)

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixtures_images import LEAKS, collect_sockets

from bench.plan import matrix as matrices
from bench.plan import reading
from images.engines.choose import choose
from images.engines.engine import Request
from images.workspace import Workspace

ROOT = Path(__file__).parents[2]
BINFMT = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64")


pytestmark = [pytest.mark.docker, LEAKS]


@pytest.mark.skipif(not BINFMT.exists(), reason="no QEMU binfmt handler for aarch64 is registered")
def test_cross_compiled_loadgen_drives_a_test_on_a_cortex_a72() -> None:
    engine = choose("docker", reading.load(ROOT / "matrix.toml"), Workspace(ROOT))
    [image] = engine.build("arm64", ["tflite"], print)
    assert image.arch == "arm64"
    events: list[str] = []
    launch = Request("tflite", "arm64", ["harness"], timeout_s=300, emulate_cpu="cortex-a72")
    result = engine.launch(launch, events.append)
    assert result.exit_code == 0, result.stderr
    assert json.loads(events[-1])["queries"] >= 64
