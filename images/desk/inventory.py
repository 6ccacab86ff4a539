"""What `invoke images` prints: what the engine has of the kit's images, and what a push would weigh.

A push sends each layer gzipped, once, whoever shares it. The engine does not know those sizes before
a push, so they are measured: the engine's own export of an image, layer by layer, through gzip at its
default level, as `docker push` compresses (Go's gzip comes out up to 3 % larger than zlib's here). A layer
is measured once: its digest says its content, and .cache/layers.json keeps the figure.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich import box
from rich.progress import track
from rich.table import Table

from bench.common import files
from bench.common.errors import UsageError
from images.choosing.session import Session
from images.engines.docker.build import tag_of, up_to_date
from images.engines.docker.engine import DockerEngine
from images.engines.docker.ground import find
from images.engines.docker.sdk import speaking
from images.making.bench_files import PREPARE
from images.making.tarball import CHUNK
from images.say import CONSOLE
from images.workspace import Workspace, size

if TYPE_CHECKING:
    from docker.models.images import Image as EngineImage

VERSION = "edgequant.version."
REPLACED = "another build may have replaced it: run the same command again, what was weighed is kept"
GZIP = 16 + zlib.MAX_WBITS  # zlib's word for a gzip header and trailer


def show(session: Session, *, weigh: bool, as_json: bool) -> None:
    """Print the images of this platform's architecture; `weigh` measures what is not yet known."""
    engine = session.workbench.engine
    if not isinstance(engine, DockerEngine):
        raise UsageError(
            f"engine {engine.kind} has environments, not images: {engine.reason}", where="invoke images"
        )
    frameworks = session.matrix.frameworks
    wanted = {frameworks[name].image for name in session.filters.frameworks or frameworks} | {PREPARE}
    names = [
        name
        for name, image in session.matrix.images.items()
        if name in wanted and session.arch in image.arches
    ]
    images = {name: find(engine.client, tag_of(name, session.arch)) for name in names}
    known = _known(session.workspace)
    if weigh:
        known = _weigh(session.workspace, [image for image in images.values() if image], known)
    rows = [_row(session, engine, name, image, known) for name, image in images.items()]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    CONSOLE.print(table(rows, f"Images for {session.platform}, {session.arch}"))
    if any(row["built"] and row["pushed_bytes"] is None for row in rows):
        CONSOLE.print("pushed: `invoke images --weigh` measures what is not known yet, about 30 s a GB")


def _row(
    session: Session, engine: DockerEngine, name: str, image: EngineImage | None, known: Mapping[str, int]
) -> dict[str, Any]:
    """Return the facts about one image; sizes in bytes, `pushed_bytes` None where it is not known."""
    row: dict[str, Any] = {"name": name, "arch": session.arch, "tag": tag_of(name, session.arch)}
    if image is None:
        return {**row, "built": False}
    layers = [
        {"digest": layer, "pushed_bytes": known.get(layer)} for layer in image.attrs["RootFS"]["Layers"]
    ]
    sizes = [layer["pushed_bytes"] for layer in layers]
    return {
        **row,
        "built": True,
        "up_to_date": up_to_date(session.matrix, session.arch, name, engine.client, session.workspace),
        "id": str(image.id),
        "bytes": image.attrs["Size"],
        "pushed_bytes": None if None in sizes else sum(sizes),
        "layers": layers,
        "versions": {
            label.removeprefix(VERSION): value
            for label, value in sorted(image.labels.items())
            if label.startswith(VERSION)
        },
        "revision": image.labels.get("org.opencontainers.image.revision", ""),
    }


def table(rows: list[dict[str, Any]], title: str) -> Table:
    """Lay the rows out within 80 columns; an image with several frameworks takes several lines."""
    table = Table(
        "image",
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        collapse_padding=True,
    )
    for head in ("size", "pushed", "layers"):
        table.add_column(head, justify="right")
    for head in ("id", "version", "state"):
        table.add_column(head)
    for row in rows:
        if not row["built"]:
            table.add_row(row["name"], "", "", "", "", "", "not built")
            continue
        versions = row["versions"]
        words = [v if len(versions) == 1 else f"{package}\n  {v}" for package, v in versions.items()]
        table.add_row(
            row["name"],
            size(row["bytes"]),
            "?" if row["pushed_bytes"] is None else size(row["pushed_bytes"]),
            str(len(row["layers"])),
            row["id"].removeprefix("sha256:")[:12],
            "\n".join(words),
            "current" if row["up_to_date"] else "outdated",
        )
    return table


def _store(workspace: Workspace) -> Path:
    return workspace.cache / "layers.json"


def _known(workspace: Workspace) -> dict[str, int]:
    """Return the compressed size in bytes of every layer that was measured, by digest."""
    try:
        found: dict[str, int] = json.loads(_store(workspace).read_text())
    except FileNotFoundError:
        return {}
    return found


def _weigh(workspace: Workspace, images: list[EngineImage], known: dict[str, int]) -> dict[str, int]:
    """Measure the layers of `images` that are not in `known`; return all, which the cache keeps."""
    for image in track(images, "compressing layers", transient=True):
        missing = set(image.attrs["RootFS"]["Layers"]) - set(known)
        if missing:
            with speaking(f"{', '.join(image.tags) or image.id} cannot be exported", REPLACED):
                known = {**known, **measure(image.save(chunk_size=CHUNK), missing)}
            files.replace(_store(workspace), json.dumps(known, indent=1, sort_keys=True))
    return known


def measure(export: Iterator[bytes], wanted: set[str]) -> dict[str, int]:
    """Return the gzipped size of the `wanted` layers in an engine's export of an image, by digest.

    Layers are recognised by their content, since engines name them differently in the archive.
    """
    found = {}
    with tarfile.open(fileobj=io.BufferedReader(_Stream(export)), mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content and member.size >= tarfile.BLOCKSIZE:
                digest, compressed = _compress(content)
                if digest in wanted:
                    found[digest] = compressed
    return found


def _compress(content: IO[bytes]) -> tuple[str, int]:
    """Return a file's digest and how many bytes gzip makes of it."""
    digest, gzip, total = hashlib.sha256(), zlib.compressobj(wbits=GZIP), 0
    while chunk := content.read(CHUNK):
        digest.update(chunk)
        total += len(gzip.compress(chunk))
    return f"sha256:{digest.hexdigest()}", total + len(gzip.flush())


class _Stream(io.RawIOBase):
    """A readable file over the pieces of a response."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
