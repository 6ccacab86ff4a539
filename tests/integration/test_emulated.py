"""The Pi's cells on this machine, under QEMU's Cortex-A72: outputs are checked, and no timing is told."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import TIMINGS, Kit

from bench.data import dataset

BINFMT = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64")

pytestmark = [
    pytest.mark.docker,
    pytest.mark.usefixtures("engine"),
    pytest.mark.skipif(
        platform.machine() != "x86_64" or not BINFMT.exists(), reason="no QEMU for arm64 on amd64 here"
    ),
]

# The fastest artifact under QEMU, and a profile that measures performance on a real device.
WORDS = ("--platform", "rpi4", "--model", "mobilenet_v2", "--framework", "onnxruntime", "--method", "INT8-SQ",
         "--scenario", "SingleStream", "--no-limit")  # fmt: skip


def timings(result: dict[str, Any]) -> Iterator[str]:
    """What a cell measured, as a report would write it: milliseconds, and a rate."""
    for one in result["rounds"]:
        for name in ("min", "mean", "p50", "p90", "p99", "max"):
            yield f"{one['latency_ns'][name] / 1e6:.1f} ms"
        yield f"{one['calibration']['seconds_per_call']:.3g} s"


def test_an_emulated_quick_run_checks_outputs_and_tells_no_timing(kit: Kit) -> None:
    done = kit.do("build", "run", "--profile", "quick", "--engine", "docker", "--name", kit.name, *WORDS)
    assert done.returncode == 0, done.stdout + done.stderr
    [result] = kit.results().values()
    assert result["environment"]["emulated"] is True
    assert result["performance"] is False
    # As many as the profile's limit allows at this pace: the load of this machine decides how many that is.
    found = result["agreement"]
    assert 1 <= found["samples"] <= dataset.REFERENCE_IMAGES
    # INT8 on the dataset's ten centred logits: 0.92, KL 0.012 here; shuffled logits are below 0.3
    assert found["mean_cosine"] > 0.8
    assert found["mean_kl"] < 0.1
    report = kit.told()
    assert "correctness only" in report.lower()
    assert not TIMINGS.search(report)
    for told in (report, done.stdout):
        for figure in timings(result):
            assert figure not in told, figure
