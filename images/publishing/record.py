"""TOML records that the kit writes and reads back: published.toml and the set.toml of a published set.

The standard library reads TOML and does not write it. A record is read as strictly as matrix.toml: a key
that nobody knows is one error with file, table, key and value.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from bench.common.errors import KitError, MatrixError
from bench.plan.tables import Place, read

T = TypeVar("T")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(document: Mapping[str, Any], comment: str) -> str:
    """Return a document of strings, integers, booleans, their lists, tables and lists of tables as TOML.

    Keys are sorted, values before tables, so that the same content gives the same bytes.
    """
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return head + "\n" + "\n\n".join(_table(document, ())) + "\n"


def load(cls: type[T], path: Path, error: type[KitError], remedy: str) -> T:
    """Read a record; raises `error` for a missing, damaged or wrong file. `cls` is a dataclass."""
    try:
        return read(cls, tomllib.loads(path.read_text(encoding="utf-8")), Place(str(path)))
    except FileNotFoundError:
        raise error("no such file", where=str(path), remedy=remedy) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise error(f"not TOML: {problem}", where=str(path), remedy=remedy) from None
    except MatrixError as problem:
        raise error(problem.message, where=problem.where, remedy=problem.remedy or remedy) from None


def _table(table: Mapping[str, Any], path: tuple[str, ...], brackets: str = "[]") -> Iterator[str]:
    """Yield a table and those under it, each as one block of lines."""
    plain = {key: value for key, value in sorted(table.items()) if not _nested(value)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    if path and (lines or brackets == "[[]]" or not table):
        half = len(brackets) // 2
        lines.insert(0, brackets[:half] + ".".join(map(_key, path)) + brackets[half:])
    if lines:
        yield "\n".join(lines)
    for key, value in sorted(table.items()):
        if isinstance(value, Mapping):
            yield from _table(value, (*path, key))
        elif _nested(value):
            for row in value:
                yield from _table(row, (*path, key), "[[]]")


def _nested(value: object) -> bool:
    rows = isinstance(value, (list, tuple)) and bool(value) and isinstance(value[0], Mapping)
    return rows or isinstance(value, Mapping)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):  # JSON's strings are TOML's, but for one control character
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)
