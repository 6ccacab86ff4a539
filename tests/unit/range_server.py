"""A web server on this machine that serves one file, and misbehaves as told."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any


@dataclass
class Site:
    """What is served, how, and what was asked for."""

    content: bytes
    etag: str = '"one"'
    modified: str = ""
    ranges: bool = True
    #: bytes of its body that each answer sends before the connection breaks; answers after them are whole
    breaks: list[int] = field(default_factory=list)
    #: HTTP errors that come before the first proper answer
    errors: list[int] = field(default_factory=list)
    #: where the first answer waits for `go`
    hold: int | None = None
    go: Event = field(default_factory=Event)
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        site.asked.append(dict(self.headers.items()))
        self.close_connection = True
        with contextlib.suppress(ConnectionError):  # the client may leave
            self._answer(site)

    def _answer(self, site: Site) -> None:
        if site.errors:
            self.send_response(site.errors.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = self._start(site)
        body = site.content[start:]
        size = len(site.content)
        if start >= size > 0 and start:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            body = b""
        elif start:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        else:
            self.send_response(200)
        for name, value in (("ETag", site.etag), ("Last-Modified", site.modified)):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        count = site.breaks.pop(0) if site.breaks else len(body)
        if site.hold is not None:
            self.wfile.write(body[: site.hold])
            body, count, site.hold = body[site.hold :], count - site.hold, None
            site.go.wait(20)
        self.wfile.write(body[:count])
        if count < len(body):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    def _start(self, site: Site) -> int:
        asked, same = self.headers.get("Range", ""), self.headers.get("If-Range", "")
        if not site.ranges or not asked or same not in (site.etag, site.modified):
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server uses
        """Say nothing."""


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    """Serve until the end of the block; `site.url` is where."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.site = site  # type: ignore[attr-defined]
    site.url = f"http://127.0.0.1:{server.server_address[1]}/net-abcd.pth"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
