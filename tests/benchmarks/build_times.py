"""Benchmark: how long the Raspberry Pi's images take to build against this machine's, in turns.

    .venv/bin/python tests/benchmarks/build_times.py [ROUNDS]

arm64: pytorch, tflite, onnxruntime. amd64: these and openvino, without prepare. The downloaded wheels are
there; base, LoadGen's wheel, unpacked wheels and everything in the engine are made anew in each round,
since each has a date of its own. The arm64 build runs where no arm64 program can start (unemulated.py),
and the engine is asked whether it started a container. The ratio may be 1.5 at most.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import docker

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from bench.plan import reading  # noqa: E402
from images.engines.docker import build  # noqa: E402
from images.making import lock as locks  # noqa: E402
from images.making import wheelhouse  # noqa: E402
from images.workspace import Workspace  # noqa: E402

IMAGES = {
    "amd64": ("pytorch", "tflite", "onnxruntime", "openvino"),
    "arm64": ("pytorch", "tflite", "onnxruntime"),
}
UNEMULATED = ROOT / "tests" / "images" / "unemulated.py"
PREFIX = "timed-"
LIMIT = 1.5


def checkout(folder: Path, arch: str) -> None:
    """Write what a build reads: matrix, locks, bench and downloaded wheels, images under other names."""
    workspace = Workspace(folder)
    shutil.copytree(ROOT / "bench", folder / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "images" / "locks", folder / "images" / "locks")
    shutil.copy(ROOT / "matrix.toml", folder)
    for name in IMAGES[arch]:
        wheelhouse.fill(
            locks.read(Workspace(ROOT).lock(name, arch)), Workspace(ROOT).wheels(name, arch), arch, print
        )
        shutil.copytree(
            Workspace(ROOT).wheels(name, arch), workspace.wheels(PREFIX + name, arch), copy_function=os.link
        )
        shutil.copy(Workspace(ROOT).lock(name, arch), workspace.lock(PREFIX + name, arch))


def make(folder: Path, arch: str) -> None:
    """Build the images of `arch`, each step with the second it began; runs in a process of its own."""
    matrix = reading.load(folder / "matrix.toml")
    images = {PREFIX + name: matrix.images[name] for name in IMAGES[arch]}
    started = time.monotonic()
    client = docker.from_env(timeout=600)
    build.build(
        dataclasses.replace(matrix, images=images),
        arch,
        list(images),
        client,
        Workspace(folder),
        lambda line: print(f"    {time.monotonic() - started:6.1f} s  {line}", flush=True),
    )


def seconds(arch: str, number: int) -> float:
    """Build the images of `arch` from nothing but wheels; return how long that took."""
    client = docker.from_env(timeout=600)
    with tempfile.TemporaryDirectory(dir=ROOT / ".cache", prefix="timed-") as folder:
        checkout(Path(folder), arch)
        before = {image.id for image in client.images.list(all=True)}
        command = [sys.executable, str(UNEMULATED)] if arch == "arm64" else []
        command += [sys.executable, __file__, "--make", folder, arch]
        epoch = str(int(time.time()) - number)
        since, started = int(time.time()), time.monotonic()
        subprocess.run(command, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": epoch})
        took = time.monotonic() - started
        new = [image for image in client.images.list(all=True) if image.id not in before]
        events = client.api.events(
            since=since, until=int(time.time()) + 1, filters={"event": "start"}, decode=True
        )
        ran = {event["Actor"]["Attributes"].get("image") for event in events}
        if ran & {name for image in new for name in (image.id, *image.tags)}:
            sys.exit("the engine started a container while it built")
        for tag in [tag for image in new for tag in image.tags]:
            client.images.remove(tag, force=True)
    client.close()
    return took


def main(rounds: int) -> None:
    """Print a line a round, then the median ratio."""
    ratios = []
    for number in range(1, rounds + 1):
        took = {arch: seconds(arch, number) for arch in IMAGES}
        ratios.append(took["arm64"] / took["amd64"])
        print(
            f"{number}  amd64 {took['amd64']:.1f} s  arm64 {took['arm64']:.1f} s  {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"arm64 / amd64, median of {rounds}: {statistics.median(ratios):.2f} (at most {LIMIT})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(Path(sys.argv[2]), sys.argv[3])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
