"""Engines of other machines: a second real dockerd, a real sshd, a real swarm; and one that dies."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT, Kit, assert_kept
from engines import OWN, SecondEngine, second_engine, ssh_server, swarm
from local_registry import free_port

SMALL = ("--framework", "openvino", "--method", "FP32")
pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine")]


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondEngine]:
    with second_engine(tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def outputs(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What does not depend on the hour: outputs against the reference, and the answers' counts."""
    return {name: (result["agreement"], result["accuracy"]) for name, result in results.items()}


def test_a_run_on_another_engine_gives_what_it_gives_here(kit: Kit, second: SecondEngine) -> None:
    assert kit.run(*SMALL, "--engine", "docker").returncode == 0
    here = kit.results()
    done = kit.run(*SMALL, "--host", second.host, "--fresh")
    assert done.returncode == 0, done.stdout + done.stderr
    there = kit.results()
    assert outputs(there) == outputs(here)
    for result in there.values():
        logs = kit.run_dir / result["rounds"][0]["logs"]
        assert "VALID" in (logs / "mlperf_log_summary.txt").read_text()
        digest = result["environment"]["engine"]["digest"]
        assert second.docker("image", "inspect", digest).returncode == 0, "it names the other engine's image"
    assert second.docker("ps", "-aq").stdout == "", "no container is left"
    assert "every cell is measured" in kit.run(*SMALL, "--host", second.host).stdout


def test_the_whole_thing_over_ssh(kit: Kit, tmp_path: Path) -> None:
    with ssh_server(tmp_path) as (host, env):
        done = kit.run(*SMALL, env={**env, "DOCKER_HOST": host})
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(kit.results()) == 3
        assert host in " ".join(done.stdout.split())
        refused = kit.run(*SMALL, "--host", host.replace("root", "nobody"), env=env)
    assert refused.returncode == 4
    assert "Permission denied" in refused.stderr
    gone = kit.run(*SMALL, "--host", host, env=env)
    assert gone.returncode == 4
    assert "Connection refused" in gone.stderr
    assert "Traceback" not in gone.stderr


def test_two_engines_of_one_machine_do_not_time_each_other(kit: Kit, second: SecondEngine) -> None:
    words = ("run", "--name", kit.name, "--profile", "quick", *SMALL)
    done = kit.do(*words, "--host", f"{second.host},{OWN}")
    assert done.returncode == 3
    assert "would disturb each other's timings" in done.stderr


def test_an_engine_killed_in_mid_run_loses_nothing_and_nothing_is_measured_twice(
    kit: Kit, second: SecondEngine
) -> None:
    words = ("--framework", "openvino,onnxruntime", "--host", f"{second.host},{OWN}")
    command = kit.command("run", "--profile", "smoke", "--name", kit.name, *words)
    log = kit.root / "out" / f"{kit.name}.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as stream:
        env = {**os.environ, "COLUMNS": "220"}
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream, env=env)
        deadline = time.monotonic() + 900
        while not list((kit.run_dir / "cells").glob("*.json")):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second.kill()
        kept = kit.results()
        assert process.wait(timeout=900) == 0, log.read_text()
    said = log.read_text()
    log.unlink()
    assert f"lost {second.host}" in said
    after = kit.results()
    assert len(after) == 15
    assert_kept(kept, after)
    assert all([row["round"] for row in result["rounds"]] == [1] for result in after.values())
    second.start()


def test_a_swarm_takes_the_cells_as_jobs_on_labelled_nodes(kit: Kit, second: SecondEngine) -> None:
    words = (*SMALL, "--swarm", "--host", second.host)
    no_swarm = kit.run(*words)
    assert no_swarm.returncode == 4
    assert "manages no swarm" in no_swarm.stderr
    address = f"127.0.0.1:{free_port()}"  # this machine may have a swarm of its own
    with swarm(second, address) as node:
        no_node = kit.run(*words)
        assert no_node.returncode == 4
        assert "docker node update --label-add edgequant.platform=host" in no_node.stderr
        second.docker("node", "update", "--label-add", "edgequant.platform=host", node)
        done = kit.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        jobs = second.docker("service", "ls", "-q").stdout
    assert jobs == "", "no job is left"
    names = {row["machine"] for result in kit.results().values() for row in result["rounds"]}
    assert {name.rpartition("-")[0] for name in names} == {os.uname().nodename}
    assert len(names) == 1
    assert len(kit.results()) == 3
