"""Engines of their own for a test: a second dockerd on another socket, and sshd in front of an engine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

OWN = "unix:///var/run/docker.sock"


class SecondEngine:
    """A real dockerd that shares nothing with the machine's own but the kernel.

    `prefix` starts it elsewhere (in a network namespace), `flags` are more of its options.
    """

    def __init__(self, folder: Path, prefix: Sequence[str] = (), flags: Sequence[str] = ()) -> None:
        self._folder, self._prefix, self._flags = folder, prefix, flags
        self.host = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again with what it had; returns when it answers."""
        folder = self._folder
        for stale in folder.glob("*.pid"):
            stale.unlink()
        words = [*self._prefix, "dockerd", "-H", self.host, "--pidfile", f"{folder}/docker.pid", *self._flags]
        words += ["--data-root", f"{folder}/root", "--exec-root", f"{folder}/exec"]
        words += [
            "--bridge=none",
            "--iptables=false",
            "--ip-masq=false",
        ]  # the machine's own engine has those
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        for _ in range(120):
            if self.docker("info").returncode == 0:
                return
            time.sleep(0.25)
        raise AssertionError((folder / "log").read_text()[-2000:])

    def docker(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Docker's own client on it."""
        return subprocess.run(["docker", "-H", self.host, *words], capture_output=True, text=True)

    def kill(self) -> None:
        """Kill it and all that it started, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        theirs = f"^[^ ]*containerd.*{self._folder}/"  # not whoever merely names our socket
        found = subprocess.run(["pgrep", "-f", theirs], capture_output=True, text=True)
        for pid in found.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.5)

    def remove(self) -> None:
        """Kill it and delete what it kept."""
        self.kill()
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            if str(self._folder) in line:
                subprocess.run(["umount", "-l", line.split()[1]], capture_output=True)
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def second_engine(
    folder: Path, prefix: Sequence[str] = (), flags: Sequence[str] = ()
) -> Iterator[SecondEngine]:
    """A second engine for the length of a test module; skips where none can be started."""
    if os.getuid() or not shutil.which("dockerd"):
        pytest.skip("starting a second engine needs root and dockerd")
    engine = SecondEngine(folder, prefix, flags)
    try:
        engine.start()
        yield engine
    finally:
        engine.remove()


@contextlib.contextmanager
def swarm(engine: SecondEngine, address: str) -> Iterator[str]:
    """A swarm that the engine manages; yields the id of its node."""
    started = engine.docker("swarm", "init", "--advertise-addr", address, "--listen-addr", address)
    assert started.returncode == 0, started.stderr
    try:
        yield engine.docker("node", "ls", "-q").stdout.strip()
    finally:
        engine.docker("swarm", "leave", "--force")


@contextlib.contextmanager
def ssh_server(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A real sshd on loopback; yields ssh://user@127.0.0.1:port and the PATH whose ssh knows the key."""
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if os.getuid() or not server:
        pytest.skip("needs root and Debian's openssh-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    (folder / "sshd.conf").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin prohibit-password\n"
    )
    (folder / "ssh.conf").write_text(
        f"Host *\n IdentityFile {folder}/user\n UserKnownHostsFile {folder}/known\n"
        " StrictHostKeyChecking no\n LogLevel ERROR\n"
    )
    (folder / "bin").mkdir()
    client = folder / "bin" / "ssh"
    client.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh.conf "$@"\n')
    client.chmod(0o755)
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([server, "-D", "-f", folder / "sshd.conf"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"ssh://root@127.0.0.1:{port}", {"PATH": f"{folder}/bin:{os.environ['PATH']}"}
    finally:
        process.terminate()
        process.wait()
