"""A swarm of two nodes with a registry: two engines, each with a network and a host name of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Kit
from engines import SecondEngine, second_engine, swarm
from local_registry import configuration, serve

NODES = {"edgequant-a": "10.99.77.1", "edgequant-b": "10.99.77.2"}
REGISTRY = f"{NODES['edgequant-a']}:5000"
pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine")]


@contextlib.contextmanager
def network() -> Iterator[None]:
    """Two network namespaces joined by one cable, named as the nodes."""
    (a, here), (b, there) = NODES.items()
    steps = [
        *(["netns", "add", name] for name in NODES),
        ["link", "add", "cable", "netns", a, "type", "veth", "peer", "name", "cable", "netns", b],
    ]
    for name, address in ((a, here), (b, there)):
        steps += [
            ["-n", name, "addr", "add", f"{address}/24", "dev", "cable"],
            *(["-n", name, "link", "set", device, "up"] for device in ("cable", "lo")),
        ]
    try:
        for step in steps:
            done = subprocess.run(["ip", *step], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"no network of two hosts can be made here: ip {' '.join(step)}: {done.stderr}")
        yield
    finally:
        for name in NODES:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def inside(name: str) -> tuple[str, ...]:
    """What starts a program in a node's network; `ip netns exec` would hide the control groups from it."""
    return ("nsenter", f"--net=/run/netns/{name}")


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[None]:
    """Debian's docker-registry on the first node."""
    config = folder / "registry.yml"
    config.write_text(configuration(REGISTRY, folder / "registry"))
    server = serve(config, inside(next(iter(NODES))))
    try:
        yield
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SecondEngine]]:
    """Two engines in one swarm, the first its manager; both labelled as this platform."""
    if not shutil.which("docker-registry") or not shutil.which("ip"):
        pytest.skip("needs Debian's packages docker-registry and iproute2")
    with contextlib.ExitStack() as stack:
        stack.enter_context(network())
        stack.enter_context(registry(tmp_path_factory.mktemp("registry")))
        engines = []
        for name in NODES:
            folder = tmp_path_factory.mktemp("node")  # short: the path of a socket has at most 107 bytes
            words = f'hostname {name}; exec "$@"'
            prefix = (*inside(name), "unshare", "--uts", "sh", "-c", words, "sh")
            flags = ("--insecure-registry", REGISTRY)
            engines.append(stack.enter_context(second_engine(folder, prefix, flags)))
        stack.enter_context(swarm(engines[0], NODES["edgequant-a"]))
        join(engines)
        yield engines


def join(engines: list[SecondEngine]) -> None:
    """Let the second engine join the first one's swarm, and label both nodes."""
    manager, worker = engines
    here, there = NODES.values()
    token = manager.docker("swarm", "join-token", "-q", "worker").stdout.strip()
    address = f"{here}:2377"
    joined = worker.docker("swarm", "join", "--advertise-addr", there, "--token", token, address)
    assert joined.returncode == 0, joined.stderr
    for name in NODES:
        labelled = manager.docker("node", "update", "--label-add", "edgequant.platform=host", name)
        assert labelled.returncode == 0, labelled.stderr


def test_two_nodes_share_the_cells_and_pull_from_the_registry(kit: Kit, nodes: list[SecondEngine]) -> None:
    words = ("--framework", "openvino,onnxruntime", "--method", "FP32", "--swarm", "--host", nodes[0].host)
    refused = kit.run(*words)
    assert refused.returncode == 3
    assert "name a --registry" in refused.stderr
    done = kit.run(*words, "--registry", REGISTRY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(kit.results()) == 6
    machines = {
        result["cell"]["framework"]: {row["machine"].rpartition("-")[0] for row in result["rounds"]}
        for result in kit.results().values()
    }
    assert set.union(*machines.values()) == set(NODES), machines
    assert all(len(names) == 1 for names in machines.values()), "a family was split between nodes"
