"""A table as Parquet, without a library: one row group, PLAIN encoding, no compression, nulls allowed.

The format's reference library is over 100 MB, more than the rest of the host together. Source: the Parquet
format (parquet.thrift) and Thrift's compact protocol. Read back with pyarrow and DuckDB when it was written.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

MAGIC = b"PAR1"
_BOOLEAN, _INT64, _DOUBLE, _BYTE_ARRAY = 0, 2, 5, 6  # parquet.thrift: Type
_TYPES = {"boolean": _BOOLEAN, "integer": _INT64, "number": _DOUBLE, "string": _BYTE_ARRAY}
_PLAIN, _RLE = 0, 3  # Encoding
_OPTIONAL, _UTF8 = 1, 0  # FieldRepetitionType, ConvertedType
_I32, _I64, _TEXT, _LIST, _STRUCT = 5, 6, 8, 9, 12  # Thrift's compact types

# A Thrift struct: (field id, type, value) in ascending order of ids; a list's value is (item type, items).
_Fields = Sequence[tuple[int, int, Any]]


def encode(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The file's bytes. `columns` maps a name to boolean, integer (64 bits), number or string.

    A value that is None, or missing in its row, is null.
    """
    body, chunks = bytearray(MAGIC), []
    for name, kind in columns.items():
        page = _page(kind, [row.get(name) for row in rows])
        described: _Fields = (
            (1, _I32, _TYPES[kind]),
            (2, _LIST, (_I32, [_PLAIN, _RLE])),
            (3, _LIST, (_TEXT, [name])),
            (4, _I32, 0),  # codec: uncompressed
            (5, _I64, len(rows)),
            (6, _I64, len(page)),
            (7, _I64, len(page)),
            (9, _I64, len(body)),
        )
        chunks.append(((2, _I64, len(body)), (3, _STRUCT, described)))
        body += page
    root: _Fields = ((4, _TEXT, "rows"), (5, _I32, len(columns)))
    group: _Fields = ((1, _LIST, (_STRUCT, chunks)), (2, _I64, len(body) - len(MAGIC)), (3, _I64, len(rows)))
    footer = _struct(
        (
            (1, _I32, 1),  # version
            (2, _LIST, (_STRUCT, [root, *(_column(name, kind) for name, kind in columns.items())])),
            (3, _I64, len(rows)),
            (4, _LIST, (_STRUCT, [group])),
            (6, _TEXT, "edgequant"),
        )
    )
    return bytes(body) + footer + struct.pack("<I", len(footer)) + MAGIC


def _column(name: str, kind: str) -> _Fields:
    element: _Fields = ((1, _I32, _TYPES[kind]), (3, _I32, _OPTIONAL), (4, _TEXT, name))
    return (*element, (6, _I32, _UTF8)) if kind == "string" else element


def _page(kind: str, values: Sequence[Any]) -> bytes:
    """One data page: which values are there (definition levels), then those that are."""
    levels = bytearray()
    for there, run in groupby(value is not None for value in values):
        levels += _varint(len(list(run)) << 1) + bytes([there])
    data = struct.pack("<I", len(levels)) + levels + _plain(kind, [v for v in values if v is not None])
    header: _Fields = ((1, _I32, len(values)), (2, _I32, _PLAIN), (3, _I32, _RLE), (4, _I32, _RLE))
    return _struct(((1, _I32, 0), (2, _I32, len(data)), (3, _I32, len(data)), (5, _STRUCT, header))) + data


def _plain(kind: str, values: Sequence[Any]) -> bytes:
    if kind == "boolean":
        bits = sum(1 << place for place, value in enumerate(values) if value)
        return bits.to_bytes(-(-len(values) // 8), "little")
    if kind == "integer":
        return struct.pack(f"<{len(values)}q", *values)
    if kind == "number":
        return struct.pack(f"<{len(values)}d", *values)
    texts = [value.encode() for value in values]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def _struct(fields: _Fields) -> bytes:
    """A struct in Thrift's compact protocol; every field id is less than 16 above the one before."""
    found, last = bytearray(), 0
    for number, kind, value in fields:
        found.append((number - last) << 4 | kind)
        found += _value(kind, value)
        last = number
    return bytes(found) + b"\0"


def _value(kind: int, value: Any) -> bytes:
    if kind == _STRUCT:
        return _struct(value)
    if kind == _TEXT:
        text: bytes = value.encode()
        return _varint(len(text)) + text
    if kind == _LIST:
        item, items = value
        short = len(items) < 15
        head = bytes([(len(items) if short else 15) << 4 | item]) + (b"" if short else _varint(len(items)))
        return head + b"".join(_value(item, one) for one in items)
    return _varint(value << 1 if value >= 0 else ~(value << 1))  # zigzag


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
