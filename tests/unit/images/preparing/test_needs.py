"""What a run needs of the prepare image: nothing where its artifacts are there, on any architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from fixtures_artifacts import fake

from bench.convert import wanted
from bench.device import environment
from bench.plan import reading
from bench.plan.cells import Filters
from bench.store import artifacts as store
from bench.store.recipes import Recipe
from images.choosing.session import Session
from images.choosing.workbench import Workbench
from images.desk.freeze import maker
from images.engines import machine
from images.engines.engine import Ready
from images.making import lock
from images.preparing import prepare as module
from images.preparing.prepare import available, build, prepare, specification
from images.workspace import Workspace

ROOT = Path(__file__).parents[4]
MATRIX = reading.load(ROOT / "matrix.toml")


class Engine:
    """Notes what it is asked to build."""

    kind = reason = "noting"

    def __init__(self) -> None:
        self.built: list[str] = []

    def build(self, arch: str, names: Sequence[str], _: Any) -> list[Ready]:
        self.built += names
        return []


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session of two methods of one format, in a checkout with an empty cache."""
    (tmp_path / "images").symlink_to(ROOT / "images")
    workspace = Workspace(tmp_path)
    workbench = Workbench(MATRIX, workspace, "native")
    workbench.__dict__["maker"] = Engine()  # as if it were opened
    filters = Filters(("tflite",), ("mobilenet_v2",), ("FP32", "INT8-SQ"))
    given = {"name": "", "weights": "", "dataset": ""}
    return Session(workspace, MATRIX, "host", "smoke", filters, given, workbench)


def built(session: Session) -> list[str]:
    return cast("Engine", cast("Any", session.workbench.maker)).built


def on(arch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = replace(machine.local(), arch=arch)
    monkeypatch.setattr(machine, "local", lambda: here)


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_prepare_is_built_only_where_an_artifact_is_missing(
    session: Session, arch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(arch, monkeypatch)
    build(session, quiet=True)
    assert built(session) == ["prepare", "tflite"]
    spec = specification(session, str(session.workspace.cache))
    for recipe in wanted.recipes(spec):
        fake(session.workspace.cache, recipe)
    built(session).clear()
    build(session, quiet=True)
    assert built(session) == ["tflite"]


@pytest.mark.parametrize(
    ("makers", "arch"), [(["arm64", "arm64"], "arm64"), (["", ""], "amd64"), (["arm64", "amd64"], "amd64")]
)
def test_artifacts_say_where_they_were_made(session: Session, makers: list[str], arch: str) -> None:
    spec = specification(session, str(session.workspace.cache))
    formats = [recipe for recipe in wanted.recipes(spec) if recipe.format == "tflite"]
    for recipe, made_on in zip(formats, makers):
        facts: dict[str, Any] = {"maker": {"arch": made_on}} if made_on else {}  # an older kit's say nothing
        fake(session.workspace.cache, recipe, **facts)
    told = [store.made_on(one) for one in available(session).values()]
    assert told == [made_on or "amd64" for made_on in makers]
    pin = maker(session)
    assert (pin.arch, pin.lock) == (arch, lock.read(session.workspace.lock("prepare", arch)).digest)


@pytest.mark.parametrize(
    ("memory", "made", "told"),
    [
        (3_900_000_000, {"mobilenet_v2"}, "invoke models --platform rpi4 --model vgg19 --export FILE"),
        (8_200_000_000, {"mobilenet_v2", "vgg19"}, "one runs at a time; or on a machine with more memory"),
        (16_000_000_000, {"mobilenet_v2", "vgg19"}, ""),
    ],
)
def test_a_model_that_memory_does_not_hold_is_left_out_and_says_how_else_to_get_it(
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    memory: int,
    made: set[str],
    told: str,
) -> None:
    here = replace(machine.local(), arch="arm64", memory_bytes=memory)
    monkeypatch.setattr(machine, "local", lambda: here)
    monkeypatch.setattr(environment, "memory_limit", lambda: None)
    session = replace(session, filters=replace(session.filters, models=("mobilenet_v2", "vgg19")))
    asked: set[str] = set()

    def make(one: Session, spec: dict[str, Any], todo: list[Recipe]) -> dict[str, str]:
        asked.update(recipe.model for recipe in todo)
        for recipe in todo:
            fake(one.workspace.cache, recipe)
        return {}

    monkeypatch.setattr(module, "_make", make)
    prepared = prepare(session)
    assert asked - {"any"} == made
    assert {group.model for group in prepared.artifacts} == made
    assert all("5.98 GB of memory" in why for why in prepared.failed.values())
    assert {group.model for group in prepared.failed} == {"mobilenet_v2", "vgg19"} - made
    said = " ".join(capsys.readouterr().out.split())
    assert told in said
    assert ("VGG-19: its converters take" in said) is bool(told)
