"""Models and formats as data: importable on the host, in step with matrix.toml and with Table III."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench.common.errors import ArtifactError
from bench.convert import formats
from bench.convert.models import MODELS
from bench.data.arrays import SIDE
from bench.data.labels import CLASSES
from bench.plan import reading
from bench.runtimes import base

ROOT = Path(__file__).parents[4]
MATRIX = tomllib.loads((ROOT / "matrix.toml").read_text(encoding="utf-8"))


def test_every_model_of_the_matrix_is_defined() -> None:
    assert set(MODELS) == set(MATRIX["models"])


#: Table III of the paper, and 16x8 of its section III-B-2.
TABLE_III = {
    "pytorch": {"FP32", "INT8-SQ"},
    "tflite": {"FP32", "INT8-DQ", "INT8-SQ", "FP16", "INT16x8"},
    "onnxruntime": {"FP32", "INT8-DQ", "INT8-SQ"},
    "openvino": {"FP32", "INT8-OM"},
}


def test_arrays_and_labels_fit_every_model() -> None:
    for model in MATRIX["models"].values():
        assert model["input"] == [3, SIDE, SIDE]
        assert model["classes"] == CLASSES


def test_methods_are_table_iii() -> None:
    matrix = reading.parse(MATRIX)
    assert {name: set(matrix.format_of(name).methods) for name in matrix.frameworks} == TABLE_III
    for name, methods in TABLE_III.items():
        assert {method for method in matrix.methods if not matrix.reason_impossible(name, method)} == methods


def test_parameters_of_an_architecture_add_to_the_method() -> None:
    torchscript = formats.declared()["torchscript"]
    assert torchscript.parameters("INT8-SQ", "arm64")["engine"] == "qnnpack"
    assert "engine" not in torchscript.parameters("FP32", "any")
    for declared in formats.declared().values():
        assert set(declared.per_arch) <= set(declared.methods)


def test_every_format_says_what_makes_it_and_which_files_do() -> None:
    for name, declared in formats.declared().items():
        assert declared.packages
        for file in (f"convert/formats/{name}.py", *declared.sources):
            assert (ROOT / "bench" / file).is_file()


def test_every_framework_has_a_runtime_of_its_name() -> None:
    assert set(base.names()) == set(MATRIX["frameworks"])


def test_an_unknown_format_names_the_near_match() -> None:
    with pytest.raises(ArtifactError, match="Did you mean 'onnx'"):
        formats.module("onx")


@pytest.mark.parametrize(
    "module",
    [
        "bench.store.artifacts",
        "bench.store.recipes",
        "bench.convert.models",
        "bench.convert.wanted",
        "bench.plan.reading",
    ],
)
def test_planning_needs_nothing_but_the_standard_library(module: str) -> None:
    """The host plans without NumPy, and a framework's image without the converters."""
    program = (
        "import sys; sys.modules['numpy'] = None; sys.modules['torch'] = None; "
        f"import {module}; from bench.convert import formats; formats.declared()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
