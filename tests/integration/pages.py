"""The documentation's commands, and a checkout in which they are run, narrowed to a few cells."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from checkout import ROOT, Done, Kit
from conftest import CODE
from PIL import Image
from prepared import run

BLOCK = re.compile(r"^```(sh|toml|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# Tasks that take the filters; what they measure is narrowed, so that a page takes minutes.
MEASURING = {"build", "run", "claims", "models", "reproduce", "submission"}
NATIVE = ("--framework", "openvino", "--method", "FP32,INT8-OM", "--scenario", "Offline")
EMULATED = (
    "--framework",
    "onnxruntime",
    "--method",
    "INT8-SQ",
    "--scenario",
    "SingleStream",
    "--profile",
    "smoke",
)
# Durations and counts of mlperf-v2.1, of which a submission is made: ten minutes a cell.
SHORT = {
    "min_duration = 600": "min_duration = 1",
    "min_queries = 24576": "min_queries = 64",
    "performance_samples = 1024": "performance_samples = 64",
}
WEIGHTS = """
import sys, torch
from bench.convert.models import definition
from safetensors.torch import save_file
torch.manual_seed(0)
save_file(definition.build("mobilenet_v2").state_dict(), sys.argv[1])
print("null")
"""


@dataclass
class Page:
    """One page being run in a checkout; `names` stand for what cannot exist here (a Pi, a registry)."""

    kit: Kit
    names: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    done: list[tuple[str, Done]] = field(default_factory=list)

    def apply(self, language: str, text: str) -> None:
        """Do what a block says: run its lines, or put them where the page says."""
        if language == "toml":
            with (self.kit.root / "matrix.toml").open("a") as matrix:
                matrix.write("\n" + text)
        elif language == "python":
            path = self.kit.root / "bench/convert/models/__init__.py"
            path.write_text(path.read_text().rstrip().removesuffix("}") + text + "}\n")
        else:
            for line in text.splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    self.done.append((line, self._run(line, words)))

    def _run(self, line: str, words: list[str]) -> Done:
        for name, here in self.names.items():
            words = [word.replace(name, here) for word in words]
        if words[0] != "./invoke":
            return subprocess.run(words, capture_output=True, text=True, env=self._env(line), timeout=600)
        return self.kit.do(*words[1:], *narrowing(words[1:]), env=self._env(line))

    def _env(self, line: str) -> dict[str, str]:
        of_swarm = "swarm" in line or line.startswith("docker")
        return {name: text for name, text in self.env.items() if name != "DOCKER_HOST" or of_swarm}


def narrowing(words: list[str]) -> tuple[str, ...]:
    """What is added to a command line so that it measures a few cells only."""
    if words[0] == "publish":
        return ("--image", "openvino")
    if words[0] not in MEASURING or "--list" in words:
        return ()
    chosen = EMULATED if "rpi4" in words else NATIVE
    pairs = zip(chosen[::2], chosen[1::2])
    added = [word for pair in pairs if pair[0] not in words for word in pair]
    return (*added, *(() if "--model" in words or "reproduce" in words else ("--model", "mobilenet_v2")))


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """The blocks of a page that are commands, tables for the matrix, or lines of code."""
    yield from BLOCK.findall(page.read_text())


def checkout(root: Path) -> Kit:
    """A checkout with a matrix of its own; the cache is shared."""
    for name in (*CODE, "CITATION.cff", "LICENSE"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, root / name)
    (root / "docs").mkdir()
    matrix = root / "matrix.toml"
    text = matrix.read_text()
    for old, new in SHORT.items():
        assert old in text
        text = text.replace(old, new)
    matrix.write_text(text)
    (root / ".cache").symlink_to(ROOT / ".cache")
    return Kit(root)


def photos(root: Path) -> None:
    """Two classes of pictures, enough for calibration and a test split."""
    for label, shade in (("cat", 60), ("dog", 180)):
        (root / label).mkdir(parents=True)
        for number in range(24):
            colour = (shade, 5 * number, 255 - shade)
            Image.new("RGB", (256, 256), colour).save(root / label / f"{number:02}.png")


def ilsvrc(root: Path) -> None:
    """The same pictures as ImageNet's validation images, with a val_map.txt."""
    photos(root / "photos")
    lines = []
    for number, path in enumerate(sorted((root / "photos").rglob("*.png")), start=1):
        name = f"ILSVRC2012_val_{number:08d}.JPEG"
        Image.open(path).save(root / name, "JPEG")
        lines.append(f"{name} {number}\n")
    shutil.rmtree(root / "photos")
    (root / "val_map.txt").write_text("".join(lines))


def weights(path: Path) -> None:
    """A state dict of MobileNetV2 that nobody trained."""
    run(WEIGHTS, str(path), folder=path.parent)
