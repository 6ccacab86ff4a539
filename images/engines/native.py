"""Engine `native`: the same wheels and the same bench in a subprocess, for machines without Docker.

What a container gives and a process does not: there is no network or file system isolation. The
memory limit is watched (resident size, twice a second), not enforced: an address-space limit
would stop frameworks that reserve far more than they touch.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.common.errors import EngineError
from bench.device import system
from bench.plan.matrix import Matrix
from images.engines import machine
from images.engines.endings import explain, out_of_memory, out_of_time
from images.engines.engine import LaunchResult, Mount, Ready, Request
from images.engines.streams import Lines, OnLine, tail
from images.making import lock as locks
from images.making.bytecode import image_python
from images.making.wheelhouse import ensure_site, site_of
from images.workspace import PYTHON, Say, Workspace

POLL_S = 0.5
PR_SET_PDEATHSIG = 1


class NativeEngine:
    """Subprocesses of this machine's own Python 3.11."""

    kind = "native"
    remote = takes_series = False
    host = ""

    def __init__(self, matrix: Matrix, workspace: Workspace, reason: str) -> None:
        if not system.is_linux():
            raise EngineError(
                f"engine native needs Linux, and this is {system.name()}",
                where=reason,
                remedy="start Docker Desktop and use --engine docker: it brings a Linux that measures; "
                "or name a Linux machine's engine, as in --host ssh://pi@raspberrypi",
            )
        python = image_python()
        if not python:
            raise EngineError(
                f"engine native needs CPython {PYTHON}, which is not on this machine",
                remedy=f"install python{PYTHON}, or Docker and use --engine docker",
            )
        self.reason = reason
        self._python = python
        self._matrix = matrix
        self._workspace = workspace

    def describe(self) -> dict[str, str]:
        """Return kind, C library, architecture, kernel and why it was chosen."""
        return {
            "kind": self.kind,
            "why": self.reason,
            "version": f"CPython {PYTHON}",
            "libc": " ".join(platform.libc_ver()),
            "arch": machine.local().arch,
            "kernel": platform.release(),
        }

    def machine(self) -> machine.Machine:
        """Return this machine."""
        return machine.local()

    def alive(self) -> bool:
        """Return True: processes can always be started."""
        return True

    def build(self, arch: str, names: Sequence[str], progress: Say) -> list[Ready]:
        """Unpack every image's wheels; nothing else is needed."""
        self._check_arch(arch)
        made = []
        for name in names:
            started = time.monotonic()
            before = self.ready(name, arch)
            image, snapshot = self._matrix.images[name], self._matrix.base.snapshot
            ensure_site(self._workspace, name, image, arch, snapshot, progress)
            after = self.ready(name, arch)
            assert after is not None
            made.append(
                Ready(
                    name,
                    arch,
                    after.title,
                    after.digest,
                    after.size,
                    time.monotonic() - started,
                    cached=before is not None,
                )
            )
        return made

    def ready(self, name: str, arch: str) -> Ready | None:
        """Return the unpacked wheels of this image, None if there are none for its lock."""
        site = site_of(self._workspace, name, self._matrix.images[name], arch)
        if not site.is_dir():
            return None
        digest = locks.read(self._workspace.lock(name, arch)).digest
        return Ready(name, arch, site.name, f"lock:{digest}", 0, 0.0, True)

    def path(self, host: Path, mounts: Sequence[Mount]) -> str:
        """Return the path itself: a process sees the host."""
        return str(host.resolve())

    def launch(self, request: Request, on_line: OnLine) -> LaunchResult:
        """Run one process to its end; see Engine.launch."""
        self._check_arch(request.arch)
        site = site_of(self._workspace, request.image, self._matrix.images[request.image], request.arch)
        if not site.is_dir():
            raise EngineError(f"there is no environment for {request.image}", remedy="invoke build")
        with tempfile.TemporaryDirectory(prefix="edgequant-") as home:
            environment = {
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "LANG": "C.UTF-8",
                "HOME": home,
                "TMPDIR": home,
                "PYTHONPATH": f"{site}{os.pathsep}{self._workspace.root}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUNBUFFERED": "1",
                **_emulation(request),
                **request.env,
            }
            process = subprocess.Popen(
                [self._python, "-s", "-S", "-m", "bench", *request.argv],
                cwd=home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                preexec_fn=_child(request.cpus),  # noqa: PLW1509 (makes two system calls only)
            )
            return _follow(process, request, on_line)

    def remove_stale(self) -> int:
        """Do nothing: a process dies with the run that started it."""
        return 0

    def _check_arch(self, arch: str) -> None:
        own = machine.local().arch
        if arch != own:
            raise EngineError(
                f"engine native runs on {own} only, and cannot emulate {arch}",
                remedy="use --engine docker, with QEMU for a foreign architecture",
            )


def _emulation(request: Request) -> dict[str, str]:
    """QEMU's CPU model for a process that it runs: the platform's, else the one that runs this process."""
    model = request.emulate_cpu or os.environ.get("QEMU_CPU", "")
    return {"QEMU_CPU": model} if model else {}


def _child(cpus: Sequence[int] | None) -> Callable[[], None]:
    """Return what the new process does before it becomes Python: pin itself, and die with us."""
    libc = ctypes.CDLL(None)  # loaded here: after a fork only system calls are safe

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if cpus:
            os.sched_setaffinity(0, cpus)

    return prepare


def _follow(process: subprocess.Popen[bytes], request: Request, on_line: OnLine) -> LaunchResult:
    """Read a process to its end, within its time and memory; leave nothing of it behind."""
    started = time.monotonic()
    killed = ""
    over = threading.Event()
    errors = tail()

    def watch() -> None:
        nonlocal killed
        while not over.wait(POLL_S):
            if time.monotonic() - started > request.timeout_s:
                killed = out_of_time(request.timeout_s)
            elif request.memory_bytes and _resident(process.pid) > request.memory_bytes:
                killed = out_of_memory(request.memory_bytes)
            if killed:
                _kill(process)
                return

    assert process.stdout is not None
    assert process.stderr is not None
    helpers = [
        threading.Thread(target=watch),
        threading.Thread(target=_copy, args=(process.stderr, errors.append)),
    ]
    for helper in helpers:
        helper.start()
    try:
        _copy(process.stdout, on_line)
        code = process.wait()
    finally:
        over.set()
        _kill(process)  # a child of the bench may still hold our pipes
        process.wait()
        for helper in helpers:
            helper.join()
        process.stdout.close()
        process.stderr.close()
    return LaunchResult(
        code,
        killed or explain(code, request.on(machine.local())),
        "\n".join(errors),
        time.monotonic() - started,
    )


def _copy(pipe: object, on_line: OnLine) -> None:
    lines = Lines(on_line)
    while data := os.read(pipe.fileno(), 65536):  # type: ignore[attr-defined]
        lines.feed(data)
    lines.end()


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _resident(pid: int) -> int:
    """Return the resident memory of a process in bytes, 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
