"""bench.convert.models and bench.convert.formats as data: importable on the host, in step with matrix.toml."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench.convert.formats import METHODS, PER_ARCH, parameters
from bench.convert.models import MODELS

ROOT = Path(__file__).parents[2]
MATRIX = tomllib.loads((ROOT / "matrix.toml").read_text(encoding="utf-8"))


def test_every_model_of_the_matrix_is_defined() -> None:
    assert set(MODELS) == set(MATRIX["models"])


def test_methods_are_table_iii() -> None:
    table = {
        (framework, name) for name, method in MATRIX["methods"].items() for framework in method["frameworks"]
    }
    assert set(METHODS) == table


def test_parameters_of_an_architecture_add_to_the_method() -> None:
    assert parameters("pytorch", "INT8-SQ", "arm64")["engine"] == "qnnpack"
    assert "engine" not in parameters("pytorch", "FP32", "any")
    assert set(PER_ARCH) <= set(METHODS)


@pytest.mark.parametrize(
    "module",
    ["bench.store.artifacts", "bench.store.recipes", "bench.convert.models", "bench.convert.formats"],
)
def test_planning_needs_nothing_but_the_standard_library(module: str) -> None:
    """The host plans without NumPy, and a framework's image without the converters."""
    program = f"import sys; sys.modules['numpy'] = None; sys.modules['torch'] = None; import {module}"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
