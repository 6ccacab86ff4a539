"""Chromium by its own protocol over a pipe (no port, no driver), FOR TESTS ONLY."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # seconds for an answer or an event


class Tab:
    """One page; `events` are all that the browser reported, as (method, parameters)."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._waiting = b""
        self._number = 0
        self._session = ""
        self.events: list[tuple[str, dict[str, Any]]] = []

    def attach(self) -> None:
        """Open a page and hear of all that it does."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come before it are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def wait(self, method: str, since: int) -> None:
        """Wait for an event of this name among those after the first `since`."""
        while method not in [name for name, _ in self.events[since:]]:
            self._next()

    def open(self, page: Path, width: int, height: int = 900) -> None:
        """Show a file in a viewport of this size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        since = len(self.events)
        self.call("Page.navigate", url=page.as_uri())
        self.wait("Page.loadEventFired", since)

    def value(self, script: str) -> Any:
        """Return what a script gives, as JSON; it counts as a deed of the reader."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key."""
        codes = {"Tab": 9, "ArrowRight": 39}
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=codes[key])

    def screenshot(self, target: Path, top: float = 0, height: float = 900) -> None:
        """Write a part of the page, whole in width, as PNG."""
        width = self.value("document.documentElement.clientWidth")
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        found = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        target.write_bytes(base64.b64decode(found["data"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            assert select.select([self._read], [], [], PATIENCE)[0], "the browser says nothing"
            more = os.read(self._read, 1 << 16)
            assert more, "the browser is gone"
            self._waiting += more
        line, _, self._waiting = self._waiting.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.events.append((message["method"], message["params"]))
        return message


@contextmanager
def tab(browser: str, flags: list[str], profile: Path) -> Iterator[Tab]:
    """Run a browser with a profile of its own; its commands come on descriptor 3, its answers on 4."""
    ours_in, theirs_out = os.pipe()
    theirs_in, ours_out = os.pipe()

    def place() -> None:
        commands, answers = os.dup(theirs_in), os.dup(theirs_out)
        os.dup2(commands, 3)
        os.dup2(answers, 4)

    command = [browser, *flags, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        command,
        preexec_fn=place,  # noqa: PLW1509 - one thread
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        opened = Tab(ours_out, ours_in)
        opened.attach()
        yield opened
    finally:
        process.terminate()
        process.wait(timeout=30)
        os.close(ours_in)
        os.close(ours_out)
