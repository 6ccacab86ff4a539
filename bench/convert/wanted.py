"""What a prepare spec asks for: its recipes, each after those it is made from, and which are missing.

Pure standard library, Python 3.9: the host plans with it, the prepare image works through it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.common.errors import ArtifactError, unknown
from bench.common.hashing import digest_lines, sha256_file
from bench.convert import formats
from bench.data.dataset import REFERENCE_IMAGES, label_of
from bench.store import artifacts
from bench.store.recipes import Parameter, Recipe

SCHEMA = 1  # of a prepare spec
_PACKAGE = Path(__file__).parents[1]
_ARRAYS = ("data/arrays.py", "data/embedded.py", "data/fashion_mnist.npz")
_DEFINITION = "convert/models/definition.py"

#: What artifacts that are no format are made by, besides the artifacts they are made from: files of bench/.
_SOURCES: Mapping[str, tuple[str, ...]] = {
    "embedded": _ARRAYS,
    "photographs": ("data/photographs.py", "data/arrays.py"),
    "probe": ("convert/models/__init__.py", _DEFINITION, "convert/models/probe.py", *_ARRAYS),
    "state": (_DEFINITION, "convert/models/state.py"),
    "reference": (_DEFINITION,),
}


@functools.cache
def source_hash(*files: str) -> str:
    """SHA-256 over these committed files (code and embedded data) of bench/."""
    return digest_lines((sha256_file(_PACKAGE / name), name) for name in set(files))


def _zoo_source(kind: str) -> str:
    """What reads a published model of a kind ("keras", "onnx")."""
    return f"convert/zoo_{kind}.py"


def recipes(spec: Mapping[str, Any]) -> list[Recipe]:
    """All recipes a prepare spec asks for, each after those it is made from.

    Raises ArtifactError for a spec of another schema or a (format, method) no format has.
    """
    if spec.get("schema") != SCHEMA:
        raise ArtifactError(f"prepare spec has schema {spec.get('schema')!r}, expected {SCHEMA}")
    known = [f"{name} {method}" for name, one in formats.declared().items() for method in one.methods]
    for wanted in spec["wanted"]:
        name = f"{wanted['format']} {wanted['method']}"
        if name not in known:
            raise ArtifactError(unknown("format and method", name, known), where="prepare spec")
    data = dataset_recipe(spec)
    found = {data.key: data}
    for model in spec["models"]:
        for wanted in spec["wanted"]:
            begin = starting_point(spec, wanted["format"], model)
            for recipe in (*begin.recipes, *_wanted(spec, wanted, model, begin)):
                found[recipe.key] = recipe
    return list(found.values())


def dataset_recipe(spec: Mapping[str, Any], samples: int | None = None) -> Recipe:
    """Recipe of the arrays of a prepare spec's dataset; of another number of test images if given.

    The embedded ones need NumPy only, so they are the same on every architecture and lock. Photographs
    are decoded by the lock's Pillow, and known by their fingerprint.
    """
    data = spec.get("data")
    if not data:
        return Recipe(
            format="dataset", method="FP32", model="any", weights="any", dataset=spec["dataset"],
            arch="any", seed=0, lock="", source=source_hash(*_SOURCES["embedded"]),
        )  # fmt: skip
    count = data["samples"] if samples is None else samples
    parameters = {"fingerprint": data["fingerprint"], "samples": count}
    return Recipe(
        format="dataset", method="FP32", model="any", weights="any", dataset=label_of(spec),
        arch="any", seed=0, lock=spec["lock"], source=source_hash(*_SOURCES["photographs"]),
        parameters=parameters,
    )  # fmt: skip


def dataset_source(recipe: Recipe) -> str:
    """What the source of a dataset's recipe must be, for arrays that this version of the kit would make."""
    return source_hash(*_SOURCES["photographs" if "fingerprint" in recipe.parameters else "embedded"])


@dataclass(frozen=True)
class Start:
    """What the artifacts of one format and model start from.

    `state` is the canonical model's recipe, None where the format has a published model of its own;
    `published` then holds the parameters "kind" and "file" that every artifact made from it carries.
    `reference` is the recipe of the FP32 logits that those artifacts are compared with.
    """

    weights: str
    state: Recipe | None
    reference: Recipe
    published: Mapping[str, Parameter]

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        return (self.state, self.reference) if self.state else (self.reference,)


def starting_point(spec: Mapping[str, Any], format_: str, model: str) -> Start:
    """Return what a format's artifacts of a model start from, under a prepare spec's weights.

    Raises ArtifactError for an unknown source, or one that names no file for the model.
    """
    weights = spec["weights"].partition("-")[0]
    if weights == "probe":  # fitted on the embedded images, whatever is measured
        state = _recipe(spec, "canonical", "FP32", model, *_SOURCES["probe"])
        return _from_state(spec, replace(state, weights="probe", dataset="fashion-mnist"))
    if weights not in ("imagenet", "file", "zoo"):
        raise ArtifactError(unknown("weights source", weights, ("probe", "imagenet", "file", "zoo")))
    try:
        file = spec["zoo_files"][model][format_] if weights == "zoo" else spec["weights_files"][model]
        pin, kind = file["sha256"], file["kind"]
    except KeyError:
        problem = f"no {weights} weights of {model} for {format_}"
        raise ArtifactError(problem, where="prepare spec") from None
    if kind != "torch":
        return _from_published(spec, model, {"kind": kind, "file": pin})
    label = f"file-{pin[:8]}" if weights == "file" else "imagenet"
    state = _recipe(spec, "canonical", "FP32", model, *_SOURCES["state"])
    return _from_state(spec, replace(state, weights=label, dataset="any", seed=0, parameters={"file": pin}))


def _from_state(spec: Mapping[str, Any], state: Recipe) -> Start:
    reference = replace(
        _recipe(spec, "reference", "FP32", state.model, *_SOURCES["reference"]),
        weights=state.weights,
        inputs=(_images(spec), state.key),
        parameters={"images": REFERENCE_IMAGES},
    )
    return Start(state.weights, state, reference, {})


def _from_published(spec: Mapping[str, Any], model: str, published: Mapping[str, Parameter]) -> Start:
    kind = str(published["kind"])
    reference = replace(
        _recipe(spec, "reference", f"FP32-{kind}", model, _zoo_source(kind)),
        weights="zoo",
        inputs=(_images(spec),),
        parameters={"images": REFERENCE_IMAGES, **published},
    )
    return Start("zoo", None, reference, published)


def _images(spec: Mapping[str, Any]) -> str:
    """Key of the arrays that artifacts are made with: the calibration images and the first test images.

    So it does not matter how many test images a profile asks for.
    """
    return dataset_recipe(spec, samples=0).key


def _recipe(spec: Mapping[str, Any], format_: str, method: str, model: str, *files: str) -> Recipe:
    """Return a recipe with all that follows from the spec alone; `files` as in `source_hash`."""
    return Recipe(
        format=format_, method=method, model=model, weights="any", dataset=label_of(spec),
        arch="any", seed=spec["seed"], lock=spec["lock"], source=source_hash(*files),
    )  # fmt: skip


def _wanted(spec: Mapping[str, Any], wanted: Mapping[str, Any], model: str, begin: Start) -> list[Recipe]:
    name, method = wanted["format"], wanted["method"]
    declared = formats.declared()[name]
    overrides: Mapping[str, Parameter] = wanted.get("parameters", {})
    files = [f"convert/formats/{name}.py", *declared.sources]
    if begin.published:
        files.append(_zoo_source(str(begin.published["kind"])))
    made = []
    for arch in spec["arches"] if method in declared.per_arch else ("any",):
        params = declared.parameters(method, arch)
        for parameter in overrides:
            if parameter not in params:
                raise ArtifactError(unknown("parameter", parameter, params), where=f"{name} {method}")
        made.append(
            replace(
                _recipe(spec, name, method, model, *files),
                weights=begin.weights,
                arch=arch,
                inputs=(_images(spec), begin.state.key) if begin.state else (_images(spec),),
                parameters={**params, **overrides, **begin.published},
            )
        )
    return made


def missing(spec: Mapping[str, Any]) -> list[Recipe]:
    """Recipes of the spec whose artifact is missing, in the order to make them; empty: nothing to do."""
    cache = Path(spec["cache"])
    index = artifacts.read_index(cache)
    return [recipe for recipe in recipes(spec) if artifacts.find(cache, recipe, index) is None]
