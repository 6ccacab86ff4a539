"""Recipes: what an artifact is and everything it is made by, hashed into a key.

Pure standard library, Python 3.9: the host plans with it, the prepare image works through it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.common.errors import ArtifactError, unknown
from bench.common.hashing import digest_lines, sha256_file
from bench.convert.formats import METHODS, PER_ARCH, Parameter, parameters
from bench.data import dataset as source

SCHEMA = 1
_PACKAGE = Path(__file__).parents[1]

#: What an artifact is made by, besides the artifacts it is made from: files of this package.
_SOURCES: Mapping[str, tuple[str, ...]] = {
    "dataset": ("data/embedded.py", "data/arrays.py", "data/fashion_mnist.npz"),
    "photographs": ("data/photographs.py", "data/arrays.py"),
    "probe": (
        "convert/models/__init__.py",
        "convert/models/definition.py",
        "convert/models/probe.py",
        "data/embedded.py",
        "data/arrays.py",
        "data/fashion_mnist.npz",
    ),
    "state": ("convert/models/definition.py", "convert/models/state.py"),
    "reference": ("convert/models/definition.py",),
    "keras": ("convert/zoo_keras.py",),
    "onnx": ("convert/zoo_onnx.py",),
    "pytorch": ("convert/formats/torchscript.py",),
    "tflite": ("convert/formats/tflite.py", "convert/tflite_graph.py"),
    "onnxruntime": ("convert/formats/onnx.py",),
    "openvino": ("convert/formats/onnx.py", "convert/formats/openvino_ir.py"),
}


@dataclass(frozen=True)
class Recipe:
    """How one artifact is made; equal recipes give one key, on every machine.

    `framework` is one of the four, or "dataset" (the arrays in data/), "canonical" (the FP32 weights) or
    "reference" (FP32 logits of the model before any conversion). `weights` names the weights, which for
    torchvision's model in a zoo are "imagenet" too. `inputs` are the keys of the recipes it is made from,
    `lock` the SHA-256 of the prepare environment's lock file, `source` that of the code that makes it.
    """

    framework: str
    method: str
    model: str
    weights: str
    dataset: str
    arch: str
    seed: int
    lock: str
    source: str
    inputs: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    @functools.cached_property
    def key(self) -> str:
        """SHA-256 (hex) of the recipe's canonical JSON."""
        text = json.dumps({"schema": SCHEMA, **asdict(self)}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def label(self) -> str:
        """Short name for messages: "pytorch INT8-SQ mobilenet_v2 amd64"."""
        return " ".join(
            word for word in (self.framework, self.method, self.model, self.arch) if word != "any"
        )


@functools.cache
def source_hash(*makers: str) -> str:
    """SHA-256 over the committed files (code and embedded data) of these keys of _SOURCES."""
    names = {name for maker in makers for name in _SOURCES[maker]}
    return digest_lines((sha256_file(_PACKAGE / name), name) for name in names)


def recipes(spec: Mapping[str, Any]) -> list[Recipe]:
    """All recipes a prepare spec asks for, each after those it is made from.

    Raises ArtifactError for a spec of another schema or a (framework, method) no framework has.
    """
    if spec.get("schema") != SCHEMA:
        raise ArtifactError(f"prepare spec has schema {spec.get('schema')!r}, expected {SCHEMA}")
    for wanted in spec["wanted"]:
        name = f"{wanted['framework']} {wanted['method']}"
        if (wanted["framework"], wanted["method"]) not in METHODS:
            known = unknown("framework and method", name, map(" ".join, METHODS))
            raise ArtifactError(known, where="prepare spec")
    data = dataset_recipe(spec)
    found = {data.key: data}
    for model in spec["models"]:
        for wanted in spec["wanted"]:
            begin = starting_point(spec, wanted["framework"], model)
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
            framework="dataset", method="FP32", model="any", weights="any", dataset=spec["dataset"],
            arch="any", seed=0, lock="", source=source_hash("dataset"),
        )  # fmt: skip
    count = data["samples"] if samples is None else samples
    parameters = {"fingerprint": data["fingerprint"], "samples": count}
    return Recipe(
        framework="dataset", method="FP32", model="any", weights="any", dataset=source.label_of(spec),
        arch="any", seed=0, lock=spec["lock"], source=source_hash("photographs"), parameters=parameters,
    )  # fmt: skip


def dataset_source(recipe: Recipe) -> str:
    """What the source of a dataset's recipe must be, for arrays that this version of the kit would make."""
    return source_hash("photographs" if "fingerprint" in recipe.parameters else "dataset")


@dataclass(frozen=True)
class Start:
    """What one framework's artifacts of one model start from.

    `state` is the canonical model's recipe, None where the framework has a published model of its own;
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


def starting_point(spec: Mapping[str, Any], framework: str, model: str) -> Start:
    """Return what a framework's artifacts of a model start from, under a prepare spec's weights.

    Raises ArtifactError for an unknown source, or one that names no file for the model.
    """
    weights = spec["weights"].partition("-")[0]
    if weights == "probe":  # fitted on the embedded images, whatever is measured
        state = _recipe(spec, "canonical", "FP32", model, "probe")
        return _from_state(spec, replace(state, weights="probe", dataset="fashion-mnist"))
    if weights not in ("imagenet", "file", "zoo"):
        raise ArtifactError(unknown("weights source", weights, ("probe", "imagenet", "file", "zoo")))
    try:
        file = spec["zoo_files"][model][framework] if weights == "zoo" else spec["weights_files"][model]
        pin, kind = file["sha256"], file["kind"]
    except KeyError:
        problem = f"no {weights} weights of {model} for {framework}"
        raise ArtifactError(problem, where="prepare spec") from None
    if kind != "torch":
        return _from_published(spec, model, {"kind": kind, "file": pin})
    label = f"file-{pin[:8]}" if weights == "file" else "imagenet"
    state = _recipe(spec, "canonical", "FP32", model, "state")
    return _from_state(spec, replace(state, weights=label, dataset="any", seed=0, parameters={"file": pin}))


def _from_state(spec: Mapping[str, Any], state: Recipe) -> Start:
    reference = replace(
        _recipe(spec, "reference", "FP32", state.model, "reference"),
        weights=state.weights,
        inputs=(_images(spec), state.key),
        parameters={"images": source.REFERENCE_IMAGES},
    )
    return Start(state.weights, state, reference, {})


def _from_published(spec: Mapping[str, Any], model: str, published: Mapping[str, Parameter]) -> Start:
    kind = str(published["kind"])
    reference = replace(
        _recipe(spec, "reference", f"FP32-{kind}", model, kind),
        weights="zoo",
        inputs=(_images(spec),),
        parameters={"images": source.REFERENCE_IMAGES, **published},
    )
    return Start("zoo", None, reference, published)


def _images(spec: Mapping[str, Any]) -> str:
    """Key of the arrays that artifacts are made with: the calibration images and the first test images.

    So it does not matter how many test images a profile asks for.
    """
    return dataset_recipe(spec, samples=0).key


def _recipe(spec: Mapping[str, Any], framework: str, method: str, model: str, *makers: str) -> Recipe:
    """Return a recipe with all that follows from the spec alone; `makers` as in `source_hash`."""
    return Recipe(
        framework=framework, method=method, model=model, weights="any", dataset=source.label_of(spec),
        arch="any", seed=spec["seed"], lock=spec["lock"], source=source_hash(*makers),
    )  # fmt: skip


def _wanted(spec: Mapping[str, Any], wanted: Mapping[str, Any], model: str, begin: Start) -> list[Recipe]:
    framework, method = wanted["framework"], wanted["method"]
    overrides: Mapping[str, Parameter] = wanted.get("parameters", {})
    made = []
    for arch in spec["arches"] if (framework, method) in PER_ARCH else ("any",):
        params = parameters(framework, method, arch)
        for name in overrides:
            if name not in params:
                raise ArtifactError(unknown("parameter", name, params), where=f"{framework} {method}")
        makers = (framework, str(begin.published["kind"])) if begin.published else (framework,)
        made.append(
            replace(
                _recipe(spec, framework, method, model, *makers),
                weights=begin.weights,
                arch=arch,
                inputs=(_images(spec), begin.state.key) if begin.state else (_images(spec),),
                parameters={**params, **overrides, **begin.published},
            )
        )
    return made
