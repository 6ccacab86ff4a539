"""Prepare specs, and artifacts with a few bytes in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.convert import formats
from bench.store import artifacts
from bench.store.recipes import Recipe


def make_spec(cache: Path, **changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "schema": 1,
        "cache": str(cache),
        "models": ["mobilenet_v2"],
        "weights": "probe",
        "dataset": "fashion-mnist",
        "arches": ["amd64"],
        "wanted": [
            {"format": name, "method": method}
            for name, declared in formats.declared().items()
            for method in declared.methods
        ],
        "lock": "0" * 64,
        "seed": 1,
        "maker": {"arch": "amd64", "lock": "0" * 64},
        "memory": {"room": 1 << 33, "needs": {}},
    }
    return {**spec, **changes}


def fake(cache: Path, recipe: Recipe, content: bytes = b"weights", **facts: Any) -> artifacts.Artifact:
    """Store an artifact with some content, as prepare does."""
    with artifacts.exclusive(cache), artifacts.workspace(cache, recipe) as directory:
        (directory / "model.bin").write_bytes(content + recipe.key.encode())
        return artifacts.store(cache, recipe, directory, {"versions": {}, "notes": [], **facts})
