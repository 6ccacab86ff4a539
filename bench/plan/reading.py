"""matrix.toml read and checked, and its JSON schema."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.common.errors import MatrixError
from bench.plan import consistency
from bench.plan.matrix import Matrix
from bench.plan.tables import Place, read, schema


def load(path: Path) -> Matrix:
    """Read and validate `path`; raise MatrixError naming file, table, key and value."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MatrixError("no such file", where=str(path), remedy="run from a checkout") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MatrixError(f"not TOML: {error}", where=str(path)) from None
    return parse(data, path.name)


def parse(data: Mapping[str, Any], file: str = "matrix.toml") -> Matrix:
    """Validate an already parsed matrix; `file` is only used in messages."""
    matrix = read(Matrix, data, Place(file))
    consistency.check(matrix, file)
    images = {
        name: replace(
            image,
            exclude=matrix.wheels.exclude + image.exclude,
            indexes={**matrix.wheels.indexes, **image.indexes},
        )
        for name, image in matrix.images.items()
    }
    return replace(matrix, images=images)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of matrix.toml for editors.

    References between tables cannot be said in it; `load` checks them.
    """
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema(Matrix)}
