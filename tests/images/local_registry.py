"""A real registry (Debian's docker-registry) on a free port, for as long as a test wants it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest


class LocalRegistry:
    """One registry; what it stores stays when it is stopped. `extra` is more of its configuration (YAML)."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        if not shutil.which("docker-registry"):
            pytest.skip("needs Debian's package docker-registry")
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.storage = folder / "registry"
        self._config = folder / "registry.yml"
        self._config.write_text(configuration(self.host, self.storage) + extra)
        self._server: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._server = serve(self._config)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        pytest.fail("the registry did not start")

    def kill(self) -> None:
        """End it as a crash does."""
        if self._server:
            self._server.kill()
            self._server.wait()
            self._server = None


def configuration(host: str, storage: Path) -> str:
    """The registry's configuration (YAML) for this address and folder."""
    return (
        f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{host}'}}\n"
        f"storage: {{filesystem: {{rootdirectory: {storage}}}}}\n"
    )


def serve(config: Path, prefix: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start docker-registry; `prefix` starts it elsewhere (in a network namespace)."""
    command = [*prefix, "docker-registry", "serve", str(config)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[LocalRegistry]:
    found = LocalRegistry(tmp_path)
    yield found
    found.kill()
