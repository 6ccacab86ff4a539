"""The door: what a user types, through a real process."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import ROOT, Kit
from fixtures_compare import alter, runs, slow_down

HERE = Kit(ROOT)


def kit(*words: str) -> subprocess.CompletedProcess[str]:
    return HERE.do(*words)


def test_list_of_tasks_reads_well_and_is_instant() -> None:
    done = kit("--list")
    assert done.returncode == 0
    for name in ("build", "run", "report", "compare", "test", "doctor", "list", "clean"):
        assert re.search(rf"^  {name} +\w.*", done.stdout, re.MULTILINE), name


@pytest.mark.parametrize(
    "line",
    [
        ("list", "report", "--platform", "rpi4", "--profile", "mlperf-v2.1"),
        ("list", "--platform", "rpi4", "--profile", "mlperf-v2.1", "report"),
    ],
)
def test_a_platform_holds_for_the_whole_line_in_both_orders(line: tuple[str, ...]) -> None:
    done = kit(*line)
    assert "MobileNetV2 on rpi4, profile mlperf-v2.1" in done.stdout
    assert "there is no run 'rpi4-mlperf-v2.1'" in done.stderr
    assert done.returncode == 3


@pytest.mark.parametrize("line", [("verify", "--help"), ("help", "verify"), ("--help", "verify")])
def test_help_of_a_task_is_shown_whatever_else_it_needs(line: tuple[str, ...]) -> None:
    done = kit(*line)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Check every hash of an archive" in done.stdout


@pytest.mark.parametrize("line", [(), ("help",), ("--help",)])
def test_a_line_without_a_task_says_what_most_people_want(line: tuple[str, ...]) -> None:
    done = kit(*line)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("./invoke build run ")
    assert re.search(r"^  reproduce +\w.*", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (("lst",), "unknown task 'lst'. Did you mean 'list'?"),
        (("list", "--platfrom", "rpi4"), "unknown option '--platfrom'. Did you mean '--platform'?"),
        (("verify",), "did not receive required positional arguments: 'archive'"),
        (("doctor", "--archive", "x"), "--archive is no option of doctor"),
    ],
)
def test_a_typo_gets_the_near_match(line: tuple[str, ...], told: str) -> None:
    done = kit(*line)
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_options_stand_in_any_place() -> None:
    there, here = kit("--platform", "rpi4", "list"), kit("list", "--platform", "rpi4")
    assert there.stdout == here.stdout
    assert "on rpi4" in here.stdout


def test_a_module_of_the_working_directory_is_not_run(tmp_path: Path) -> None:
    """A folder from which the kit is called may hold anything: rich.py there was run before."""
    (tmp_path / "rich.py").write_text("raise SystemExit('the stranger ran')")
    done = subprocess.run(HERE.command("list"), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("variables", [{"SOURCE_DATE_EPOCH": ""}, {"GIT_DIR": "/nowhere"}, {"LC_ALL": "C"}])
def test_the_shells_variables_change_nothing(variables: dict[str, str]) -> None:
    done = HERE.do("list", "--framework", "openvino", env=variables)
    assert done.returncode == 0, done.stderr


def test_two_values_on_one_line_are_refused() -> None:
    done = kit("build", "--platform", "rpi4", "run", "--platform", "host")
    assert done.returncode == 3
    assert "--platform is given twice on one line: 'rpi4' and 'host'" in done.stderr


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("--platform", "rpi3"), "Known: frontera, graviton2, host, ri2, rpi4, rpi5"),
        (("--profile", "quik"), "Did you mean 'quick'?"),
        (("--engine", "podman"), "Known: auto, docker, native"),
        (("--framework", "onnx"), "Did you mean 'onnxruntime'?"),
        (("--model", "vgg"), "Did you mean 'vgg19'?"),
        (("--method", "INT8-QS"), "Did you mean 'INT8-SQ'?"),
        (("--scenario", "offlin"), "Did you mean 'Offline'?"),
    ],
)
def test_an_unknown_name_gives_the_near_match_and_the_list(words: tuple[str, ...], near: str) -> None:
    done = kit("run", *words)
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")
    assert near in done.stderr
    assert "Traceback" not in done.stderr


def test_a_typo_in_the_matrix_names_file_table_key_and_value(copy: Callable[[str, str], Kit]) -> None:
    done = copy("threads = 4", "thraeds = 4").do("list")
    assert done.returncode == 2
    assert (
        "matrix.toml: platforms.rpi4.thraeds: unknown key 'thraeds'. Did you mean 'threads'?" in done.stderr
    )


def test_list_says_what_is_impossible_and_why() -> None:
    done = kit("list", "--framework", "tflite,pytorch")
    assert "PyTorch has no dynamic quantization of convolutions" in done.stdout
    assert "predicted" in done.stdout


def test_doctor_says_what_is_there() -> None:
    done = kit("doctor")
    assert done.returncode == 0, done.stderr
    for word in ("engine", "QEMU", "cores", "governor", "disk"):
        assert word.lower() in done.stdout.lower(), word


def test_compare_takes_two_runs_and_answers_with_its_exit_code(copy: Callable[[str, str], Kit]) -> None:
    there = copy("threads = 4", "threads = 4")
    _, b = runs(there.root / "out")
    alter(b, slow_down(2, 2, 2))
    slower = there.do("compare", "a", "b")
    assert slower.returncode == 10
    assert "error: 6 cells slower or less accurate in B" in slower.stderr
    page = there.root / "out" / "compare-a-b.html"
    assert "edgequant comparison" in page.read_text(encoding="utf-8")
    faster = there.do("compare", "--markdown", "out/b", "a")
    assert (faster.returncode, faster.stderr) == (0, "")
    assert "B is faster in 6" in (there.root / "out" / "compare-b-a.md").read_text(encoding="utf-8")


def test_compare_names_the_runs_there_are() -> None:
    done = kit("compare", "no-such-run", "nor-this")
    assert done.returncode == 3
    assert "compare: unknown run 'no-such-run'" in done.stderr
