"""A road to an engine behind ssh: OpenSSH forwards that machine's Docker socket to one of ours.

The user's own ssh, with its configuration, agent and known hosts; the other machine needs sshd and an
engine, no Docker client. `ssh://user@name:port/path/of/docker.sock`, path and port left out as usual.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.common.errors import EngineError, UsageError
from bench.device import system

SOCKET = "/var/run/docker.sock"
PATIENCE_S = 60.0  # a passphrase may have to be typed
PR_SET_PDEATHSIG = 1
OPTIONS = (
    "-o", "ExitOnForwardFailure=yes", "-o", "ConnectTimeout=20",
    "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3",  # a dead network ends the tunnel
)  # fmt: skip


def command(host: str, ours: Path) -> list[str]:
    """Return the ssh command that forwards the socket of `host` to `ours`; UsageError for another form."""
    try:
        where = urlsplit(host)
        port = where.port
        name = "" if where.scheme != "ssh" or where.password or where.query else where.hostname
    except ValueError:  # a port that is no number, an unclosed bracket
        name = ""
    if not name:
        raise UsageError(f"{host!r} is not ssh://user@name[:port][/docker.sock]", where="--host")
    forward = f"{ours}:{where.path if len(where.path) > 1 else SOCKET}"
    words = ["ssh", "-N", "-T", *OPTIONS, "-L", forward]
    words += ["-l", where.username] if where.username else []
    words += ["-p", str(port)] if port else []
    return [*words, "--", name]


def open_to(host: str) -> str:
    """Open a tunnel that lasts as long as this process; return the address of our end (unix://...).

    Raises EngineError with ssh's own words.
    """
    if not shutil.which("ssh"):
        raise EngineError(
            "there is no ssh on this machine", where=host, remedy="install OpenSSH's client (openssh-client)"
        )
    folder = tempfile.mkdtemp(prefix="edgequant-ssh-")  # only this user may enter it
    ours = Path(folder, "docker.sock")
    libc = ctypes.CDLL(None)  # loaded here: after a fork only system calls are safe

    dies_with_us = system.is_linux()  # macOS has no such call: there a killed run leaves its ssh behind

    def prepare() -> None:
        if dies_with_us:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is ours: containers must still be removed

    process = subprocess.Popen(
        command(host, ours),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,  # noqa: PLW1509 (makes two system calls only)
    )
    atexit.register(_close, process, folder)
    deadline = time.monotonic() + PATIENCE_S
    while not ours.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            _close(process, folder)
            told = process.stderr.read().strip() if process.stderr else ""
            raise EngineError(
                f"ssh does not get there: {told or 'no answer'}",
                where=host,
                remedy=f"try `ssh {urlsplit(host).netloc} true` first",
            )
        time.sleep(0.05)
    return f"unix://{ours}"


def _close(process: subprocess.Popen[str], folder: str) -> None:
    with contextlib.suppress(OSError):
        process.terminate()
        process.wait(5)
    shutil.rmtree(folder, ignore_errors=True)
