"""The main job, end to end: build, run, report, resume; on real engines, real frameworks, real LoadGen."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cable import Cable
from checkout import ROOT, TIMINGS, Kit, assert_kept

SMALL = ("--framework", "openvino", "--method", "FP32")


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
def test_every_cell_of_mobilenet_runs_in_containers_and_reports(kit: Kit) -> None:
    done = kit.do("build", "run", "--profile", "smoke", "--engine", "docker", "--name", kit.name)
    assert done.returncode == 0, done.stdout + done.stderr
    results = kit.results()
    assert len(results) == 36
    for name, result in results.items():
        assert result["environment"]["engine"]["kind"] == "docker", name
        assert result["environment"]["engine"]["digest"].startswith("sha256:"), name
        if result["cell"]["method"] == "FP32":
            assert result["agreement"]["max_abs_diff"] < 1e-3, name
    told = kit.told()
    assert "within 0.001" in told
    assert not TIMINGS.search(told), "smoke shows no timing"
    again = time.monotonic()
    second = kit.do("build", "run", "--profile", "smoke", "--engine", "docker", "--name", kit.name)
    assert second.returncode == 0, second.stderr
    assert "every cell is measured" in second.stdout
    assert time.monotonic() - again < 20, "nothing to do must not take long"
    assert kit.results() == results


def test_native_runs_the_same_bench_without_an_engine(kit: Kit) -> None:
    nowhere = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    done = kit.run(*SMALL, env=nowhere)
    assert done.returncode == 0, done.stdout + done.stderr
    why = f"no Docker engine answers: nothing listens at {nowhere['DOCKER_HOST']}"
    assert f"engine native ({why})" in " ".join(done.stdout.split())
    assert {r["environment"]["engine"]["kind"] for r in kit.results().values()} == {"native"}
    assert "native" in (kit.run_dir / "report.html").read_text()


def test_docker_asked_for_and_absent_is_one_clear_error(kit: Kit) -> None:
    done = kit.run(*SMALL, "--engine", "docker", env={"DOCKER_HOST": "unix:///nonexistent/docker.sock"})
    assert done.returncode == 4
    assert "Docker engine does not answer" in done.stderr
    assert "--engine native" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_killed_run_loses_only_the_cell_in_flight(kit: Kit) -> None:
    words = ("--framework", "openvino,onnxruntime", "--engine", "native")
    process = subprocess.Popen(
        kit.command("run", "--profile", "smoke", "--name", kit.name, *words),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    cells = kit.run_dir / "cells"
    deadline = time.monotonic() + 900
    while len(list(cells.glob("*.json"))) < 4:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = kit.results()
    done = kit.run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    after = kit.results()
    assert len(after) == 15
    assert_kept(kept, after)


def test_a_half_written_result_fails_its_cell_and_keeps_the_others(kit: Kit) -> None:
    assert kit.run(*SMALL, "--engine", "native").returncode == 0
    victim = sorted((kit.run_dir / "cells").glob("*.json"))[0]
    whole = victim.read_text()
    victim.write_text(whole[: len(whole) // 2])
    done = kit.run(*SMALL, "--engine", "native")
    assert done.returncode == 1
    assert f"{victim.stem}" in done.stderr
    assert "damaged result" in done.stderr
    assert "Traceback" not in done.stderr
    report = (kit.run_dir / "report.html").read_text()
    assert "damaged result" in report
    fresh = kit.run(*SMALL, "--engine", "native", "--fresh")
    assert fresh.returncode == 0, fresh.stderr
    assert len(kit.results()) == 3


def test_a_corrupt_artifact_fails_its_cells_and_the_others_go_on(kit: Kit) -> None:
    assert kit.run(*SMALL, "--engine", "native").returncode == 0
    digest = next(iter(kit.results().values()))["artifact"]["sha256"]
    model = ROOT / ".cache" / "artifacts" / digest / "model.bin"
    content = model.read_bytes()
    try:
        model.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        done = kit.run("--framework", "openvino", "--engine", "native", "--fresh")
    finally:
        model.write_bytes(content)
    assert done.returncode == 1
    assert done.stderr.count("artifact is corrupt: content hash") >= 3
    assert {r["cell"]["method"] for r in kit.results().values()} == {"INT8-OM"}


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
def test_a_container_killed_for_memory_says_so(copy: Callable[[str, str], Kit]) -> None:
    kit = copy("[platforms.host]\n", '[platforms.host]\nmemory = "96MiB"\n')
    done = kit.run(*SMALL, "--engine", "docker")
    assert done.returncode == 1
    assert "out of memory (limit" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
def test_an_engine_that_dies_fails_its_cells_and_the_next_run_goes_on(kit: Kit, tmp_path: Path) -> None:
    words = ("--framework", "openvino,onnxruntime", "--engine", "docker")
    cable = Cable(tmp_path / "engine.sock", "/var/run/docker.sock")
    process = subprocess.Popen(
        kit.command("run", "--profile", "smoke", "--name", kit.name, *words),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/engine.sock"},
    )
    while not list((kit.run_dir / "cells").glob("*.json")):
        assert process.poll() is None, "the run ended before the engine could die"
        time.sleep(0.05)
    cable.cut()
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "the engine failed while" in stderr
    assert "Traceback" not in stderr
    kept = kit.results()
    assert 0 < len(kept) < 15
    assert "the engine failed while" in (kit.run_dir / "report.html").read_text()
    assert kit.run(*words).returncode == 0
    after = kit.results()
    assert len(after) == 15
    assert_kept(kept, after)


def test_a_full_disk_is_one_clear_error_and_nothing_is_half_written(kit: Kit) -> None:
    kit.run_dir.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(kit.run_dir)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        done = kit.run(*SMALL, "--engine", "native")
        assert done.returncode in (1, 9)
        assert "Traceback" not in done.stderr
        assert "No space left on device" in done.stderr
        assert "free some space" in done.stderr
        for path in Path(kit.run_dir, "cells").glob("*.json"):
            assert path.read_text().endswith("}\n")
    finally:
        subprocess.run(["umount", str(kit.run_dir)], check=True)
