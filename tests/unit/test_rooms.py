"""The house's measures (docs/architecture.md): modules a folder, floors a room, one name a class.

Which room may import which is import-linter's to check (pyproject.toml).
"""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
HOUSE = ("bench", "images", "reports")
MODULES, FLOORS, LINES = 15, 7, 310
FILES = [path for part in HOUSE for path in sorted((ROOT / part).rglob("*.py"))]
GRAPH = grimp.build_graph(*HOUSE, cache_dir=None)
ROOMS = sorted({path.parent for path in FILES} - {ROOT / part for part in HOUSE})


@cache
def floor(module: str, room: str) -> int:
    """1 for what imports nothing of its room, else one more than the highest it imports there."""
    below = [name for name in GRAPH.find_modules_directly_imported_by(module) if name.startswith(f"{room}.")]
    return 1 + max((floor(name, room) for name in below), default=0)


@pytest.mark.parametrize("folder", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_is_no_larger_than_a_person_overlooks(folder: Path) -> None:
    modules = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    assert len(modules) <= MODULES
    room = ".".join(folder.relative_to(ROOT).parts)
    assert max(floor(f"{room}.{name}", room) for name in modules) <= FLOORS
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))


def test_modules_are_short_enough_to_read() -> None:
    lines = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert not {path: count for path, count in lines.items() if count > LINES}


def test_each_class_has_a_name_of_its_own() -> None:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in FILES)
    names = Counter(node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef))
    assert not [name for name, count in names.items() if count > 1]
