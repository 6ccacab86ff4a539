"""Recipes and artifacts: keys, plans, look-ups, integrity, storage that a kill cannot half-do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from fixtures_artifacts import fake, make_spec

from bench.common import hashing
from bench.common.errors import ArtifactError
from bench.convert import formats
from bench.convert.wanted import missing, recipes
from bench.store import artifacts
from bench.store.recipes import Recipe


def find(spec: dict[str, Any], name: str, method: str = "FP32") -> Recipe:
    return next(r for r in recipes(spec) if (r.format, r.method) == (name, method))


def test_photographs_are_told_apart_and_their_number_changes_no_artifact(tmp_path: Path) -> None:
    def made(fingerprint: str, samples: int, lock: str = "l") -> list[Recipe]:
        data = {"path": "/data", "fingerprint": fingerprint * 64, "samples": samples}
        return recipes(make_spec(tmp_path, dataset="folder", data=data, lock=lock))

    some, every, others = made("a", 64), made("a", 0), made("b", 0)
    assert some[0].dataset == "folder-aaaaaaaa"
    assert some[0].key != every[0].key
    assert [recipe.key for recipe in some[1:]] == [recipe.key for recipe in every[1:]]
    assert every[0].key != others[0].key
    converted = ("tflite", "onnx")
    keys = [{r.key for r in found if r.format in converted} for found in (every, others)]
    assert not keys[0] & keys[1]
    assert made("a", 0, lock="m")[0].key != every[0].key  # another Pillow may decode otherwise


def test_recipes_come_after_their_inputs(tmp_path: Path) -> None:
    seen: set[str] = set()
    for recipe in recipes(make_spec(tmp_path)):
        assert set(recipe.inputs) <= seen
        seen.add(recipe.key)
    assert len(seen) == 3 + sum(len(one.methods) for one in formats.declared().values())


@pytest.mark.parametrize(
    "change",
    [{"seed": 2}, {"lock": "1" * 64}, {"models": ["vgg19"]}],
    ids=lambda change: next(iter(change)),
)
def test_a_change_changes_every_key_but_the_arrays(tmp_path: Path, change: dict[str, Any]) -> None:
    before, after = recipes(make_spec(tmp_path)), recipes(make_spec(tmp_path, **change))
    same = {recipe.key for recipe in before} & {recipe.key for recipe in after}
    assert same == {before[0].key}
    assert before[0].format == "dataset"


def test_keys_do_not_depend_on_where_the_cache_is(tmp_path: Path) -> None:
    assert recipes(make_spec(tmp_path)) == recipes(make_spec(Path("/cache")))


def test_only_torch_int8_depends_on_the_architecture(tmp_path: Path) -> None:
    both = recipes(make_spec(tmp_path, arches=["amd64", "arm64"]))
    engines = {r.arch: r.parameters["engine"] for r in both if r.arch != "any"}
    assert engines == {"amd64": "x86", "arm64": "qnnpack"}


def test_parameter_override_makes_another_artifact(tmp_path: Path) -> None:
    wanted = {"format": "onnx", "method": "INT8-SQ"}
    default = find(make_spec(tmp_path), "onnx", "INT8-SQ")
    spec = make_spec(tmp_path, wanted=[{**wanted, "parameters": {"format": "QOperator"}}])
    assert recipes(spec)[-1].parameters["format"] == "QOperator"
    assert recipes(spec)[-1].key != default.key
    with pytest.raises(ArtifactError, match="Did you mean 'format'"):
        recipes(make_spec(tmp_path, wanted=[{**wanted, "parameters": {"fromat": "QDQ"}}]))


def test_unknown_method_names_the_near_match(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="Did you mean 'tflite INT16x8'"):
        recipes(make_spec(tmp_path, wanted=[{"format": "tflite", "method": "INT16X8"}]))


def test_another_schema_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="schema 2"):
        recipes(make_spec(tmp_path, schema=2))


def test_plan_shrinks_as_artifacts_are_stored_and_is_quick(tmp_path: Path) -> None:
    spec = make_spec(tmp_path)
    todo = missing(spec)
    assert todo == recipes(spec)
    for recipe in todo:
        fake(tmp_path, recipe)
    started = time.monotonic()
    assert missing(spec) == []
    assert time.monotonic() - started < 1


def test_stored_artifact_is_named_by_its_content(tmp_path: Path) -> None:
    recipe = find(make_spec(tmp_path), "tflite")
    stored = fake(tmp_path, recipe)
    assert artifacts.lookup(tmp_path, recipe) == stored
    assert stored.directory.name == stored.sha256 == hashing.directory_hash(stored.directory)
    hashing.verify(stored.directory, stored.sha256)
    entry = artifacts.read_index(tmp_path)[recipe.key]
    assert entry["recipe"]["format"] == "tflite"
    assert entry["files"] == ["model.bin"]


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    stored = fake(tmp_path, find(make_spec(tmp_path), "tflite"))
    path = stored.directory / "model.bin"
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="corrupt") as caught:
        hashing.verify(stored.directory, stored.sha256)
    assert caught.value.where == str(stored.directory)
    assert "prepare again" in caught.value.remedy


def test_an_artifact_cut_short_or_gone_is_made_again(tmp_path: Path) -> None:
    spec = make_spec(tmp_path)
    recipe = find(spec, "tflite")
    stored = fake(tmp_path, recipe)
    (stored.directory / "model.bin").write_bytes(b"")
    assert recipe in missing(spec)
    assert fake(tmp_path, recipe) == stored
    (stored.directory / "model.bin").unlink()
    assert recipe in missing(spec)
    with pytest.raises(ArtifactError):
        hashing.verify(stored.directory, stored.sha256)


def test_a_failure_in_the_workspace_leaves_nothing(tmp_path: Path) -> None:
    spec = make_spec(tmp_path)
    kept = fake(tmp_path, find(spec, "canonical"))
    recipe = find(spec, "tflite")

    def fill() -> None:
        with artifacts.exclusive(tmp_path), artifacts.workspace(tmp_path, recipe) as directory:
            (directory / "model.tflite").write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        fill()
    assert artifacts.lookup(tmp_path, recipe) is None
    assert {path.name for path in (tmp_path / "artifacts").iterdir()} == {".lock", "index.json", kept.sha256}


def test_leftovers_of_a_killed_prepare_are_cleared(tmp_path: Path) -> None:
    stale = tmp_path / "artifacts" / ".tmp-killed"
    stale.mkdir(parents=True)
    (stale / "model.onnx").write_bytes(b"half")
    (tmp_path / "artifacts" / ".tmp-index").write_text("{")
    with artifacts.exclusive(tmp_path):
        assert [path.name for path in (tmp_path / "artifacts").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    "content", ["", '{"schema": 1', "[]", '{"schema": 9, "entries": {}}', '{"schema": 1}']
)
def test_a_damaged_index_is_one_clear_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "artifacts" / "index.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ArtifactError, match="damaged artifact index") as caught:
        missing(make_spec(tmp_path))
    assert caught.value.where == str(path)
