"""Download one file over HTTP: resumed where it stopped, believed only when its hash is the pinned one.

The bytes go to `<file>.partial`; `<file>.partial.json` beside it holds the server's validator (ETag or
date), so that a file which has changed meanwhile starts again instead of being glued to its predecessor.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import requests
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from bench.common import files
from bench.common.errors import ArtifactError
from bench.convert import publishers
from images.say import CONSOLE

ATTEMPTS = 5  # in a row without a new byte
PAUSE_S = 1.0  # before the second attempt, doubled before each further one
TIMEOUT_S = (10, 60)  # to connect, between two packets
AGAIN = {408, 425, 429, 500, 502, 503, 504}  # HTTP errors that may be gone at the next attempt
CHUNK = 1 << 20

Advance = Callable[[int, "int | None"], None]  # told the bytes that are here, and of how many


def fetch(url: str, target: Path, pin: str) -> Path:
    """Make sure that `target` is the file with this pin (see bench.convert.publishers), and return it.

    A file that is already there is only checked. Raises ArtifactError for content with another hash, an
    HTTP error, no network; OSError for a full disk. What was downloaded before an error or Ctrl-C is kept
    for the next time, unless its hash is wrong.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second run waits here, then finds the file
        if not target.exists():
            _download(_Partial(url, target), pin)
        else:
            try:
                publishers.check(target, pin)
            except ArtifactError as error:
                error.remedy = "delete it, and it is downloaded; or put the right one in its place"
                raise
    return target


class _TryAgain(Exception):  # noqa: N818 - no error yet
    """The server did not give what was asked, but may the next time."""


class _Partial:
    """The part of a file that is here, and of which version of the file it is."""

    def __init__(self, url: str, target: Path) -> None:
        self.url, self.target = url, target
        self.path = target.with_name(f"{target.name}.partial")
        self._facts = target.with_name(f"{target.name}.partial.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def headers(self) -> dict[str, str]:
        """Ask for the rest if the file is still the same one, else for all of it."""
        identity = {"Accept-Encoding": "identity"}  # bytes are counted as they are on the disk
        try:
            facts = json.loads(self._facts.read_text(encoding="utf-8"))
            validator = facts["validator"] if facts["url"] == self.url else ""
        except (OSError, ValueError, KeyError, TypeError):
            validator = ""
        if not validator or not self.size:
            return identity
        return {**identity, "Range": f"bytes={self.size}-", "If-Range": validator}

    def take(self, answer: requests.Response, start: int) -> Iterator[int]:
        """Write an answer's bytes from `start` on; yields how many bytes are here."""
        validator = answer.headers.get("ETag", "")
        if not validator or validator.startswith("W/"):  # a weak one says nothing about bytes
            validator = answer.headers.get("Last-Modified", "")
        with self.path.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            stream.truncate()
            files.replace(self._facts, json.dumps({"url": self.url, "validator": validator}))
            for block in answer.iter_content(CHUNK):
                stream.write(block)
                yield stream.tell()

    def delete(self) -> None:
        self._facts.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give the file its name, once it is on the disk for good."""
        files.sync(self.path)
        self.path.chmod(0o644)  # a container reads it as another user
        self.path.replace(self.target)
        files.sync(self.target.parent)
        self._facts.unlink(missing_ok=True)


def _download(partial: _Partial, pin: str) -> None:
    by_hand = f"without a network, put the file at {partial.target}"
    failures, furthest = 0, partial.size
    with _bar(partial.target.name) as advance:
        while True:
            try:
                _attempt(partial, advance)
                break
            except (requests.exceptions.SSLError, requests.exceptions.TooManyRedirects) as error:
                raise ArtifactError(f"cannot download: {error}", where=partial.url, remedy=by_hand) from None
            except (_TryAgain, requests.RequestException) as error:
                failures = 1 if partial.size > furthest else failures + 1
                furthest = max(furthest, partial.size)
                if failures == ATTEMPTS or isinstance(error, ValueError):  # ValueError: not a URL
                    raise ArtifactError(
                        f"cannot download: {error}",
                        where=partial.url,
                        remedy=f"the same command goes on from byte {partial.size}; {by_hand}",
                    ) from None
                time.sleep(PAUSE_S * 2 ** (failures - 1))
    try:
        publishers.check(partial.path, pin)
    except ArtifactError as error:
        partial.delete()
        remedy = (
            "the publisher changed the file, or something on the way answered instead; "
            f"if you have the right file, put it at {partial.target}"
        )
        raise ArtifactError(error.message, where=partial.url, remedy=remedy) from None
    partial.finish()


def _attempt(partial: _Partial, advance: Advance) -> None:
    """Ask once for what is missing; returns when all of it is here, raises for everything else."""
    headers = partial.headers()
    with requests.get(partial.url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
        start, total = _span(answer)
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            if total == partial.size:
                return  # nothing is missing
            partial.delete()
            raise _TryAgain("the server has another file than before")
        if answer.status_code in AGAIN:
            raise _TryAgain(f"HTTP {answer.status_code} {answer.reason}")
        if answer.status_code not in (requests.codes.ok, requests.codes.partial_content):
            raise ArtifactError(
                f"cannot download: HTTP {answer.status_code} {answer.reason}",
                where=partial.url,
                remedy=f"if you have the file, put it at {partial.target}",
            )
        if start not in (0, partial.size):
            partial.delete()
            raise _TryAgain(f"asked for bytes from {partial.size}, was sent bytes from {start}")
        here = start
        advance(here, total)
        for here in partial.take(answer, start):
            advance(here, total)
        if total is not None and here != total:
            raise _TryAgain(f"the connection ended after {here} of {total} bytes")


def _span(answer: requests.Response) -> tuple[int, int | None]:
    """Return an answer's first byte and the size of the whole file, None if the server does not say."""
    if "Content-Range" in answer.headers:
        found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", answer.headers["Content-Range"])
        if not found:
            raise _TryAgain(f"Content-Range: {answer.headers['Content-Range']!r}")
        return int(found[1] or 0), int(found[2]) if found[2] else None
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


@contextlib.contextmanager
def _bar(name: str) -> Iterator[Advance]:
    CONSOLE.print(f"  fetching {name}", highlight=False)
    columns = (
        TextColumn(" "),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=CONSOLE) as progress:
        task = progress.add_task(name, total=None)
        yield lambda here, total: progress.update(task, completed=here, total=total)
