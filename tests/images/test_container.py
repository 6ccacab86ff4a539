"""What a container may and may not do, asked from inside, and how its end is reported."""

# ruff: noqa: F401, F811 (fixtures come by import)

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from cable import Cable
from fixtures_images import LEAKS, arch, client, collect_sockets, engine, run, workspace

from bench.common.errors import EngineError
from images.engines.docker.engine import DockerEngine
from images.engines.docker.owner import OWNER
from images.engines.engine import LaunchResult, Mount, Request

pytestmark = [pytest.mark.docker, LEAKS]
Run = Callable[..., tuple[LaunchResult, list[str]]]

LOOK = """
import ctypes, json, os, socket, sys
import package
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
def fails(action):
    try:
        action()
    except OSError as error:
        return error.strerror
    return "allowed"
ctypes.CDLL("libstdc++.so.6"); ctypes.CDLL("libgomp.so.1")
print(json.dumps({
    "python": sys.version.split()[0], "package": package.NAME, "uid": os.getuid(), "gid": os.getgid(),
    "capabilities": [status[f"Cap{kind}"].strip() for kind in ("Eff", "Prm", "Bnd", "Amb")],
    "no_new_privileges": status["NoNewPrivs"].strip(), "interfaces": os.listdir("/sys/class/net"),
    "network": fails(lambda: socket.create_connection(("192.0.2.1", 80), 2)),
    "root": fails(lambda: open("/opt/x", "w")), "ro": fails(lambda: open("/data/x", "w")),
    "rw": fails(lambda: open("/results/x", "w")), "tmp": fails(lambda: open("/tmp/x", "w")),
    "init": open("/proc/1/comm").read().strip(), "cores": sorted(os.sched_getaffinity(0)),
    "setuid": [n for n in os.listdir("/usr/bin") if os.stat("/usr/bin/" + n).st_mode & 0o6000],
    "bytecode": "cached" if os.path.exists(json.__cached__) else "none",
}))
"""


def test_container_is_hardened(run: Run, tmp_path: Path) -> None:
    for name in ("data", "results"):
        (tmp_path / name).mkdir()
    mounts = [Mount(tmp_path / "data", "/data"), Mount(tmp_path / "results", "/results", writable=True)]
    core = min(os.sched_getaffinity(0))
    result, lines = run(LOOK, mounts=mounts, cpus=[core])
    assert result.reason == "", result.stderr
    seen = json.loads(lines[0])
    assert seen["python"].startswith("3.11.")
    assert seen["package"] == "from the site"
    assert (seen["uid"], seen["gid"]) == ((os.getuid(), os.getgid()) if os.getuid() else (1000, 1000))
    assert set(seen["capabilities"]) == {"0" * 16}
    assert seen["no_new_privileges"] == "1"
    assert seen["interfaces"] == ["lo"]
    assert seen["network"] == "Network is unreachable"
    assert seen["root"] == seen["ro"] == "Read-only file system"
    assert seen["rw"] == seen["tmp"] == "allowed"
    assert seen["init"] in ("docker-init", "tini")
    assert seen["cores"] == [core]
    assert seen["setuid"] == []
    assert (tmp_path / "results" / "x").exists()


def test_results_directory_made_by_root_is_handed_over(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir(mode=0o755)
    (tmp_path / "cells" / "old.json").write_text("{}")
    code = "import os; os.chdir('/results/cells'); open('new', 'w'); os.replace('new', 'old.json')"
    result, _ = run(code, mounts=[Mount(tmp_path, "/results", writable=True)])
    assert result.reason == "", result.stderr


def test_out_of_memory_is_reported(run: Run) -> None:
    result, _ = run("x = b'x' * 400_000_000", memory_bytes=100_000_000)
    assert result.exit_code == 137
    assert result.reason == "killed: out of memory (limit 100.0 MB)"


def test_hard_end(run: Run) -> None:
    result, lines = run("import time; print('on'); time.sleep(60)", timeout_s=1.0)
    assert result.reason == "killed: not finished after 1 s"
    assert lines == ["on"]
    assert result.seconds < 10


def test_illegal_instruction_is_reported(run: Run) -> None:
    result, _ = run("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    assert result.exit_code == 132
    assert "illegal instruction" in result.reason


def test_failure_keeps_the_end_of_stderr(run: Run) -> None:
    result, lines = run("import sys\nfor i in range(99): print(i, file=sys.stderr)\nsys.exit(3)")
    assert result.reason == "ended with exit code 3"
    assert result.stderr.splitlines() == [str(i) for i in range(59, 99)]
    assert lines == []


def test_lines_come_while_it_runs(engine: DockerEngine, arch: str) -> None:
    at: list[float] = []
    code = "import time; print('a'); time.sleep(1.5); print('b')"
    engine.launch(Request("test", arch, [code]), lambda _: at.append(time.monotonic()))
    assert at[1] - at[0] > 1


def test_interrupted_launch_leaves_no_container(
    engine: DockerEngine, arch: str, client: docker.DockerClient
) -> None:
    ours = {"label": OWNER, "ancestor": f"edgequant/test:{arch}"}

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.launch(Request("test", arch, ["import time; print(1); time.sleep(60)"]), interrupt)
    assert client.containers.list(all=True, filters=ours) == []


def test_stale_containers_are_removed(engine: DockerEngine, arch: str, client: docker.DockerClient) -> None:
    def leave(owner: str) -> str:
        made = client.containers.create(f"edgequant/test:{arch}", ["1"], labels={OWNER: owner})
        return str(made.id)

    dead = leave(f"{socket.gethostname()}:{os.getpid()}:1")  # our pid, but another process's start
    foreign = leave("another-machine:1:1")
    try:
        assert engine.remove_stale() >= 1
        left = {container.id for container in client.containers.list(all=True)}
        assert dead not in left
        assert foreign in left
    finally:
        client.containers.get(foreign).remove(force=True)


def test_missing_image_is_an_engine_error(engine: DockerEngine, arch: str) -> None:
    with pytest.raises(EngineError, match="there is no image edgequant/absent") as caught:
        engine.launch(Request("absent", arch, []), print)
    assert caught.value.remedy == "invoke build"


@pytest.fixture
def cable(engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cable]:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        pytest.skip("the engine is not behind a socket of this machine")
    cable = Cable(tmp_path / "engine.sock", host.removeprefix("unix://"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    yield cable
    cable.cut()


def test_engine_that_dies_while_a_cell_runs(engine: DockerEngine, arch: str, cable: Cable) -> None:
    fragile = DockerEngine(engine._matrix, engine._workspace, "test")
    started = time.monotonic()
    with pytest.raises(EngineError, match="failed while test ran"):
        fragile.launch(
            Request("test", arch, ["import time; print(1); time.sleep(60)"]), lambda _: cable.cut()
        )
    assert time.monotonic() - started < 20
    fragile.client.close()
    assert engine.remove_stale() == 1
