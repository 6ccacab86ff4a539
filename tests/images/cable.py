"""A connection to the engine, or of the engine to a registry, that a test can cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

Address = str | tuple[str, int]  # a unix socket's path, or host and port


class Cable:
    """A socket in front of another one that a test can cut.

    `sent` counts the bytes towards the target; `at` is (bytes, what to do when that many are sent).
    """

    def __init__(
        self, here: Path | Address, target: Address, at: tuple[int, Callable[[Cable], None]] | None = None
    ) -> None:
        self.sent = 0
        self._target = target
        self._at = at
        self._open: list[socket.socket] = []
        address = str(here) if isinstance(here, Path) else here
        self._listener = socket.socket(_family(address))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(address)
        self._listener.listen()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                theirs = socket.socket(_family(self._target))
                self._open += [ours, theirs]
                if theirs.connect_ex(self._target):  # nobody there (any more): say so, as the target would
                    self._end(ours)
                    continue
                for pair in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._pump, args=(*pair, pair[0] is ours), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counts: bool) -> None:
        try:
            while data := source.recv(65536):
                self.sent += len(data) if counts else 0
                if self._at and self.sent >= self._at[0]:
                    (_, act), self._at = self._at, None
                    act(self)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one end is gone: the other must hear of it, or it waits for ever
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

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


def _family(address: Address) -> socket.AddressFamily:
    return socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
