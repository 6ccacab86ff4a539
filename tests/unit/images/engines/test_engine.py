"""Engines without Docker: the choice, the native engine on real processes, and small helpers."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.common.errors import EngineError, UsageError
from bench.plan import matrix as matrices
from bench.plan import reading
from images.engines import machine, native
from images.engines.choose import choose
from images.engines.endings import explain
from images.engines.engine import LaunchResult, Mount, Request, inside
from images.engines.native import NativeEngine
from images.engines.streams import Lines
from images.making import lock, wheelhouse
from images.workspace import Workspace

ROOT = Path(__file__).parents[4]
MATRIX = reading.load(ROOT / "matrix.toml")
TINY = dataclasses.replace(MATRIX, images={"tiny": matrices.Image("", ("amd64", "arm64"), ("x==1",))})
ARCH = machine.local().arch
Run = Callable[..., tuple[LaunchResult, list[str]]]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A checkout whose bench runs the Python that it is given."""
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__main__.py").write_text("import sys; exec(sys.argv[1])\n")
    workspace = Workspace(tmp_path)
    lock.write(workspace.lock("tiny", ARCH), [], [])
    wheelhouse.site_of(workspace, "tiny", TINY.images["tiny"], ARCH).mkdir(parents=True)
    return workspace


@pytest.fixture
def run(workspace: Workspace) -> Run:
    engine = NativeEngine(TINY, workspace, "test")

    def launch(code: str, **options: object) -> tuple[LaunchResult, list[str]]:
        lines: list[str] = []
        request = Request("tiny", ARCH, [code], **options)  # type: ignore[arg-type]
        return engine.launch(request, lines.append), lines

    return launch


def test_native_runs_in_a_clean_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the caller")
    result, lines = run("import os, json; print(json.dumps(dict(os.environ)))", env={"ASKED": "yes"})
    seen = json.loads(lines[0])
    assert result.reason == ""
    assert seen["ASKED"] == "yes"
    assert "SECRET" not in seen
    assert not Path(seen["HOME"]).exists()  # was made for this launch


def test_native_sees_no_site_packages(run: Run) -> None:
    result, _ = run("import pytest")
    assert result.reason == "ended with exit code 1"
    assert "No module named 'pytest'" in result.stderr


def test_native_pins_cores(run: Run) -> None:
    core = min(os.sched_getaffinity(0))
    _, lines = run("import os; print(sorted(os.sched_getaffinity(0)))", cpus=[core])
    assert lines == [f"[{core}]"]


def test_native_hard_end(run: Run) -> None:
    started = time.monotonic()
    result, lines = run("import time; print('on'); time.sleep(60)", timeout_s=0.6)
    assert result.reason == "killed: not finished after 1 s"
    assert lines == ["on"]
    assert time.monotonic() - started < 10


def test_native_memory_limit(run: Run) -> None:
    code = "import time; x = b'x' * 200_000_000; time.sleep(60)"
    result, _ = run(code, memory_bytes=100_000_000)
    assert result.reason == "killed: out of memory (limit 100.0 MB)"


def test_native_reports_an_illegal_instruction(run: Run) -> None:
    result, _ = run("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    assert "illegal instruction" in result.reason


def test_native_leaves_no_process_when_the_callback_raises(workspace: Workspace) -> None:
    engine = NativeEngine(TINY, workspace, "test")
    seen: list[int] = []

    def interrupt(line: str) -> None:
        seen.append(int(line))
        raise KeyboardInterrupt

    code = "import os, time; print(os.getpid()); time.sleep(60)"
    with pytest.raises(KeyboardInterrupt):
        engine.launch(Request("tiny", ARCH, [code]), interrupt)
    assert not Path(f"/proc/{seen[0]}").exists()


def test_native_does_not_wait_for_a_grandchild(run: Run) -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    started = time.monotonic()
    result, _ = run(code, timeout_s=1.0)
    assert "not finished" in result.reason  # it held our pipe, and is gone
    assert time.monotonic() - started < 10


def test_native_refuses_another_architecture(workspace: Workspace) -> None:
    engine = NativeEngine(TINY, workspace, "test")
    foreign = next(arch for arch in ("amd64", "arm64") if arch != ARCH)
    with pytest.raises(EngineError, match="cannot emulate"):
        engine.launch(Request("tiny", foreign, []), print)


def test_native_needs_the_images_python(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "image_python", lambda: None)
    with pytest.raises(EngineError, match="needs CPython"):
        NativeEngine(TINY, workspace, "test")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK leaves sockets
def test_auto_falls_back_to_native_and_says_why(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    chosen = choose("auto", TINY, workspace)
    assert chosen.kind == "native"
    assert "no Docker engine answers" in chosen.describe()["why"]
    with pytest.raises(EngineError, match="does not answer"):
        choose("docker", TINY, workspace)
    gc.collect()


def test_unknown_engine_names_the_near_match(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="Did you mean 'docker'"):
        choose("doker", TINY, workspace)


def test_exit_codes_of_both_engines_are_explained_alike() -> None:
    for number in (4, 6, 7, 8, 9, 11, 15):
        assert explain(128 + number) == explain(-number)
        assert "exit code" not in explain(-number)
    assert explain(0) == ""
    assert explain(3) == "ended with exit code 3"


def test_paths_inside_a_container() -> None:
    mounts = [Mount(Path("/here/cache/data"), "/cache/data"), Mount(Path("/here/out"), "/results", True)]
    assert inside(Path("/here/cache/data/abc/x.npy"), mounts) == "/cache/data/abc/x.npy"
    assert inside(Path("/here/out"), mounts) == "/results"
    with pytest.raises(ValueError, match="none of the mounts"):
        inside(Path("/here/cache"), mounts)


@given(st.binary(), st.integers(1, 7))
def test_lines_do_not_depend_on_how_the_stream_was_cut(data: bytes, step: int) -> None:
    whole: list[str] = []
    pieces: list[str] = []
    for lines, size in ((Lines(whole.append), max(1, len(data))), (Lines(pieces.append), step)):
        for start in range(0, len(data), size):
            lines.feed(data[start : start + size])
        lines.end()
    assert pieces == whole
    assert len(whole) == data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
