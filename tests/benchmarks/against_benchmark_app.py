"""Benchmark: Offline under LoadGen against OpenVINO's own benchmark_app, in turns.

    .venv/bin/python tests/benchmarks/against_benchmark_app.py [PAIRS]

Same artifact, threads, streams and batch, engine native. Prints the ratio pair by pair, then the median
for each method and the INT8-OM over FP32 ratio of our side. A ratio under 0.97 means that the kit, not
OpenVINO, is being measured.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BATCH = 32
APP = """
import sys, openvino
openvino.__path__.append(sys.argv.pop(1))  # the wheel's openvino/tools, which no image needs
from openvino.tools.benchmark.main import main
sys.argv[0] = "benchmark_app"
main()
"""


def ours(name: str) -> dict[str, tuple[float, str]]:
    """Run the kit; return (samples/s, artifact) by method, the median over rounds."""
    words = [
        "run",
        "--engine",
        "native",
        "--framework",
        "openvino",
        "--scenario",
        "Offline",
        "--fresh",
        "--name",
    ]
    subprocess.run([str(ROOT / "invoke"), *words, name], check=True, stdout=subprocess.DEVNULL)
    found = {}
    for path in (ROOT / "out" / name / "cells").glob("*.json"):
        result = json.loads(path.read_text())
        rates = [row["samples_per_second"] for row in result["rounds"]]
        found[result["cell"]["method"]] = (statistics.median(rates), result["artifact"]["sha256"])
    return found


def theirs(artifact: str, tools: str) -> float:
    """Run benchmark_app, unpacked into `tools`, on the artifact; return its throughput in samples/s."""
    site = next((ROOT / ".cache" / "site").glob("openvino-amd64-*"))
    model = ROOT / ".cache" / "artifacts" / artifact / "model.xml"
    options = ["-hint", "throughput", "-infer_precision", "f32", "-shape", f"[{BATCH},3,224,224]"]
    options += ["-t", "1"]  # seconds, as long as a round of quick
    done = subprocess.run(
        ["python3.11", "-s", "-S", "-c", APP, f"{tools}/openvino", "-m", str(model), "-d", "CPU", *options],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{site}:{tools}"},
    )
    found = re.search(r"Throughput:\s+([\d.]+)", done.stdout)
    assert found, done.stdout
    return float(found.group(1))


def unpack(folder: str) -> None:
    """Unpack benchmark_app and the telemetry it wants from the wheels that the openvino image is made of."""
    for wheel in (ROOT / ".cache" / "wheels" / "openvino-amd64").glob("openvino*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            wanted = ("openvino/tools/", "openvino_telemetry/")
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith(wanted)])


def main(pairs: int) -> None:
    """Print a line a pair and the medians."""
    ratios: dict[str, list[float]] = {}
    gains = []
    name = "benchmark-openvino"
    unpacked = tempfile.TemporaryDirectory()
    unpack(unpacked.name)
    for pair in range(pairs):
        measured = ours(name)
        gains.append(measured["INT8-OM"][0] / measured["FP32"][0])
        for method, (rate, artifact) in sorted(measured.items()):
            other = theirs(artifact, unpacked.name)
            ratios.setdefault(method, []).append(rate / other)
            print(f"{pair + 1} {method:8} kit {rate:7.1f}  app {other:7.1f}  {rate / other:.3f}", flush=True)
    for method, values in ratios.items():
        print(f"{method}: kit / benchmark_app, median of {pairs}: {statistics.median(values):.3f}")
    print(f"INT8-OM / FP32 under LoadGen, median of {pairs}: {statistics.median(gains):.2f}")
    shutil.rmtree(ROOT / "out" / name)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
