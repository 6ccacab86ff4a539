"""The door: what a user types, through a real process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INVOKE = [sys.executable, "-m", "invoke"]


def kit(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*INVOKE, *words], cwd=cwd, capture_output=True, text=True, timeout=600,
                          env={**os.environ, "COLUMNS": "200"})


def test_list_of_tasks_reads_well_and_is_instant() -> None:
    done = kit("--list")
    assert done.returncode == 0
    for name in ("build", "run", "report", "test", "doctor", "list", "clean"):
        assert re.search(rf"^  {name} +\w.*", done.stdout, re.MULTILINE), name


@pytest.mark.parametrize("line", [
    ("list", "list", "--platform", "rpi4"),
    ("list", "--platform", "rpi4", "list"),
])
def test_a_platform_holds_for_the_whole_line_in_both_orders(line: tuple[str, ...]) -> None:
    done = kit(*line)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("MobileNetV2 on rpi4, profile quick") == 2
    assert "on host" not in done.stdout


def test_two_values_on_one_line_are_refused() -> None:
    done = kit("build", "--platform", "rpi4", "run", "--platform", "host")
    assert done.returncode == 3
    assert "--platform is given twice on one line: 'rpi4' and 'host'" in done.stderr


@pytest.mark.parametrize(("words", "near"), [
    (("--platform", "rpi5"), "Did you mean 'rpi4'? Known: frontera, host, ri2, rpi4"),
    (("--profile", "quik"), "Did you mean 'quick'?"),
    (("--engine", "podman"), "Known: auto, docker, native"),
    (("--framework", "onnx"), "Did you mean 'onnxruntime'?"),
    (("--model", "vgg"), "Did you mean 'vgg19'?"),
    (("--method", "INT8-QS"), "Did you mean 'INT8-SQ'?"),
    (("--scenario", "offlin"), "Did you mean 'Offline'?"),
])
def test_an_unknown_name_gives_the_near_match_and_the_list(words: tuple[str, ...], near: str) -> None:
    done = kit("run", *words)
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")
    assert near in done.stderr
    assert "Traceback" not in done.stderr


def test_a_typo_in_the_matrix_names_file_table_key_and_value(tmp_path: Path) -> None:
    for name in ("tasks.py", "invoke.yaml", "matrix.toml", "bench", "images", "reports"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    matrix = tmp_path / "matrix.toml"
    matrix.write_text(matrix.read_text().replace("threads = 4", "thraeds = 4"))
    done = kit("list", cwd=tmp_path)
    assert done.returncode == 2
    assert "matrix.toml: platforms.rpi4.thraeds: unknown key 'thraeds'. Did you mean 'threads'?" in done.stderr


def test_list_says_what_is_impossible_and_why() -> None:
    done = kit("list", "--framework", "tflite,pytorch")
    assert "PyTorch has no dynamic quantization of convolutions" in done.stdout
    assert "predicted" in done.stdout


def test_doctor_says_what_is_there() -> None:
    done = kit("doctor")
    assert done.returncode == 0, done.stderr
    for word in ("engine", "QEMU", "cores", "governor", "disk"):
        assert word.lower() in done.stdout.lower(), word
