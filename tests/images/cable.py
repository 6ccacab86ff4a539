"""A connection to the engine that a test can cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path


class Cable:
    """A socket in front of the engine's own that a test can cut."""

    def __init__(self, path: Path, target: str) -> None:
        self._target = target
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                theirs = socket.socket(socket.AF_UNIX)
                self._open += [ours, theirs]
                theirs.connect(self._target)
                for pair in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        self._end(self._listener)
        self._accepting.join(5)  # whatever connected before this is in `_open`
        for end in self._open:
            self._end(end)

    @staticmethod
    def _end(socket_: socket.socket) -> None:
        with contextlib.suppress(OSError):
            socket_.shutdown(socket.SHUT_RDWR)
        socket_.close()
