"""Weights: what a word names, and what is made from which file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from range_server import Site, serve

from bench.common import hashing
from bench.common.errors import ArtifactError, UsageError
from bench.convert import formats, publishers
from bench.convert.wanted import recipes, starting_point
from bench.plan.published import Published
from bench.store.recipes import Recipe
from images.choosing import weights as module
from images.choosing.weights import Weights, resolve
from images.engines.engine import LaunchResult, Mount, Request
from images.engines.streams import OnLine
from images.preparing.files import gather

MODELS = ("mobilenet_v2", "vgg19", "densenet121")
PINS = {"mobilenet_v2": "b0353104" + "0" * 56, "vgg19": "dcbb9e9d", "densenet121": "a639ec97"}
ONNX = Published("onnx", sha256="c" * 64, url="http://127.0.0.1/zoo/mobilenetv2-12.onnx")
ZOO: Mapping[str, Mapping[str, Published]] = {
    "mobilenet_v2": {
        "torchscript": Published("torch"),
        "tflite": Published("keras", sha256="d" * 64),
        "onnx": ONNX,
        "openvino_ir": ONNX,
    },
    "densenet121": {
        "torchscript": Published("torch"),
        "tflite": Published("keras", md5="e" * 32),
        "onnx": Published("torch"),
        "openvino_ir": Published("torch"),
    },
}
TORCH = ("torchscript", "onnx", "openvino_ir")


def find(word: str, folder: Path, models: Sequence[str] = ("mobilenet_v2",)) -> Weights:
    return resolve(word, models, PINS, ZOO, folder / "cache")


def spec(chosen: Weights, **changes: Any) -> dict[str, Any]:
    wanted = [
        {"format": name, "method": method}
        for name, declared in formats.declared().items()
        for method in declared.methods
    ]
    common = {"schema": 1, "dataset": "fashion-mnist", "arches": ["amd64"], "lock": "0" * 64, "seed": 1}
    return {**common, "models": list(chosen.models), "wanted": wanted, **chosen.spec(), **changes}


def made(weights: Weights, **changes: Any) -> dict[tuple[str, str, str], Recipe]:
    found = recipes(spec(weights, **changes))
    return {(recipe.format, recipe.model, recipe.method): recipe for recipe in found}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# ------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize("word", ["probe", "imagenet", "zoo"])
def test_a_source_is_its_own_label(tmp_path: Path, word: str) -> None:
    weights = find(word, tmp_path, ("mobilenet_v2", "densenet121"))
    assert weights.labels == {"mobilenet_v2": word, "densenet121": word}
    assert weights.name == word


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt"])
def test_a_file_is_labelled_by_its_content(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    path.write_bytes(b"one")
    weights = find(f"file:{path}", tmp_path)
    assert weights.labels == {"mobilenet_v2": f"file-{sha256(b'one')[:8]}"}
    assert weights.name == weights.labels["mobilenet_v2"]
    path.write_bytes(b"two")
    assert find(f"file:{path}", tmp_path).labels != weights.labels


def test_each_model_of_a_folder_has_its_own_label(tmp_path: Path) -> None:
    (tmp_path / "mobilenet_v2.pth").write_bytes(b"one")
    (tmp_path / "vgg19.safetensors").write_bytes(b"two")
    weights = find(f"file:{tmp_path}", tmp_path, ("mobilenet_v2", "vgg19"))
    one, two = f"file-{sha256(b'one')[:8]}", f"file-{sha256(b'two')[:8]}"
    assert weights.labels == {"mobilenet_v2": one, "vgg19": two}
    assert weights.name.startswith("file-")
    assert weights.name not in (one, two)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("imagnet", "unknown weights source 'imagnet'. Did you mean 'imagenet'?"),
        ("", "unknown weights source"),
        ("file", "file needs a path"),
        ("file:", "file needs a path"),
        ("file:/no/such/file.pth", "no such file or folder: '/no/such/file.pth'"),
        ("probe:/tmp", "probe takes no path"),
    ],
)
def test_a_word_that_names_nothing_is_explained(tmp_path: Path, word: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(word, tmp_path)
    assert message in str(caught.value)
    assert caught.value.where == "--weights"


@given(st.text(max_size=20) | st.text(max_size=20).map("file:".__add__))
@example("file:~nobody-of-this-name/x.pth")
@example("file:\0.pth")
@example("file:" + "x" * 300)
def test_no_word_crashes(tmp_path_factory: pytest.TempPathFactory, word: str) -> None:
    try:
        find(word, tmp_path_factory.getbasetemp())
    except (UsageError, ArtifactError) as error:
        assert str(error)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(UsageError, match=r"model\.onnx is not one of \*\.safetensors, \*\.pth, \*\.pt"):
        find(f"file:{tmp_path / 'model.onnx'}", tmp_path)


def test_one_file_cannot_be_two_models(tmp_path: Path) -> None:
    (tmp_path / "mine.pt").write_bytes(b"")
    with pytest.raises(UsageError, match="one file, but 2 models: mobilenet_v2, vgg19") as caught:
        find(f"file:{tmp_path / 'mine.pt'}", tmp_path, ("mobilenet_v2", "vgg19"))
    assert "--model" in caught.value.remedy


def test_a_folder_must_have_each_model_once(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no weights of vgg19: looked for vgg19\{\.safetensors,"):
        find(f"file:{tmp_path}", tmp_path, ("vgg19",))
    (tmp_path / "vgg19.pt").write_bytes(b"")
    (tmp_path / "vgg19.pth").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"two files for vgg19: vgg19\.pth, vgg19\.pt"):
        find(f"file:{tmp_path}", tmp_path, ("vgg19",))


def test_a_model_without_published_weights_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no zoo weights of vgg19"):
        find("zoo", tmp_path, ("vgg19",))


def test_the_hash_of_a_large_file_is_remembered_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return hashing.sha256_file(path)

    monkeypatch.setattr(module, "REMEMBERED", 2)
    monkeypatch.setattr(module, "sha256_file", counted)
    path = tmp_path / "mine.pt"
    path.write_bytes(b"one")
    first = find(f"file:{path}", tmp_path)
    assert find(f"file:{path}", tmp_path) == first
    assert len(hashed) == 1
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert find(f"file:{path}", tmp_path) != first
    (tmp_path / "cache" / "weights" / "hashes.json").write_text("damaged")
    find(f"file:{path}", tmp_path)
    assert len(hashed) == 3


# ----------------------------------------------------------------------------------------- recipes


def test_the_dataset_does_not_change_where_weights_come_from(tmp_path: Path) -> None:
    photographs = {"dataset": "folder", "data": {"path": "/data", "fingerprint": "f" * 64, "samples": 10}}
    for word in ("probe", "imagenet"):
        weights = find(word, tmp_path)
        before, after = made(weights), made(weights, **photographs)
        canonical, reference = ("canonical", "mobilenet_v2", "FP32"), ("reference", "mobilenet_v2", "FP32")
        assert before[canonical] == after[canonical]
        assert before[reference] != after[reference], "its logits are of the dataset's images"


def test_only_probe_weights_are_seeded(tmp_path: Path) -> None:
    canonical = ("canonical", "mobilenet_v2", "FP32")
    probe, published = find("probe", tmp_path), find("imagenet", tmp_path)
    assert made(probe)[canonical] != made(probe, seed=2)[canonical]
    assert made(published)[canonical] == made(published, seed=2)[canonical]


def test_what_is_made_depends_on_the_content_and_not_on_the_place(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"one")
    (tmp_path / "b.pt").write_bytes(b"one")
    (tmp_path / "c.pt").write_bytes(b"two")
    a, b, c = (made(find(f"file:{tmp_path / name}.pt", tmp_path)) for name in "abc")
    assert a == b
    shared = {("dataset", "any", "FP32")}
    assert {name for name in a if a[name] == c[name]} == shared
    assert {recipe.weights for name, recipe in a.items() if name not in shared} == {
        f"file-{sha256(b'one')[:8]}"
    }


def test_inputs_come_first_for_every_source(tmp_path: Path) -> None:
    for word in ("probe", "imagenet", "zoo"):
        seen: set[str] = set()
        for recipe in recipes(spec(find(word, tmp_path, ("mobilenet_v2", "densenet121")))):
            assert set(recipe.inputs) <= seen
            assert recipe.key not in seen
            seen.add(recipe.key)


def test_a_format_of_the_zoo_has_its_own_reference(tmp_path: Path) -> None:
    document = spec(find("zoo", tmp_path))
    published = ZOO["mobilenet_v2"]
    references = {f: starting_point(document, f, "mobilenet_v2").reference for f in published}
    assert references["onnx"] == references["openvino_ir"], "they run the same file"
    assert len({reference.key for reference in references.values()}) == 3
    assert references["tflite"].parameters["file"] == "d" * 64
    all_made = list(made(find("zoo", tmp_path)).values())
    assert all(reference in all_made for reference in references.values())
    assert {reference.label for reference in references.values()} == {
        "reference FP32 mobilenet_v2",
        "reference FP32-keras mobilenet_v2",
        "reference FP32-onnx mobilenet_v2",
    }


def test_torchvisions_model_in_the_zoo_is_the_one_of_imagenet(tmp_path: Path) -> None:
    """Nothing is made twice: DenseNet-121 of the zoo is torchvision's for all but TFLite."""
    zoo, imagenet = (made(find(word, tmp_path, ("densenet121",))) for word in ("zoo", "imagenet"))
    same = {name[0] for name in zoo if imagenet.get(name) == zoo[name]}
    assert same == {"dataset", "canonical", "reference", *TORCH}
    assert zoo["tflite", "densenet121", "INT8-SQ"].parameters["kind"] == "keras"


def test_a_spec_without_the_file_or_with_an_unknown_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no imagenet weights of vgg19 for"):
        recipes(spec(find("imagenet", tmp_path), models=["vgg19"]))
    with pytest.raises(ArtifactError, match="Did you mean 'probe'"):
        recipes(spec(find("probe", tmp_path), weights="prob"))


# ------------------------------------------------------------------------------------------- files


class Publishers:
    """Stands for an engine whose prepare image knows where torchvision keeps its files."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[dict[str, Any]] = []

    def path(self, host: Path, mounts: Sequence[Mount]) -> str:
        return f"inside:{host.name}" if host in {mount.host for mount in mounts} else str(host)

    def launch(self, request: Request, on_line: OnLine) -> LaunchResult:
        command, path = request.argv
        assert command == "sources"
        wanted = json.loads(Path(path).read_text())["wanted"]
        self.asked += wanted
        for row in wanted:
            event = {"event": "source", **row, "url": self.url, "file": f"{row['model']}-abcd.pth"}
            on_line(json.dumps(event))
        return LaunchResult(0, "", "", 0.0)


def pinned(content: bytes) -> Weights:
    return resolve("imagenet", ["vgg19"], {"vgg19": sha256(content)[:8]}, {}, Path())


def get(
    weights: Weights, missing: Sequence[Recipe], engine: Publishers, cache: Path
) -> tuple[dict[str, Any], tuple[Mount, ...]]:
    return gather(weights, missing, engine, "amd64", cache)  # type: ignore[arg-type]


def test_a_published_file_is_fetched_when_something_is_made_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    weights = pinned(b"weights")
    with serve(Site(b"weights")) as site:
        engine = Publishers(site.url)
        found, mounts = get(weights, list(made(weights).values()), engine, tmp_path)
    assert engine.asked == [{"kind": "torch", "model": "vgg19"}]
    path = tmp_path / "weights" / "vgg19-abcd.pth"
    assert path.read_bytes() == b"weights"
    assert [mount.host for mount in mounts] == [path]
    assert not mounts[0].writable
    assert found["weights_files"]["vgg19"]["path"] == "inside:vgg19-abcd.pth"
    assert recipes(spec(weights, **found)) == recipes(spec(weights)), "paths are no identity"


def test_nothing_is_fetched_when_nothing_is_made_from_it(tmp_path: Path) -> None:
    """A machine that imported its artifacts needs neither the files nor a network."""
    weights = pinned(b"weights")
    engine = Publishers("http://127.0.0.1:9/")
    missing = [recipe for recipe in made(weights).values() if recipe.format != "canonical"]
    assert get(weights, missing, engine, tmp_path) == (weights.spec(), ())
    assert not engine.asked


def test_a_users_file_is_mounted_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.pt"
    path.write_bytes(b"one")
    weights = find(f"file:{path}", tmp_path)
    engine = Publishers("")
    found, mounts = get(weights, list(made(weights).values()), engine, tmp_path)
    assert not engine.asked
    assert [mount.host for mount in mounts] == [path]
    assert found["weights_files"]["mobilenet_v2"]["path"] == "inside:mine.pt"


# --------------------------------------------------------------------------- what the publishers say


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 2, "wanted": []}', '{"schema": 1, "wanted": [1]}']
)
def test_a_spec_of_sources_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sources.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="not a sources spec"):
        publishers.locate(str(path), print)


@pytest.mark.parametrize("pin", [sha256(b"x"), sha256(b"x")[:8], "md5:" + hashlib.md5(b"x").hexdigest()])
def test_a_pin_is_the_whole_hash_or_its_beginning(tmp_path: Path, pin: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    publishers.check(path, pin)
    path.write_bytes(b"y")
    with pytest.raises(ArtifactError, match=f"expected {pin.removeprefix('md5:')}"):
        publishers.check(path, pin)
