"""Fixtures: a run in this checkout, and a checkout with another matrix."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkout import ROOT, Kit

CODE = ("tasks.py", "invoke.yaml", "matrix.toml", "pyproject.toml", "bench", "images", "reports")


@pytest.fixture
def kit() -> Iterator[Kit]:
    """This checkout, with a run of its own that is deleted afterwards."""
    kit = Kit(ROOT)
    yield kit
    shutil.rmtree(kit.run_dir, ignore_errors=True)


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str, str], Kit]:
    """Return a function that makes a checkout whose matrix differs in one place; the cache is shared."""

    def make(old: str, new: str) -> Kit:
        for name in CODE:
            source, target = ROOT / name, tmp_path / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        matrix = tmp_path / "matrix.toml"
        text = matrix.read_text()
        assert old in text
        matrix.write_text(text.replace(old, new))
        (ROOT / ".cache").mkdir(exist_ok=True)
        (tmp_path / ".cache").symlink_to(ROOT / ".cache")
        return Kit(tmp_path)

    return make


@pytest.fixture
def engine() -> None:
    """Skip where no engine answers."""
    if subprocess.run(["docker", "info"], capture_output=True).returncode:
        pytest.skip("no Docker engine answers")
