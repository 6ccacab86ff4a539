"""What of bench/ travels into an image: all that it imports, and nothing that only others run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.making import bench_files

ROOT = Path(__file__).parents[4]
RUNS, PREPARES = "openvino", bench_files.PREPARE


def held(name: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in bench_files.of_image(ROOT, name)}


def imported(path: Path) -> Iterator[str]:
    """The files of bench/ that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "bench":
            base = str(node.module).replace(".", "/")
            for name in [base, *(f"{base}/{alias.name}" for alias in node.names)]:
                for file in (f"{name}.py", f"{name}/__init__.py"):
                    if (ROOT / file).is_file():
                        yield file


@pytest.mark.parametrize("name", [RUNS, PREPARES])
def test_an_image_holds_all_that_its_files_import(name: str) -> None:
    files = held(name)
    for file in files - {"bench/__main__.py"}:  # it imports what its command needs, when that is asked for
        if file.endswith(".py"):
            assert set(imported(ROOT / file)) <= files, file


def test_an_image_that_measures_holds_no_converter_and_no_image_plans() -> None:
    assert not [file for file in held(RUNS) if file.startswith(("bench/convert/", "bench/plan/"))]
    assert "bench/data/fashion_mnist.npz" not in held(RUNS)
    assert not [file for file in held(PREPARES) if file.startswith(("bench/plan/", "bench/runtimes/"))]
    for name, part in ((RUNS, "bench/runtimes/openvino.py"), (PREPARES, "bench/convert/formats/onnx.py")):
        assert part in held(name)


def test_members_come_after_their_folders() -> None:
    names = [name for name, _ in bench_files.members(ROOT, RUNS)]
    assert len(names) == len(set(names))
    for position, name in enumerate(names):
        folder = name.rstrip("/").rpartition("/")[0]
        assert not folder or f"{folder}/" in names[:position]
