"""The one table needed of the ILSVRC2012 devkit's `meta.mat`: which wnid each ILSVRC2012_ID is.

The ground truth speaks of ids whose order is not that of the wnids, and only this MATLAB file connects
them. The host lists a dataset without SciPy, so this reads as much of level 5 of the format as the table
takes ("MAT-File Format", The MathWorks; a file is a header and elements, an element a type, a size and
data padded to 8 bytes). Standard library only.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.common.errors import ArtifactError
from bench.data.labels import CLASSES

WNID = re.compile(r"n[0-9]{8}")

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15  # element types that hold elements
#: Element types that hold numbers, as struct names them. Text is stored as numbers, too.
_NUMBERS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q", 16: "B"}
_STRUCT = 2  # a matrix's class, in the low byte of its flags


def wnids(path: Path) -> dict[int, str]:
    """Return the wnid of every ILSVRC2012_ID, 1 .. 1000. Raises ArtifactError for any other file."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read: {error}", where=str(path)) from error
    try:
        found = _synsets(raw)
        if sorted(found) != list(range(1, CLASSES + 1)) or len(set(found.values())) < CLASSES:
            raise ValueError(f"{len(found)} classes with ids 1 to {CLASSES}, expected each once")
    except (ValueError, LookupError, OverflowError, StopIteration, struct.error, zlib.error) as error:
        raise ArtifactError(
            f"not the devkit's meta.mat: {error or 'the file ends too early'}",
            where=str(path),
            remedy="take it from ILSVRC2012_devkit_t12.tar.gz, or use a val_map.txt",
        ) from error
    return found


class _Element(NamedTuple):
    kind: int
    data: bytes


def _synsets(raw: bytes) -> dict[int, str]:
    """Find the struct array `synsets`; ids above 1000 are inner nodes of WordNet, no classes."""
    order = {b"IM": "<", b"MI": ">"}.get(raw[126:128])
    if order is None:
        raise ValueError("no MATLAB 5 header")
    for element in _elements(raw[_HEADER:], order):
        packed = element.kind == _COMPRESSED
        matrix = next(_elements(zlib.decompress(element.data), order)) if packed else element
        if matrix.kind != _MATRIX:
            continue
        parts = _elements(matrix.data, order)
        flags, _, name = (next(parts, _Element(0, b"")) for _ in range(3))
        if name.data == b"synsets" and int(_numbers(flags, order)[0]) & 0xFF == _STRUCT:
            return _ids(parts, order)
    raise ValueError("no struct named synsets")


def _ids(parts: Iterator[_Element], order: str) -> dict[int, str]:
    """Read a struct array's fields: their width, their names, then each record's values in turn."""
    width, names = next(parts), next(parts)
    step = int(_numbers(width, order)[0])
    if step < 1:
        raise ValueError(f"field names {step} bytes wide")
    fields = [
        names.data[start : start + step].rstrip(b"\0").decode() for start in range(0, len(names.data), step)
    ]
    identity, wnid = fields.index("ILSVRC2012_ID"), fields.index("WNID")
    values = list(parts)
    found = {}
    for start in range(0, len(values), len(fields)):
        number = int(_value(values[start + identity], order)[0])
        text = "".join(chr(int(code)) for code in _value(values[start + wnid], order))
        if not WNID.fullmatch(text):
            raise ValueError(f"{text!r} is no wnid")
        if number <= CLASSES:
            if number in found:
                raise ValueError(f"the id {number} twice")
            found[number] = text
    return found


def _value(matrix: _Element, order: str) -> tuple[float, ...]:
    """The numbers of a matrix, or its text's codes: the element after flags, sizes and name."""
    if matrix.kind != _MATRIX:
        raise ValueError(f"an element of type {matrix.kind} where a matrix must be")
    return _numbers(list(_elements(matrix.data, order))[3], order)


def _numbers(element: _Element, order: str) -> tuple[float, ...]:
    code = _NUMBERS[element.kind]
    return struct.unpack(f"{order}{len(element.data) // struct.calcsize(order + code)}{code}", element.data)


def _elements(data: bytes, order: str) -> Iterator[_Element]:
    """Split data into elements. One of at most 4 bytes may have its size and data in its tag."""
    at = 0
    while at < len(data):
        (tag,) = struct.unpack_from(f"{order}I", data, at)
        if tag >> 16:
            kind, size, start, end = tag & 0xFFFF, tag >> 16, at + 4, at + 8
            if size > 4:
                raise ValueError(f"a small element of {size} bytes")
        else:
            (size,) = struct.unpack_from(f"{order}I", data, at + 4)
            kind, start = tag, at + 8
            end = start + size if kind == _COMPRESSED else start + size + -size % 8
        if start + size > len(data):
            raise ValueError("the file is cut off")
        yield _Element(kind, data[start : start + size])
        at = end
