"""matrix.toml: what the loader refuses, how it says so, and that the schema agrees with it."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.common.errors import MatrixError
from bench.plan import reading

ROOT = Path(__file__).parents[4]
REAL: dict[str, Any] = tomllib.loads((ROOT / "matrix.toml").read_text())
accepts_schema = fastjsonschema.compile(reading.json_schema())


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    data = copy.deepcopy(REAL)
    change(data)
    return data


def test_the_shipped_matrix_loads_and_fits_its_schema() -> None:
    assert reading.load(ROOT / "matrix.toml").defaults.profile == "quick"
    accepts_schema(REAL)


def test_what_no_image_needs_is_dropped_from_every_image() -> None:
    loaded = reading.parse(changed(lambda d: d["wheels"].update(exclude=["**/tests/**"])))
    for name, image in loaded.images.items():
        assert image.exclude == ("**/tests/**", *REAL["images"][name].get("exclude", ()))


def test_the_committed_schema_is_the_generated_one() -> None:
    committed = json.loads((ROOT / "bench" / "plan" / "matrix.schema.json").read_text())
    assert committed == json.loads(json.dumps(reading.json_schema())), "run `invoke generate`"


REFUSED: list[tuple[Callable[[dict[str, Any]], object], list[str]]] = [
    (lambda d: d["platforms"]["rpi4"].update(thread=4), ["platforms.rpi4.thread", "threads", "4"]),
    (lambda d: d["platforms"]["rpi4"].update(threads="four"), ["platforms.rpi4.threads", "int", "'four'"]),
    (lambda d: d["platforms"]["rpi4"].update(threads=True), ["platforms.rpi4.threads", "bool"]),
    (lambda d: d["platforms"]["rpi4"].update(threads=-1), ["platforms.rpi4.threads", "out of range"]),
    (lambda d: d["platforms"]["rpi4"].update(arch="arm46"), ["platforms.rpi4.arch", "arm64"]),
    (lambda d: d["platforms"]["rpi4"].update(memory="8GB"), ["platforms.rpi4.memory", "8GB"]),
    (lambda d: d["frameworks"]["tflite"].update(image="tflit"), ["frameworks.tflite.image", "'tflite'"]),
    (
        lambda d: d["methods"]["FP16"].update(precisions=["f16", "f16"]),
        ["FP16.precisions", "duplicate"],
    ),
    (lambda d: d["models"]["vgg19"].pop("title"), ["models.vgg19.title", "missing key"]),
    (
        lambda d: d["profiles"]["quick"]["scenarios"].pop("Offline"),
        ["quick.scenarios.Offline", "missing table"],
    ),
    (
        lambda d: d["profiles"]["mlperf-v2.1"]["seeds"].update(qsl_seed="0x0000000000000001"),
        ["mlperf-v2.1.seeds", "qsl_rng_seed"],
    ),
    (lambda d: d["profiles"]["mlperf-v2.1"]["seeds"].popitem(), ["mlperf-v2.1.seeds", "all of"]),
    (
        lambda d: d["profiles"]["mlperf-v2.1"]["seeds"].update(qsl_rng_seed="7"),
        ["mlperf-v2.1.seeds.qsl_rng_seed", "'7'"],
    ),
    (lambda d: d["impossible"].append(d["impossible"][0]), ["impossible[6]", "duplicate"]),
    (lambda d: d["frameworks"]["tflite"].update(format="tflit"), ["frameworks.tflite.format", "'tflite'"]),
    (
        lambda d: (d["methods"].pop("INT16x8"), d["impossible"].pop()),
        ["methods (of format tflite)", "INT16x8"],
    ),
    (lambda d: d["platforms"]["ri2"].update(isa="AVX512"), ["platforms.ri2.isa", "AVX512_CORE"]),
    (lambda d: d["sweeps"]["isa"].update(isas=["AVX"]), ["sweeps.isa.isas", "AVX2"]),
    (
        lambda d: d["isas"]["AVX2"]["environment"].pop("openvino"),
        ["frameworks.openvino.uncapped", "isas.AVX2", "says why"],
    ),
    (
        lambda d: d["frameworks"]["openvino"].update(uncapped="no switch"),
        ["frameworks.openvino.uncapped", "isas.AVX2.environment"],
    ),
    (lambda d: d["models"]["vgg19"]["zoo"]["tflite"].pop("sha256"), ["vgg19.zoo.tflite", "no hash"]),
    (lambda d: d["models"]["vgg19"]["zoo"]["openvino_ir"].pop("url"), ["vgg19.zoo.openvino_ir", "no url"]),
    (lambda d: d["models"]["vgg19"].pop("imagenet"), ["vgg19.zoo.torchscript", "models.vgg19.imagenet"]),
    (lambda d: d.update(schema=2), ["schema", "2"]),
    (lambda d: d.update(platforms=[]), ["platforms", "expected a table"]),
    (lambda d: d["defaults"].update(profile="quik"), ["defaults.profile", "quick"]),
]


@pytest.mark.parametrize(("change", "words"), REFUSED)
def test_each_error_names_table_key_and_value(
    change: Callable[[dict[str, Any]], object], words: list[str]
) -> None:
    with pytest.raises(MatrixError) as caught:
        reading.parse(changed(change))
    assert str(caught.value).startswith("matrix.toml: ")
    for word in words:
        assert word in str(caught.value)


def test_a_reason_need_not_be_given_and_may_speak_against_a_format() -> None:
    silent = reading.parse(changed(lambda d: d.update(impossible=[])))
    assert silent.reason_impossible("openvino", "INT8-OM") is None
    assert (
        silent.reason_impossible("openvino", "FP16")
        == "OpenVINO runs openvino_ir files, and none is made by FP16"
    )
    row = {"framework": "tflite", "method": "FP16", "reason": "its kernels crash"}
    against = reading.parse(changed(lambda d: d["impossible"].append(row)))
    assert against.reason_impossible("tflite", "FP16") == "its kernels crash"


def test_a_duplicate_table_and_a_missing_file_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "matrix.toml"
    with pytest.raises(MatrixError, match="no such file"):
        reading.load(path)
    path.write_text("[defaults]\nplatform = 'host'\n[defaults]\n")
    with pytest.raises(MatrixError, match=r"matrix\.toml: not TOML.*line 3"):
        reading.load(path)


def paths(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(node, dict):
        return [at, *(p for key, value in node.items() for p in paths(value, (*at, key)))]
    if isinstance(node, list):
        return [at, *(p for i, value in enumerate(node) for p in paths(value, (*at, i)))]
    return [at]


JUNK = st.one_of(st.none(), st.booleans(), st.integers(-3, 70), st.text(max_size=4), st.just([]), st.just({}))


@given(st.sampled_from([p for p in paths(REAL) if p]), JUNK, st.booleans())
def test_what_the_schema_refuses_the_loader_refuses(path: tuple[Any, ...], junk: Any, delete: bool) -> None:
    """Any value replaced or deleted: the loader is at least as strict, and only KitErrors leave it."""
    data = copy.deepcopy(REAL)
    node = data
    for step in path[:-1]:
        node = node[step]
    if delete:
        del node[path[-1]]
    else:
        node[path[-1]] = junk
    try:
        accepts_schema(data)
        fits = True
    except fastjsonschema.JsonSchemaException:
        fits = False
    try:
        reading.parse(data)
        loads = True
    except MatrixError as error:
        loads = False
        references = (
            "unknown",
            "says why",
            "offers it",
            "missing table",
            "duplicate",
            "caps it",
            "no hash",
            "no url",
            "is missing",
        )
        assert not fits or any(word in str(error) for word in references)
    assert fits or not loads
