"""Folders of photographs and the devkit's files, as small as they can be."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

#: As many wnids as ImageNet has classes; ascending, as real ones are not in the devkit.
WNIDS = tuple(f"n{10_000_000 + 37 * index}" for index in range(1000))


def touch(root: Path, files: Mapping[str, int]) -> Path:
    """Make files of these sizes (their content is no image) and the folders they are in."""
    for name, size in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(bytes(size))
    return root


def ilsvrc(root: Path, base: str, count: int) -> list[str]:
    """Make `count` images with ILSVRC's names in `base`; return the names."""
    names = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, count + 1)]
    touch(root / base, {name: 10 + position for position, name in enumerate(names)})
    return names


def meta_mat(wnids: Mapping[int, str], *, packed: bool = True, order: str = "<") -> bytes:
    """Write a MATLAB 5 file with the devkit's table: a struct array with an id, a wnid and words."""

    def element(kind: int, data: bytes) -> bytes:
        if len(data) <= 4:  # in its tag, as MATLAB writes it
            return struct.pack(f"{order}I", len(data) << 16 | kind) + data.ljust(4, b"\0")
        return struct.pack(f"{order}II", kind, len(data)) + data + bytes(-len(data) % 8)

    def matrix(kind: int, sizes: Sequence[int], name: bytes, *rest: bytes) -> bytes:
        head = element(6, struct.pack(f"{order}II", kind, 0))
        return element(
            14, b"".join((head, element(5, struct.pack(f"{order}2i", *sizes)), element(1, name), *rest))
        )

    def text(words: str) -> bytes:
        return matrix(
            4, (1, len(words)), b"", element(4, struct.pack(f"{order}{len(words)}H", *words.encode()))
        )

    fields = ("ILSVRC2012_ID", "WNID", "words")
    names = b"".join(name.encode().ljust(15, b"\0") for name in fields)
    records = b""
    for identity, wnid in wnids.items():
        records += matrix(6, (1, 1), b"", element(4, struct.pack(f"{order}H", identity)))
        records += text(wnid) + text("a word")
    table = matrix(
        2, (len(wnids), 1), b"synsets", element(5, struct.pack(f"{order}i", 15)), element(1, names), records
    )
    other = matrix(6, (1, 1), b"version", element(9, struct.pack(f"{order}d", 12)))
    if packed:
        squeezed = [zlib.compress(part) for part in (other, table)]
        body = b"".join(struct.pack(f"{order}II", 15, len(part)) + part for part in squeezed)
    else:
        body = other + table
    mark = b"IM" if order == "<" else b"MI"
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", 0x0100) + mark + body
